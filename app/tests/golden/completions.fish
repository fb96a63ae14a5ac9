# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_conns_global_optspecs
    string join \n l/listening a/all t/tcp u/udp 4/ipv4 6/ipv6 netns= source= r/resolve color= columns= sort= group-by= limit= no-header o/output= watch= h/help V/version
end

function __fish_conns_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_conns_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_conns_using_subcommand
    set -l cmd (__fish_conns_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c conns -n "__fish_conns_needs_command" -l netns -d 'Only this network namespace: a name under /run/netns, an inode, a pid or a path; repeatable' -r
complete -c conns -n "__fish_conns_needs_command" -l source -d 'Where connections are read from' -r -f -a "auto\t'The kernel\'s tables where they can be read, else portable'
kernel\t'sock_diag and procfs (Linux)'
portable\t'The operating system\'s common interfaces: no latency, loss or bytes'"
complete -c conns -n "__fish_conns_needs_command" -l color -d 'Colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c conns -n "__fish_conns_needs_command" -l columns -d 'Columns by name; `+name` and `-name` change the usual ones, `all` is every field' -r
complete -c conns -n "__fish_conns_needs_command" -l sort -d 'Sort by these fields; `-name` is descending' -r
complete -c conns -n "__fish_conns_needs_command" -l group-by -d 'One row for each value of a field, with sums' -r
complete -c conns -n "__fish_conns_needs_command" -l limit -d 'At most so many rows' -r
complete -c conns -n "__fish_conns_needs_command" -s o -l output -d 'How to print' -r -f -a "table\t'For people, made to fit the terminal'
wide\t'For people, more columns, nothing cut'
json\t'One JSON object'
jsonl\t'One JSON object a line for each connection'
csv\t'Comma-separated values'"
complete -c conns -n "__fish_conns_needs_command" -l watch -d 'Look again every SECS seconds (2 if left out), and show rates' -r
complete -c conns -n "__fish_conns_needs_command" -s l -l listening -d 'Listening endpoints: TCP listeners, and UDP sockets without a peer'
complete -c conns -n "__fish_conns_needs_command" -s a -l all -d 'All states, and unconnected UDP'
complete -c conns -n "__fish_conns_needs_command" -s t -l tcp -d 'TCP only, MPTCP included'
complete -c conns -n "__fish_conns_needs_command" -s u -l udp -d 'UDP only'
complete -c conns -n "__fish_conns_needs_command" -s 4 -l ipv4 -d 'IPv4 sockets only'
complete -c conns -n "__fish_conns_needs_command" -s 6 -l ipv6 -d 'IPv6 sockets only'
complete -c conns -n "__fish_conns_needs_command" -s r -l resolve -d 'Show host and service names instead of numbers (asks the resolver)'
complete -c conns -n "__fish_conns_needs_command" -l no-header -d 'Leave out the line with the names of the columns'
complete -c conns -n "__fish_conns_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_needs_command" -s V -l version -d 'Print version'
complete -c conns -n "__fish_conns_needs_command" -a "why" -d 'Say why each connection is as fast as it is, with evidence and advice'
complete -c conns -n "__fish_conns_needs_command" -a "fields" -d 'List every field: type, unit, meaning, source'
complete -c conns -n "__fish_conns_needs_command" -a "call" -d 'Answer a call in the exact shape of another system'
complete -c conns -n "__fish_conns_needs_command" -a "man" -d 'Print the man page'
complete -c conns -n "__fish_conns_needs_command" -a "completions" -d 'Print completions for a shell'
complete -c conns -n "__fish_conns_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conns -n "__fish_conns_using_subcommand why" -l netns -d 'Only this network namespace: a name under /run/netns, an inode, a pid or a path; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand why" -l source -d 'Where connections are read from' -r -f -a "auto\t'The kernel\'s tables where they can be read, else portable'
kernel\t'sock_diag and procfs (Linux)'
portable\t'The operating system\'s common interfaces: no latency, loss or bytes'"
complete -c conns -n "__fish_conns_using_subcommand why" -l color -d 'Colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c conns -n "__fish_conns_using_subcommand why" -l for -d 'How long to watch before judging' -r
complete -c conns -n "__fish_conns_using_subcommand why" -s o -l output -d 'How to print' -r -f -a "text\t'Sentences'
json\t'One JSON object'
jsonl\t'One JSON object a line for each connection'"
complete -c conns -n "__fish_conns_using_subcommand why" -s l -l listening -d 'Listening endpoints: TCP listeners, and UDP sockets without a peer'
complete -c conns -n "__fish_conns_using_subcommand why" -s a -l all -d 'All states, and unconnected UDP'
complete -c conns -n "__fish_conns_using_subcommand why" -s t -l tcp -d 'TCP only, MPTCP included'
complete -c conns -n "__fish_conns_using_subcommand why" -s u -l udp -d 'UDP only'
complete -c conns -n "__fish_conns_using_subcommand why" -s 4 -l ipv4 -d 'IPv4 sockets only'
complete -c conns -n "__fish_conns_using_subcommand why" -s 6 -l ipv6 -d 'IPv6 sockets only'
complete -c conns -n "__fish_conns_using_subcommand why" -s r -l resolve -d 'Show host and service names instead of numbers (asks the resolver)'
complete -c conns -n "__fish_conns_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand fields" -s o -l output -d 'How to print' -r -f -a "table\t'For people'
markdown\t'The page docs/fields.md'
json\t'One JSON object'"
complete -c conns -n "__fish_conns_using_subcommand fields" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand call" -s o -l output -d 'How to print' -r -f -a "table\t'For people, made to fit the terminal'
wide\t'For people, more columns, nothing cut'
json\t'One JSON object'
jsonl\t'One JSON object a line for each connection'
csv\t'Comma-separated values'"
complete -c conns -n "__fish_conns_using_subcommand call" -l source -d 'Where connections are read from' -r -f -a "auto\t'The kernel\'s tables where they can be read, else portable'
kernel\t'sock_diag and procfs (Linux)'
portable\t'The operating system\'s common interfaces: no latency, loss or bytes'"
complete -c conns -n "__fish_conns_using_subcommand call" -l netns -d 'Only this network namespace; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand call" -l no-header -d 'Leave out the line with the names of the columns'
complete -c conns -n "__fish_conns_using_subcommand call" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand man" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand completions" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why fields call man completions help" -f -a "why" -d 'Say why each connection is as fast as it is, with evidence and advice'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why fields call man completions help" -f -a "fields" -d 'List every field: type, unit, meaning, source'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why fields call man completions help" -f -a "call" -d 'Answer a call in the exact shape of another system'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why fields call man completions help" -f -a "man" -d 'Print the man page'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why fields call man completions help" -f -a "completions" -d 'Print completions for a shell'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why fields call man completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
