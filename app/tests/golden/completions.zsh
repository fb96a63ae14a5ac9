#compdef conns

autoload -U is-at-least

_conns() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'*--netns=[Only this network namespace\: a name under /run/netns, an inode, a pid or a path; repeatable]:NAME:_default' \
'--source=[Where connections are read from]:SOURCE:((auto\:"The kernel'\''s tables where they can be read, else portable"
kernel\:"sock_diag and procfs (Linux)"
portable\:"The operating system'\''s common interfaces\: no latency, loss or bytes"))' \
'--color=[Colours]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Always"
never\:"Never"))' \
'--columns=[Columns by name; \`+name\` and \`-name\` change the usual ones, \`all\` is every field]:LIST:_default' \
'--sort=[Sort by these fields; \`-name\` is descending]:LIST:_default' \
'--group-by=[One row for each value of a field, with sums]:FIELD:_default' \
'--limit=[At most so many rows]:N:_default' \
'-o+[How to print]:FORMAT:((table\:"For people, made to fit the terminal"
wide\:"For people, more columns, nothing cut"
json\:"One JSON object"
jsonl\:"One JSON object a line for each connection"
csv\:"Comma-separated values"))' \
'--output=[How to print]:FORMAT:((table\:"For people, made to fit the terminal"
wide\:"For people, more columns, nothing cut"
json\:"One JSON object"
jsonl\:"One JSON object a line for each connection"
csv\:"Comma-separated values"))' \
'--watch=[Look again every SECS seconds (2 if left out), and show rates]::SECS:_default' \
'(-a --all)-l[Listening endpoints\: TCP listeners, and UDP sockets without a peer]' \
'(-a --all)--listening[Listening endpoints\: TCP listeners, and UDP sockets without a peer]' \
'-a[All states, and unconnected UDP]' \
'--all[All states, and unconnected UDP]' \
'-t[TCP only, MPTCP included]' \
'--tcp[TCP only, MPTCP included]' \
'-u[UDP only]' \
'--udp[UDP only]' \
'-4[IPv4 sockets only]' \
'--ipv4[IPv4 sockets only]' \
'-6[IPv6 sockets only]' \
'--ipv6[IPv6 sockets only]' \
'-r[Show host and service names instead of numbers (asks the resolver)]' \
'--resolve[Show host and service names instead of numbers (asks the resolver)]' \
'--no-header[Leave out the line with the names of the columns]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
'::filter -- Words of one filter\: `nginx`, `443`, `10.0.0.0/8`, `process == nginx and rtt > 50ms`:_default' \
":: :_conns_commands" \
"*::: :->conns" \
&& ret=0
    case $state in
    (conns)
        words=($line[2] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:conns-command-$line[2]:"
        case $line[2] in
            (why)
_arguments "${_arguments_options[@]}" : \
'*--netns=[Only this network namespace\: a name under /run/netns, an inode, a pid or a path; repeatable]:NAME:_default' \
'--source=[Where connections are read from]:SOURCE:((auto\:"The kernel'\''s tables where they can be read, else portable"
kernel\:"sock_diag and procfs (Linux)"
portable\:"The operating system'\''s common interfaces\: no latency, loss or bytes"))' \
'--color=[Colours]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Always"
never\:"Never"))' \
'--for=[How long to watch before judging]:TIME:_default' \
'-o+[How to print]:FORMAT:((text\:"Sentences"
json\:"One JSON object"
jsonl\:"One JSON object a line for each connection"))' \
'--output=[How to print]:FORMAT:((text\:"Sentences"
json\:"One JSON object"
jsonl\:"One JSON object a line for each connection"))' \
'(-a --all)-l[Listening endpoints\: TCP listeners, and UDP sockets without a peer]' \
'(-a --all)--listening[Listening endpoints\: TCP listeners, and UDP sockets without a peer]' \
'-a[All states, and unconnected UDP]' \
'--all[All states, and unconnected UDP]' \
'-t[TCP only, MPTCP included]' \
'--tcp[TCP only, MPTCP included]' \
'-u[UDP only]' \
'--udp[UDP only]' \
'-4[IPv4 sockets only]' \
'--ipv4[IPv4 sockets only]' \
'-6[IPv6 sockets only]' \
'--ipv6[IPv6 sockets only]' \
'-r[Show host and service names instead of numbers (asks the resolver)]' \
'--resolve[Show host and service names instead of numbers (asks the resolver)]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::filter -- Words of one filter\: `nginx`, `443`, `10.0.0.0/8`, `process == nginx and rtt > 50ms`:_default' \
&& ret=0
;;
(fields)
_arguments "${_arguments_options[@]}" : \
'-o+[How to print]:FORMAT:((table\:"For people"
markdown\:"The page docs/fields.md"
json\:"One JSON object"))' \
'--output=[How to print]:FORMAT:((table\:"For people"
markdown\:"The page docs/fields.md"
json\:"One JSON object"))' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(call)
_arguments "${_arguments_options[@]}" : \
'-o+[How to print]:FORMAT:((table\:"For people, made to fit the terminal"
wide\:"For people, more columns, nothing cut"
json\:"One JSON object"
jsonl\:"One JSON object a line for each connection"
csv\:"Comma-separated values"))' \
'--output=[How to print]:FORMAT:((table\:"For people, made to fit the terminal"
wide\:"For people, more columns, nothing cut"
json\:"One JSON object"
jsonl\:"One JSON object a line for each connection"
csv\:"Comma-separated values"))' \
'--source=[Where connections are read from]:SOURCE:((auto\:"The kernel'\''s tables where they can be read, else portable"
kernel\:"sock_diag and procfs (Linux)"
portable\:"The operating system'\''s common interfaces\: no latency, loss or bytes"))' \
'*--netns=[Only this network namespace; repeatable]:NAME:_default' \
'--no-header[Leave out the line with the names of the columns]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':call -- The call, such as `Network.GetConnections`:_default' \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':shell -- The shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_conns__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:conns-help-command-$line[1]:"
        case $line[1] in
            (why)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(fields)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(call)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_conns_commands] )) ||
_conns_commands() {
    local commands; commands=(
'why:Say why each connection is as fast as it is, with evidence and advice' \
'fields:List every field\: type, unit, meaning, source' \
'call:Answer a call in the exact shape of another system' \
'man:Print the man page' \
'completions:Print completions for a shell' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'conns commands' commands "$@"
}
(( $+functions[_conns__subcmd__call_commands] )) ||
_conns__subcmd__call_commands() {
    local commands; commands=()
    _describe -t commands 'conns call commands' commands "$@"
}
(( $+functions[_conns__subcmd__completions_commands] )) ||
_conns__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'conns completions commands' commands "$@"
}
(( $+functions[_conns__subcmd__fields_commands] )) ||
_conns__subcmd__fields_commands() {
    local commands; commands=()
    _describe -t commands 'conns fields commands' commands "$@"
}
(( $+functions[_conns__subcmd__help_commands] )) ||
_conns__subcmd__help_commands() {
    local commands; commands=(
'why:Say why each connection is as fast as it is, with evidence and advice' \
'fields:List every field\: type, unit, meaning, source' \
'call:Answer a call in the exact shape of another system' \
'man:Print the man page' \
'completions:Print completions for a shell' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'conns help commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__call_commands] )) ||
_conns__subcmd__help__subcmd__call_commands() {
    local commands; commands=()
    _describe -t commands 'conns help call commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__completions_commands] )) ||
_conns__subcmd__help__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'conns help completions commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__fields_commands] )) ||
_conns__subcmd__help__subcmd__fields_commands() {
    local commands; commands=()
    _describe -t commands 'conns help fields commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__help_commands] )) ||
_conns__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'conns help help commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__man_commands] )) ||
_conns__subcmd__help__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'conns help man commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__why_commands] )) ||
_conns__subcmd__help__subcmd__why_commands() {
    local commands; commands=()
    _describe -t commands 'conns help why commands' commands "$@"
}
(( $+functions[_conns__subcmd__man_commands] )) ||
_conns__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'conns man commands' commands "$@"
}
(( $+functions[_conns__subcmd__why_commands] )) ||
_conns__subcmd__why_commands() {
    local commands; commands=()
    _describe -t commands 'conns why commands' commands "$@"
}

if [ "$funcstack[1]" = "_conns" ]; then
    _conns "$@"
else
    compdef _conns conns
fi
