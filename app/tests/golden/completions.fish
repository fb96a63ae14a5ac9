# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_conns_global_optspecs
    string join \n agent= token-file= agent-ca= read= until= l/listening a/all t/tcp u/udp 4/ipv4 6/ipv6 netns= source= r/resolve color= x/unix w/raw 0/packet vsock f/family= columns= sort= group-by= limit= H/no-header o/output= json pid= e/extended i/info m/memory timers p/processes n/numeric explain watch= closed for= h/help V/version
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

complete -c conns -n "__fish_conns_needs_command" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_needs_command" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_needs_command" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_needs_command" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_needs_command" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_needs_command" -l netns -d 'Only this network namespace: a name under /run/netns, `self`, an inode, a pid or a path; repeatable' -r
complete -c conns -n "__fish_conns_needs_command" -l source -d 'Where connections are read from on this machine [default: auto]' -r -f -a "auto\t'The kernel\'s tables if they can be read, else portable'
kernel\t'sock_diag and procfs (Linux)'
ebpf\t'eBPF programs of its own (Linux), or an error if they cannot be loaded'
portable\t'The operating system\'s common interfaces: no latency, loss or bytes'"
complete -c conns -n "__fish_conns_needs_command" -l color -d 'Colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c conns -n "__fish_conns_needs_command" -s f -l family -d 'Sockets of these kinds, comma-separated or repeated' -r -f -a "unix\t'Unix sockets, with the process at the other end'
raw\t'Raw sockets of IPv4 and IPv6'
packet\t'Packet sockets'
vsock\t'Sockets between virtual machines and their host'
netlink\t'Netlink sockets'
udplite\t'UDP-Lite'
none\t'Sockets in no table: never bound, or closed while a process keeps the descriptor'
inet\t'TCP and UDP over IPv4'
inet6\t'TCP and UDP over IPv6'
all\t'Every kind, TCP and UDP included'"
complete -c conns -n "__fish_conns_needs_command" -l columns -d 'Columns by name; `+name` and `-name` change the default, `all` is every field' -r
complete -c conns -n "__fish_conns_needs_command" -l sort -d 'Sort by these fields; `-name` is descending. Groups: by their field, `connections` or what they sum' -r
complete -c conns -n "__fish_conns_needs_command" -l group-by -d 'One row for each value of a field, with sums' -r
complete -c conns -n "__fish_conns_needs_command" -l limit -d 'Maximum number of rows' -r
complete -c conns -n "__fish_conns_needs_command" -s o -l output -d 'Output format' -r -f -a "table\t'A table that fits the terminal'
wide\t'A table with more columns, not truncated'
json\t'One JSON object'
jsonl\t'One JSON object per line and connection'
csv\t'Comma-separated values'"
complete -c conns -n "__fish_conns_needs_command" -l pid -d 'Only connections of these processes; `-p PID` too' -r
complete -c conns -n "__fish_conns_needs_command" -l watch -d 'Repeat at this interval (2 seconds unless `--watch=5s`), and show rates' -r
complete -c conns -n "__fish_conns_needs_command" -l for -d 'How long to wait for connections to close [default: 10s]; Ctrl-C stops earlier' -r
complete -c conns -n "__fish_conns_needs_command" -s l -l listening -d 'Listening endpoints: TCP listeners, and UDP sockets without a peer'
complete -c conns -n "__fish_conns_needs_command" -s a -l all -d 'All states, and unconnected UDP'
complete -c conns -n "__fish_conns_needs_command" -s t -l tcp -d 'TCP only, MPTCP included'
complete -c conns -n "__fish_conns_needs_command" -s u -l udp -d 'UDP only'
complete -c conns -n "__fish_conns_needs_command" -s 4 -l ipv4 -d 'IPv4 sockets only'
complete -c conns -n "__fish_conns_needs_command" -s 6 -l ipv6 -d 'IPv6 sockets only'
complete -c conns -n "__fish_conns_needs_command" -s r -l resolve -d 'Show host and service names instead of numbers (asks the resolver)'
complete -c conns -n "__fish_conns_needs_command" -s x -l unix -d 'Unix sockets, with the process at the other end'
complete -c conns -n "__fish_conns_needs_command" -s w -l raw -d 'Raw sockets'
complete -c conns -n "__fish_conns_needs_command" -s 0 -l packet -d 'Packet sockets'
complete -c conns -n "__fish_conns_needs_command" -l vsock -d 'Sockets between virtual machines and their host'
complete -c conns -n "__fish_conns_needs_command" -s H -l no-header -d 'Omit the line with the column names'
complete -c conns -n "__fish_conns_needs_command" -l json -d 'One JSON object: `-o json`'
complete -c conns -n "__fish_conns_needs_command" -s e -l extended -d 'Add user, inode and cookie'
complete -c conns -n "__fish_conns_needs_command" -s i -l info -d 'Add the sender\'s window, retransmission timeout and rates'
complete -c conns -n "__fish_conns_needs_command" -s m -l memory -d 'Add queues and buffers'
complete -c conns -n "__fish_conns_needs_command" -l timers -d 'Add timers; `-o` without a format too'
complete -c conns -n "__fish_conns_needs_command" -s p -l processes -d 'Processes are always shown'
complete -c conns -n "__fish_conns_needs_command" -s n -l numeric -d 'Numbers are always shown, unless `--resolve`'
complete -c conns -n "__fish_conns_needs_command" -l explain -d 'Show the source of each value and the reason of each unknown one: below the table, or as `explain` in each JSON record'
complete -c conns -n "__fish_conns_needs_command" -l closed -d 'List connections that close or fail from now on; a remote agent lists those it has recorded'
complete -c conns -n "__fish_conns_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_needs_command" -s V -l version -d 'Print version'
complete -c conns -n "__fish_conns_needs_command" -a "why" -d 'Explain what limits each connection, with evidence and advice'
complete -c conns -n "__fish_conns_needs_command" -a "streams" -d 'List media streams: who publishes and who plays each, and who is slow'
complete -c conns -n "__fish_conns_needs_command" -a "events" -d 'Print TCP connection events live: opened, accepted, closed, failed'
complete -c conns -n "__fish_conns_needs_command" -a "fields" -d 'List every field: type, unit, meaning, source'
complete -c conns -n "__fish_conns_needs_command" -a "abilities" -d 'List which abilities are available here, and why others are not'
complete -c conns -n "__fish_conns_needs_command" -a "call" -d 'Answer a call in the exact format of another system'
complete -c conns -n "__fish_conns_needs_command" -a "serve" -d 'Run the agent: sample this machine, serve HTTP and the APIs of other systems'
complete -c conns -n "__fish_conns_needs_command" -a "link" -d 'Transfers between hosts: send and receive files, encrypted and at a controlled rate'
complete -c conns -n "__fish_conns_needs_command" -a "config" -d 'Show the configuration of `conns serve`, and where each value comes from'
complete -c conns -n "__fish_conns_needs_command" -a "token" -d 'Generate a token for clients, and its hash for the configuration of the agent'
complete -c conns -n "__fish_conns_needs_command" -a "man" -d 'Print the man page'
complete -c conns -n "__fish_conns_needs_command" -a "completions" -d 'Print completions for a shell'
complete -c conns -n "__fish_conns_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conns -n "__fish_conns_using_subcommand why" -l netns -d 'Only this network namespace: a name under /run/netns, `self`, an inode, a pid or a path; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand why" -l source -d 'Where connections are read from on this machine [default: auto]' -r -f -a "auto\t'The kernel\'s tables if they can be read, else portable'
kernel\t'sock_diag and procfs (Linux)'
ebpf\t'eBPF programs of its own (Linux), or an error if they cannot be loaded'
portable\t'The operating system\'s common interfaces: no latency, loss or bytes'"
complete -c conns -n "__fish_conns_using_subcommand why" -l color -d 'Colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c conns -n "__fish_conns_using_subcommand why" -l for -d 'How long to sample before the verdict; a remote agent uses its own window' -r
complete -c conns -n "__fish_conns_using_subcommand why" -s o -l output -d 'Output format' -r -f -a "text\t'Sentences'
json\t'One JSON object'
jsonl\t'One JSON object per line and connection'"
complete -c conns -n "__fish_conns_using_subcommand why" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand why" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand why" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand why" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand why" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand why" -s l -l listening -d 'Listening endpoints: TCP listeners, and UDP sockets without a peer'
complete -c conns -n "__fish_conns_using_subcommand why" -s a -l all -d 'All states, and unconnected UDP'
complete -c conns -n "__fish_conns_using_subcommand why" -s t -l tcp -d 'TCP only, MPTCP included'
complete -c conns -n "__fish_conns_using_subcommand why" -s u -l udp -d 'UDP only'
complete -c conns -n "__fish_conns_using_subcommand why" -s 4 -l ipv4 -d 'IPv4 sockets only'
complete -c conns -n "__fish_conns_using_subcommand why" -s 6 -l ipv6 -d 'IPv6 sockets only'
complete -c conns -n "__fish_conns_using_subcommand why" -s r -l resolve -d 'Show host and service names instead of numbers (asks the resolver)'
complete -c conns -n "__fish_conns_using_subcommand why" -l explain -d 'Add the source of each value and the reason of each unknown one to JSON records'
complete -c conns -n "__fish_conns_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand streams" -l netns -d 'Only this network namespace: a name under /run/netns, `self`, an inode, a pid or a path; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand streams" -l source -d 'Where connections are read from on this machine [default: auto]' -r -f -a "auto\t'The kernel\'s tables if they can be read, else portable'
kernel\t'sock_diag and procfs (Linux)'
ebpf\t'eBPF programs of its own (Linux), or an error if they cannot be loaded'
portable\t'The operating system\'s common interfaces: no latency, loss or bytes'"
complete -c conns -n "__fish_conns_using_subcommand streams" -l color -d 'Colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c conns -n "__fish_conns_using_subcommand streams" -l for -d 'How long to watch before the list; an agent has watched before' -r
complete -c conns -n "__fish_conns_using_subcommand streams" -s o -l output -d 'Output format' -r -f -a "table\t'A table'
json\t'One JSON object'"
complete -c conns -n "__fish_conns_using_subcommand streams" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand streams" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand streams" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand streams" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand streams" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand streams" -s t -l tcp -d 'TCP only, MPTCP included'
complete -c conns -n "__fish_conns_using_subcommand streams" -s u -l udp -d 'UDP only'
complete -c conns -n "__fish_conns_using_subcommand streams" -s 4 -l ipv4 -d 'IPv4 sockets only'
complete -c conns -n "__fish_conns_using_subcommand streams" -s 6 -l ipv6 -d 'IPv6 sockets only'
complete -c conns -n "__fish_conns_using_subcommand streams" -s r -l resolve -d 'Show host and service names instead of numbers (asks the resolver)'
complete -c conns -n "__fish_conns_using_subcommand streams" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand events" -l netns -d 'Only this network namespace: a name under /run/netns, `self`, an inode, a pid or a path; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand events" -l source -d 'Where connections are read from on this machine [default: auto]' -r -f -a "auto\t'The kernel\'s tables if they can be read, else portable'
kernel\t'sock_diag and procfs (Linux)'
ebpf\t'eBPF programs of its own (Linux), or an error if they cannot be loaded'
portable\t'The operating system\'s common interfaces: no latency, loss or bytes'"
complete -c conns -n "__fish_conns_using_subcommand events" -l color -d 'Colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c conns -n "__fish_conns_using_subcommand events" -l for -d 'Stop after this time [default: on Ctrl-C]' -r
complete -c conns -n "__fish_conns_using_subcommand events" -l kind -d 'Only events of these kinds' -r -f -a "opened\t'This machine connected'
accepted\t'A listener accepted'
closed\t'It closed'
failed\t'An attempt failed'"
complete -c conns -n "__fish_conns_using_subcommand events" -l limit -d 'Stop after this number of events' -r
complete -c conns -n "__fish_conns_using_subcommand events" -l columns -d 'Fields of jsonl by name; `+name` and `-name` change the default, `all` is every field' -r
complete -c conns -n "__fish_conns_using_subcommand events" -s o -l output -d 'Output format' -r -f -a "text\t'One line per event'
jsonl\t'One JSON object per line and event'"
complete -c conns -n "__fish_conns_using_subcommand events" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand events" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand events" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand events" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand events" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand events" -s t -l tcp -d 'TCP only, MPTCP included'
complete -c conns -n "__fish_conns_using_subcommand events" -s u -l udp -d 'UDP only'
complete -c conns -n "__fish_conns_using_subcommand events" -s 4 -l ipv4 -d 'IPv4 sockets only'
complete -c conns -n "__fish_conns_using_subcommand events" -s 6 -l ipv6 -d 'IPv6 sockets only'
complete -c conns -n "__fish_conns_using_subcommand events" -s r -l resolve -d 'Show host and service names instead of numbers (asks the resolver)'
complete -c conns -n "__fish_conns_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand fields" -s o -l output -d 'Output format' -r -f -a "table\t'A table'
markdown\t'The page docs/fields.md'
json\t'One JSON object'"
complete -c conns -n "__fish_conns_using_subcommand fields" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand fields" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand fields" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand fields" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand fields" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand fields" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand abilities" -s o -l output -d 'Output format' -r -f -a "table\t'A table'
json\t'One JSON object'"
complete -c conns -n "__fish_conns_using_subcommand abilities" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand abilities" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand abilities" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand abilities" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand abilities" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand abilities" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand call" -s o -l output -d 'How to print a table of 1E; the other systems answer in JSON only' -r -f -a "table\t'A table that fits the terminal'
wide\t'A table with more columns, not truncated'
json\t'One JSON object'
jsonl\t'One JSON object per line and connection'
csv\t'Comma-separated values'"
complete -c conns -n "__fish_conns_using_subcommand call" -l source -d 'Where connections are read from on this machine [default: auto]' -r -f -a "auto\t'The kernel\'s tables if they can be read, else portable'
kernel\t'sock_diag and procfs (Linux)'
ebpf\t'eBPF programs of its own (Linux), or an error if they cannot be loaded'
portable\t'The operating system\'s common interfaces: no latency, loss or bytes'"
complete -c conns -n "__fish_conns_using_subcommand call" -l netns -d 'Only this network namespace; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand call" -l show-credentials -d 'Show passwords and tokens of decoded URIs; else they are replaced by ***' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand call" -l monero-peers -d 'Which connections are peers of a Monero node [default: proto == tcp and state == established and (app == levin or app is unknown and process in (monerod, cuprated) and (direction == outbound or direction == inbound and local_port in (18080, 28080, 38080)))]' -r
complete -c conns -n "__fish_conns_using_subcommand call" -l monero-node -d 'Which of them belong to the node to report, if several run' -r
complete -c conns -n "__fish_conns_using_subcommand call" -l monero-era -d 'The release of Monero whose response format is used [default: current]' -r -f -a "current\t''
0.11\t''"
complete -c conns -n "__fish_conns_using_subcommand call" -l monero-restricted -d 'Answer as the restricted RPC port of a node, which does not know the method' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand call" -l ems-streams -d 'Which connections belong to a media server [default: (port in (554, 1935, 1936, 5544, 6666, 8554, 9999) or process in (evostreamms, rms, crtmpserver)) and not port in (1112, 1113, 1222, 7777)]' -r
complete -c conns -n "__fish_conns_using_subcommand call" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand call" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand call" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand call" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand call" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand call" -l no-header -d 'Omit the line with the column names'
complete -c conns -n "__fish_conns_using_subcommand call" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand serve" -l config -d 'Read this file instead of /etc/conns/conns.toml' -r -F
complete -c conns -n "__fish_conns_using_subcommand serve" -l interval -d 'Time between two samples of the machine [default: 1s]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l window -d 'A verdict covers one to two windows of this length; at least two intervals [default: 5s]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l source -d 'Where connections are read from [default: auto]' -r -f -a "auto\t''
kernel\t''
ebpf\t''
portable\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l tap -d 'Decode what TCP connections carry, from their payload [default: true]' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l show-credentials -d 'Show passwords and tokens of decoded URIs; else they are replaced by ***' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l files-of -d 'Names of processes besides media servers whose media files are listed; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l ask-daemons -d 'Ask Monero nodes, over their RPC ports on loopback, for what their handshakes before the agent announced' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l follow-namespaces -d 'Also sample network namespaces created after the start; keeps CAP_SYS_ADMIN for it' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l user -d 'Run as this user once everything is open' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l serving-process -d 'Serve clients from a process of its own, without any privilege: auto is yes where other machines can connect (Linux only) [default: auto]' -r -f -a "auto\t''
yes\t''
no\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l listen -d 'Where to listen: [PROTOCOL=]ADDRESS:PORT, an empty address is 127.0.0.1; or unix:/PATH. Protocols: http (all of them, each under its path), https, 1e, monero, ems-json, ems-ascii, ems-http, jetstream; repeatable [default: http=127.0.0.1:7979 unix:/run/conns/conns.sock]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l insecure -d 'Serve other machines without TLS and token' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l host -d 'Names of this machine, accepted in the Host header besides addresses and localhost; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l token-hash -d 'Hashes (sha256:…) of the bearer tokens accepted over TCP; `conns token` generates one; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l tls-cert -d 'PEM file with the certificate and its chain' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l tls-key -d 'PEM file with the private key' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l monero-peers -d 'Which connections are peers of a Monero node [default: proto == tcp and state == established and (app == levin or app is unknown and process in (monerod, cuprated) and (direction == outbound or direction == inbound and local_port in (18080, 28080, 38080)))]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l monero-node -d 'Which of them belong to the node to report, if several run' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l monero-era -d 'The release of Monero whose response format is used [default: current]' -r -f -a "current\t''
0.11\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l monero-restricted -d 'Answer as the restricted RPC port of a node, which does not know the method' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l monero-login -d 'Login of the Monero API; the digest is the output of `printf %s USER:monero-rpc:PASSWORD | md5sum`. Prefer the file: other users can read flags and variables' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l ems-streams -d 'Which connections belong to a media server [default: (port in (554, 1935, 1936, 5544, 6666, 8554, 9999) or process in (evostreamms, rms, crtmpserver)) and not port in (1112, 1113, 1222, 7777)]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l ems-length-prefix -d 'Send a four-byte length before each JSON answer over TCP, as EMS does [default: true]' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand serve" -l link-listen -d 'Host a link server, which transfers files between hosts, and receive at this UDP port (Linux only); without it there is none' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l link-key -d 'Its key file, which `conns link keygen` makes and the account of the agent owns; without it one is made' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l link-folder -d 'Folder that received files are written below, an absolute path' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l link-allow -d 'Public keys (ck1…) of the senders that may connect; without any, every sender may write to the folder; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l link-relay -d 'Receive through this relay too: ck1…@HOST[:PORT]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l link-incoming-limit -d 'Rate that all senders together may use, such as 500Mbit/s; without it the one set before' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l link-outgoing-limit -d 'Rate that all destinations together may use; without it the one set before' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l metrics-top -d 'How many of the largest processes and remote addresses have time series of their own in /metrics; the others are summed [default: 20]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-clients -d 'Maximum clients connected at once [default: 3072]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-clients-per-listener -d 'Maximum clients connected at once to one listener [default: 2560]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-clients-per-address -d 'Maximum clients connected at once from one address (IPv6: one /64); loopback is not counted [default: 256]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-streams -d 'Maximum event streams at once [default: 32]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-head-bytes -d 'Maximum size of the head of an HTTP request [default: 16KiB]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-bodies-bytes -d 'Maximum bytes of request bodies and incomplete lines, over all clients [default: 32MiB]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-in-flight-bytes -d 'Maximum bytes of answers in flight, over all clients [default: 64MiB]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-idle-time -d 'Maximum time between two requests of an HTTP client [default: 75s]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-line-idle-time -d 'Maximum time between two requests of a client of a line protocol [default: 10m]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-head-time -d 'Maximum time for the head of a request, or a TLS handshake [default: 10s]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-body-time -d 'Maximum time for the body of a request [default: 10s]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-line-time -d 'Maximum time for a line, from its first byte to its end [default: 2m]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-work-time -d 'Maximum time to generate an answer [default: 30s]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-write-time -d 'A client that reads nothing for this long is disconnected [default: 10s]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-answer-rate -d 'A client that reads less than this per second, averaged over an answer, is disconnected [default: 64KiB]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l limits-stop-time -d 'Time for requests in progress to finish when the agent stops [default: 5s]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand serve" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand serve" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand serve" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "keygen" -d 'Make a key file, and print the public key'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "serve" -d 'Receive files, and send what is queued, until a signal stops it'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "send" -d 'Send files and folders'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "queue" -d 'List transfers'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "pause" -d 'Stop a transfer for now'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "resume" -d 'Continue a transfer that was paused, or try one again at once'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "cancel" -d 'End a transfer, and remove what the receiver has of it'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "connections" -d 'List the connections to destinations'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "set" -d 'Change rates and method of a destination, at once'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "relay" -d 'Relay transfers to receivers that accept no incoming connection'
complete -c conns -n "__fish_conns_using_subcommand link; and not __fish_seen_subcommand_from keygen serve send queue pause resume cancel connections set relay help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from keygen" -l out -d 'The file to write; it must not exist' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from keygen" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from keygen" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from keygen" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from keygen" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from keygen" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from keygen" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l listen -d 'Address and UDP port to receive at' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l folder -d 'The folder that files are written below' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l allow -d 'Public key of a sender that may connect; repeatable [default: any sender]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l relay -d 'Receive through this relay too' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l incoming-limit -d 'Rate that all senders together may use, such as 500Mbit/s [default: the one set before, or none]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l outgoing-limit -d 'Rate that all destinations together may use [default: the one set before, or none]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l until-stdin-ends -d 'Drop all privileges, answer calls on standard input, a unix socket, and end with it: as a part of `conns serve`'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -l supervise -d 'Likewise, as the process between `conns serve` and this server, which starts it again when it ends'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from serve" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l to -d 'The folder, below that of the receiver, to write to' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l priority -d 'Order in the queue; the lower number is sent first' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l overwrite -d 'Which existing files are replaced' -r -f -a "never\t'None'
same\t'Those of the same size, and empty ones'
always\t'All'"
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l rate -d 'The rate: that of the method fixed, and a bound of the others; such as 200Mbit/s' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l min -d 'Never send slower, whatever the path does' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l max -d 'Never send faster' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l method -d 'How the rate is chosen [default: low]' -r -f -a "fixed\t'At --rate, whatever is lost or delayed'
low\t'Fills the path, and yields to other traffic'
fair\t'Fills the path, and holds its share beside TCP'"
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l relay -d 'Send through this relay; the destination is then the receiver\'s ck1… alone' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l detach -d 'Queue it and return, if a link server runs'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l quiet -d 'Print no progress'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -l json -d 'Print the finished transfer as JSON'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -s a -l all -d 'Those that ended too'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -l json -d 'Print JSON: what JetStream\'s getTransfers answers'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from queue" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from pause" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from pause" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from pause" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from pause" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from pause" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from pause" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from resume" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from resume" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from resume" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from resume" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from resume" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from resume" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from cancel" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from cancel" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from cancel" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from cancel" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from cancel" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from cancel" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from connections" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from connections" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from connections" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from connections" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from connections" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from connections" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from connections" -l json -d 'Print JSON: what JetStream\'s getConnections answers'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from connections" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l rate -d 'The rate: that of the method fixed, and a bound of the others; such as 200Mbit/s' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l min -d 'Never send slower, whatever the path does' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l max -d 'Never send faster' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l method -d 'How the rate is chosen [default: low]' -r -f -a "fixed\t'At --rate, whatever is lost or delayed'
low\t'Fills the path, and yields to other traffic'
fair\t'Fills the path, and holds its share beside TCP'"
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -l json -d 'Print JSON: the destination as it is then'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l listen -d 'Address and TCP port of the control connections; transfers use UDP ports of the same address' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l key -d 'The key file [default: one of this user, made when it is needed first]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l allow -d 'Public key of a receiver that may register; repeatable [default: any]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l rate -d 'Rate that the flows of one receiver may use' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l udp-ports -d 'UDP ports of transfers, two each, such as 40000-41999 for 1000, which a firewall opens by range [default: any free ones]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from relay" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "keygen" -d 'Make a key file, and print the public key'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "serve" -d 'Receive files, and send what is queued, until a signal stops it'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "send" -d 'Send files and folders'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "queue" -d 'List transfers'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "pause" -d 'Stop a transfer for now'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Continue a transfer that was paused, or try one again at once'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "cancel" -d 'End a transfer, and remove what the receiver has of it'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "connections" -d 'List the connections to destinations'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "set" -d 'Change rates and method of a destination, at once'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "relay" -d 'Relay transfers to receivers that accept no incoming connection'
complete -c conns -n "__fish_conns_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -f -a "explain" -d 'Print every setting as `conns serve` with the same flags would use it, and where it comes from'
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -f -a "default" -d 'Print a configuration file with every setting and its default'
complete -c conns -n "__fish_conns_using_subcommand config; and not __fish_seen_subcommand_from explain default help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l config -d 'Read this file instead of /etc/conns/conns.toml' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l interval -d 'Time between two samples of the machine [default: 1s]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l window -d 'A verdict covers one to two windows of this length; at least two intervals [default: 5s]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l source -d 'Where connections are read from [default: auto]' -r -f -a "auto\t''
kernel\t''
ebpf\t''
portable\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l tap -d 'Decode what TCP connections carry, from their payload [default: true]' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l show-credentials -d 'Show passwords and tokens of decoded URIs; else they are replaced by ***' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l files-of -d 'Names of processes besides media servers whose media files are listed; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l ask-daemons -d 'Ask Monero nodes, over their RPC ports on loopback, for what their handshakes before the agent announced' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l follow-namespaces -d 'Also sample network namespaces created after the start; keeps CAP_SYS_ADMIN for it' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l user -d 'Run as this user once everything is open' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l serving-process -d 'Serve clients from a process of its own, without any privilege: auto is yes where other machines can connect (Linux only) [default: auto]' -r -f -a "auto\t''
yes\t''
no\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l listen -d 'Where to listen: [PROTOCOL=]ADDRESS:PORT, an empty address is 127.0.0.1; or unix:/PATH. Protocols: http (all of them, each under its path), https, 1e, monero, ems-json, ems-ascii, ems-http, jetstream; repeatable [default: http=127.0.0.1:7979 unix:/run/conns/conns.sock]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l insecure -d 'Serve other machines without TLS and token' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l host -d 'Names of this machine, accepted in the Host header besides addresses and localhost; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l token-hash -d 'Hashes (sha256:…) of the bearer tokens accepted over TCP; `conns token` generates one; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l tls-cert -d 'PEM file with the certificate and its chain' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l tls-key -d 'PEM file with the private key' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l monero-peers -d 'Which connections are peers of a Monero node [default: proto == tcp and state == established and (app == levin or app is unknown and process in (monerod, cuprated) and (direction == outbound or direction == inbound and local_port in (18080, 28080, 38080)))]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l monero-node -d 'Which of them belong to the node to report, if several run' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l monero-era -d 'The release of Monero whose response format is used [default: current]' -r -f -a "current\t''
0.11\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l monero-restricted -d 'Answer as the restricted RPC port of a node, which does not know the method' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l monero-login -d 'Login of the Monero API; the digest is the output of `printf %s USER:monero-rpc:PASSWORD | md5sum`. Prefer the file: other users can read flags and variables' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l ems-streams -d 'Which connections belong to a media server [default: (port in (554, 1935, 1936, 5544, 6666, 8554, 9999) or process in (evostreamms, rms, crtmpserver)) and not port in (1112, 1113, 1222, 7777)]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l ems-length-prefix -d 'Send a four-byte length before each JSON answer over TCP, as EMS does [default: true]' -r -f -a "true\t''
false\t''"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l link-listen -d 'Host a link server, which transfers files between hosts, and receive at this UDP port (Linux only); without it there is none' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l link-key -d 'Its key file, which `conns link keygen` makes and the account of the agent owns; without it one is made' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l link-folder -d 'Folder that received files are written below, an absolute path' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l link-allow -d 'Public keys (ck1…) of the senders that may connect; without any, every sender may write to the folder; repeatable' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l link-relay -d 'Receive through this relay too: ck1…@HOST[:PORT]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l link-incoming-limit -d 'Rate that all senders together may use, such as 500Mbit/s; without it the one set before' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l link-outgoing-limit -d 'Rate that all destinations together may use; without it the one set before' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l metrics-top -d 'How many of the largest processes and remote addresses have time series of their own in /metrics; the others are summed [default: 20]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-clients -d 'Maximum clients connected at once [default: 3072]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-clients-per-listener -d 'Maximum clients connected at once to one listener [default: 2560]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-clients-per-address -d 'Maximum clients connected at once from one address (IPv6: one /64); loopback is not counted [default: 256]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-streams -d 'Maximum event streams at once [default: 32]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-head-bytes -d 'Maximum size of the head of an HTTP request [default: 16KiB]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-bodies-bytes -d 'Maximum bytes of request bodies and incomplete lines, over all clients [default: 32MiB]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-in-flight-bytes -d 'Maximum bytes of answers in flight, over all clients [default: 64MiB]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-idle-time -d 'Maximum time between two requests of an HTTP client [default: 75s]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-line-idle-time -d 'Maximum time between two requests of a client of a line protocol [default: 10m]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-head-time -d 'Maximum time for the head of a request, or a TLS handshake [default: 10s]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-body-time -d 'Maximum time for the body of a request [default: 10s]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-line-time -d 'Maximum time for a line, from its first byte to its end [default: 2m]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-work-time -d 'Maximum time to generate an answer [default: 30s]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-write-time -d 'A client that reads nothing for this long is disconnected [default: 10s]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-answer-rate -d 'A client that reads less than this per second, averaged over an answer, is disconnected [default: 64KiB]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l limits-stop-time -d 'Time for requests in progress to finish when the agent stops [default: 5s]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -s o -l output -d 'Output format' -r -f -a "text\t'A table'
json\t'One JSON object'"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from default" -s o -l output -d 'Output format' -r -f -a "toml\t'A configuration file'
markdown\t'The page docs/config.md'"
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from default" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from default" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from default" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from default" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from default" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from default" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "explain" -d 'Print every setting as `conns serve` with the same flags would use it, and where it comes from'
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "default" -d 'Print a configuration file with every setting and its default'
complete -c conns -n "__fish_conns_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conns -n "__fish_conns_using_subcommand token" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand token" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand token" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand token" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand token" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand token" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand man" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand man" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand man" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand man" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand man" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand man" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand completions" -l agent -d 'Query the agent (`conns serve`) at http://HOST:PORT, https://HOST or unix:/PATH instead of this machine [env: CONNS_AGENT]' -r
complete -c conns -n "__fish_conns_using_subcommand completions" -l token-file -d 'Send the bearer token in FILE [env: CONNS_TOKEN, the token itself]' -r -F
complete -c conns -n "__fish_conns_using_subcommand completions" -l agent-ca -d 'Trust the CA certificates in FILE (PEM) instead of those of the system' -r -F
complete -c conns -n "__fish_conns_using_subcommand completions" -l read -d 'Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end' -r -F
complete -c conns -n "__fish_conns_using_subcommand completions" -l until -d 'The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]' -r
complete -c conns -n "__fish_conns_using_subcommand completions" -s h -l help -d 'Print help'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "why" -d 'Explain what limits each connection, with evidence and advice'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "streams" -d 'List media streams: who publishes and who plays each, and who is slow'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "events" -d 'Print TCP connection events live: opened, accepted, closed, failed'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "fields" -d 'List every field: type, unit, meaning, source'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "abilities" -d 'List which abilities are available here, and why others are not'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "call" -d 'Answer a call in the exact format of another system'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "serve" -d 'Run the agent: sample this machine, serve HTTP and the APIs of other systems'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "link" -d 'Transfers between hosts: send and receive files, encrypted and at a controlled rate'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "config" -d 'Show the configuration of `conns serve`, and where each value comes from'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "token" -d 'Generate a token for clients, and its hash for the configuration of the agent'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "man" -d 'Print the man page'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "completions" -d 'Print completions for a shell'
complete -c conns -n "__fish_conns_using_subcommand help; and not __fish_seen_subcommand_from why streams events fields abilities call serve link config token man completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "keygen" -d 'Make a key file, and print the public key'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "serve" -d 'Receive files, and send what is queued, until a signal stops it'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "send" -d 'Send files and folders'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "queue" -d 'List transfers'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "pause" -d 'Stop a transfer for now'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "resume" -d 'Continue a transfer that was paused, or try one again at once'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "cancel" -d 'End a transfer, and remove what the receiver has of it'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "connections" -d 'List the connections to destinations'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "set" -d 'Change rates and method of a destination, at once'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "relay" -d 'Relay transfers to receivers that accept no incoming connection'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "explain" -d 'Print every setting as `conns serve` with the same flags would use it, and where it comes from'
complete -c conns -n "__fish_conns_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "default" -d 'Print a configuration file with every setting and its default'
