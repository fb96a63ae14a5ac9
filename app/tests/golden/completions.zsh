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
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'(--read)*--netns=[Only this network namespace\: a name under /run/netns, \`self\`, an inode, a pid or a path; repeatable]:NAME:_default' \
'(--agent --read)--source=[Where connections are read from on this machine \[default\: auto\]]:SOURCE:((auto\:"The kernel'\''s tables if they can be read, else portable"
kernel\:"sock_diag and procfs (Linux)"
ebpf\:"eBPF programs of its own (Linux), or an error if they cannot be loaded"
portable\:"The operating system'\''s common interfaces\: no latency, loss or bytes"))' \
'--color=[Colours]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Always"
never\:"Never"))' \
'(--agent --read --closed)*-f+[Sockets of these kinds, comma-separated or repeated]:FAMILY:((unix\:"Unix sockets, with the process at the other end"
raw\:"Raw sockets of IPv4 and IPv6"
packet\:"Packet sockets"
vsock\:"Sockets between virtual machines and their host"
netlink\:"Netlink sockets"
udplite\:"UDP-Lite"
none\:"Sockets in no table\: never bound, or closed while a process keeps the descriptor"
inet\:"TCP and UDP over IPv4"
inet6\:"TCP and UDP over IPv6"
all\:"Every kind, TCP and UDP included"))' \
'(--agent --read --closed)*--family=[Sockets of these kinds, comma-separated or repeated]:FAMILY:((unix\:"Unix sockets, with the process at the other end"
raw\:"Raw sockets of IPv4 and IPv6"
packet\:"Packet sockets"
vsock\:"Sockets between virtual machines and their host"
netlink\:"Netlink sockets"
udplite\:"UDP-Lite"
none\:"Sockets in no table\: never bound, or closed while a process keeps the descriptor"
inet\:"TCP and UDP over IPv4"
inet6\:"TCP and UDP over IPv6"
all\:"Every kind, TCP and UDP included"))' \
'--columns=[Columns by name; \`+name\` and \`-name\` change the default, \`all\` is every field]:LIST:_default' \
'--sort=[Sort by these fields; \`-name\` is descending. Groups\: by their field, \`connections\` or what they sum]:LIST:_default' \
'--group-by=[One row for each value of a field, with sums]:FIELD:_default' \
'--limit=[Maximum number of rows]:N:_default' \
'-o+[Output format]:FORMAT:((table\:"A table that fits the terminal"
wide\:"A table with more columns, not truncated"
json\:"One JSON object"
jsonl\:"One JSON object per line and connection"
csv\:"Comma-separated values"))' \
'--output=[Output format]:FORMAT:((table\:"A table that fits the terminal"
wide\:"A table with more columns, not truncated"
json\:"One JSON object"
jsonl\:"One JSON object per line and connection"
csv\:"Comma-separated values"))' \
'*--pid=[Only connections of these processes; \`-p PID\` too]:PID:_default' \
'(--read)--watch=[Repeat at this interval (2 seconds unless \`--watch=5s\`), and show rates]::TIME:_default' \
'(--read)--for=[How long to wait for connections to close \[default\: 10s\]; Ctrl-C stops earlier]:TIME:_default' \
'(--read)-l[Listening endpoints\: TCP listeners, and UDP sockets without a peer]' \
'(--read)--listening[Listening endpoints\: TCP listeners, and UDP sockets without a peer]' \
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
'(--agent --read --closed)-x[Unix sockets, with the process at the other end]' \
'(--agent --read --closed)--unix[Unix sockets, with the process at the other end]' \
'(--agent --read --closed)-w[Raw sockets]' \
'(--agent --read --closed)--raw[Raw sockets]' \
'(--agent --read --closed)-0[Packet sockets]' \
'(--agent --read --closed)--packet[Packet sockets]' \
'(--agent --read --closed)--vsock[Sockets between virtual machines and their host]' \
'-H[Omit the line with the column names]' \
'--no-header[Omit the line with the column names]' \
'(-o --output)--json[One JSON object\: \`-o json\`]' \
'-e[Add user, inode and cookie]' \
'--extended[Add user, inode and cookie]' \
'-i[Add the sender'\''s window, retransmission timeout and rates]' \
'--info[Add the sender'\''s window, retransmission timeout and rates]' \
'-m[Add queues and buffers]' \
'--memory[Add queues and buffers]' \
'--timers[Add timers; \`-o\` without a format too]' \
'-p[Processes are always shown]' \
'--processes[Processes are always shown]' \
'(-r --resolve)-n[Numbers are always shown, unless \`--resolve\`]' \
'(-r --resolve)--numeric[Numbers are always shown, unless \`--resolve\`]' \
'(--group-by)--explain[Show the source of each value and the reason of each unknown one\: below the table, or as \`explain\` in each JSON record]' \
'(-l --listening -a --all --watch)--closed[List connections that close or fail from now on; a remote agent lists those it has recorded]' \
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
'(--read)*--netns=[Only this network namespace\: a name under /run/netns, \`self\`, an inode, a pid or a path; repeatable]:NAME:_default' \
'(--agent --read)--source=[Where connections are read from on this machine \[default\: auto\]]:SOURCE:((auto\:"The kernel'\''s tables if they can be read, else portable"
kernel\:"sock_diag and procfs (Linux)"
ebpf\:"eBPF programs of its own (Linux), or an error if they cannot be loaded"
portable\:"The operating system'\''s common interfaces\: no latency, loss or bytes"))' \
'--color=[Colours]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Always"
never\:"Never"))' \
'(--read)--for=[How long to sample before the verdict; a remote agent uses its own window]:TIME:_default' \
'-o+[Output format]:FORMAT:((text\:"Sentences"
json\:"One JSON object"
jsonl\:"One JSON object per line and connection"))' \
'--output=[Output format]:FORMAT:((text\:"Sentences"
json\:"One JSON object"
jsonl\:"One JSON object per line and connection"))' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'(--read)-l[Listening endpoints\: TCP listeners, and UDP sockets without a peer]' \
'(--read)--listening[Listening endpoints\: TCP listeners, and UDP sockets without a peer]' \
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
'--explain[Add the source of each value and the reason of each unknown one to JSON records]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::filter -- Words of one filter\: `nginx`, `443`, `10.0.0.0/8`, `process == nginx and rtt > 50ms`:_default' \
&& ret=0
;;
(streams)
_arguments "${_arguments_options[@]}" : \
'(--read)*--netns=[Only this network namespace\: a name under /run/netns, \`self\`, an inode, a pid or a path; repeatable]:NAME:_default' \
'(--agent --read)--source=[Where connections are read from on this machine \[default\: auto\]]:SOURCE:((auto\:"The kernel'\''s tables if they can be read, else portable"
kernel\:"sock_diag and procfs (Linux)"
ebpf\:"eBPF programs of its own (Linux), or an error if they cannot be loaded"
portable\:"The operating system'\''s common interfaces\: no latency, loss or bytes"))' \
'--color=[Colours]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Always"
never\:"Never"))' \
'(--read)--for=[How long to watch before the list; an agent has watched before]:TIME:_default' \
'-o+[Output format]:FORMAT:((table\:"A table"
json\:"One JSON object"))' \
'--output=[Output format]:FORMAT:((table\:"A table"
json\:"One JSON object"))' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
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
(events)
_arguments "${_arguments_options[@]}" : \
'(--read)*--netns=[Only this network namespace\: a name under /run/netns, \`self\`, an inode, a pid or a path; repeatable]:NAME:_default' \
'(--agent --read)--source=[Where connections are read from on this machine \[default\: auto\]]:SOURCE:((auto\:"The kernel'\''s tables if they can be read, else portable"
kernel\:"sock_diag and procfs (Linux)"
ebpf\:"eBPF programs of its own (Linux), or an error if they cannot be loaded"
portable\:"The operating system'\''s common interfaces\: no latency, loss or bytes"))' \
'--color=[Colours]:WHEN:((auto\:"On a terminal, unless NO_COLOR is set"
always\:"Always"
never\:"Never"))' \
'(--read)--for=[Stop after this time \[default\: on Ctrl-C\]]:TIME:_default' \
'*--kind=[Only events of these kinds]:KIND:((opened\:"This machine connected"
accepted\:"A listener accepted"
closed\:"It closed"
failed\:"An attempt failed"))' \
'--limit=[Stop after this number of events]:N:_default' \
'--columns=[Fields of jsonl by name; \`+name\` and \`-name\` change the default, \`all\` is every field]:LIST:_default' \
'-o+[Output format]:FORMAT:((text\:"One line per event"
jsonl\:"One JSON object per line and event"))' \
'--output=[Output format]:FORMAT:((text\:"One line per event"
jsonl\:"One JSON object per line and event"))' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
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
'-o+[Output format]:FORMAT:((table\:"A table"
markdown\:"The page docs/fields.md"
json\:"One JSON object"))' \
'--output=[Output format]:FORMAT:((table\:"A table"
markdown\:"The page docs/fields.md"
json\:"One JSON object"))' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(abilities)
_arguments "${_arguments_options[@]}" : \
'-o+[Output format]:FORMAT:((table\:"A table"
json\:"One JSON object"))' \
'--output=[Output format]:FORMAT:((table\:"A table"
json\:"One JSON object"))' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(call)
_arguments "${_arguments_options[@]}" : \
'-o+[How to print a table of 1E; the other systems answer in JSON only]:FORMAT:((table\:"A table that fits the terminal"
wide\:"A table with more columns, not truncated"
json\:"One JSON object"
jsonl\:"One JSON object per line and connection"
csv\:"Comma-separated values"))' \
'--output=[How to print a table of 1E; the other systems answer in JSON only]:FORMAT:((table\:"A table that fits the terminal"
wide\:"A table with more columns, not truncated"
json\:"One JSON object"
jsonl\:"One JSON object per line and connection"
csv\:"Comma-separated values"))' \
'(--agent --read)--source=[Where connections are read from on this machine \[default\: auto\]]:SOURCE:((auto\:"The kernel'\''s tables if they can be read, else portable"
kernel\:"sock_diag and procfs (Linux)"
ebpf\:"eBPF programs of its own (Linux), or an error if they cannot be loaded"
portable\:"The operating system'\''s common interfaces\: no latency, loss or bytes"))' \
'(--read)*--netns=[Only this network namespace; repeatable]:NAME:_default' \
'--show-credentials=[Show passwords and tokens of decoded URIs; else they are replaced by ***]::BOOL:(true false)' \
'--monero-peers=[Which connections are peers of a Monero node \[default\: proto == tcp and state == established and (app == levin or app is unknown and process in (monerod, cuprated) and (direction == outbound or direction == inbound and local_port in (18080, 28080, 38080)))\]]:FILTER:_default' \
'--monero-node=[Which of them belong to the node to report, if several run]:FILTER:_default' \
'--monero-era=[The release of Monero whose response format is used \[default\: current\]]:ERA:(current 0.11)' \
'--monero-restricted=[Answer as the restricted RPC port of a node, which does not know the method]::BOOL:(true false)' \
'--ems-streams=[Which connections belong to a media server \[default\: (port in (554, 1935, 1936, 5544, 6666, 8554, 9999) or process in (evostreamms, rms, crtmpserver)) and not port in (1112, 1113, 1222, 7777)\]]:FILTER:_default' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'--no-header[Omit the line with the column names]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':call -- The call, as a client of that system writes it:_default' \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
'--config=[Read this file instead of /etc/conns/conns.toml]:FILE:_files' \
'--interval=[Time between two samples of the machine \[default\: 1s\]]:TIME:_default' \
'--window=[A verdict covers one to two windows of this length; at least two intervals \[default\: 5s\]]:TIME:_default' \
'--source=[Where connections are read from \[default\: auto\]]:SOURCE:(auto kernel ebpf portable)' \
'--tap=[Decode what TCP connections carry, from their payload \[default\: true\]]::BOOL:(true false)' \
'--show-credentials=[Show passwords and tokens of decoded URIs; else they are replaced by ***]::BOOL:(true false)' \
'*--files-of=[Names of processes besides media servers whose media files are listed; repeatable]:PROCESS:_default' \
'--ask-daemons=[Ask Monero nodes, over their RPC ports on loopback, for what their handshakes before the agent announced]::BOOL:(true false)' \
'--follow-namespaces=[Also sample network namespaces created after the start; keeps CAP_SYS_ADMIN for it]::BOOL:(true false)' \
'--user=[Run as this user once everything is open]:NAME:_default' \
'--serving-process=[Serve clients from a process of its own, without any privilege\: auto is yes where other machines can connect (Linux only) \[default\: auto\]]:WHEN:(auto yes no)' \
'*--listen=[Where to listen\: \[PROTOCOL=\]ADDRESS\:PORT, an empty address is 127.0.0.1; or unix\:/PATH. Protocols\: http (all of them, each under its path), https, 1e, monero, ems-json, ems-ascii, ems-http, jetstream; repeatable \[default\: http=127.0.0.1\:7979 unix\:/run/conns/conns.sock\]]:WHERE:_default' \
'--insecure=[Serve other machines without TLS and token]::BOOL:(true false)' \
'*--host=[Names of this machine, accepted in the Host header besides addresses and localhost; repeatable]:NAME:_default' \
'*--token-hash=[Hashes (sha256\:…) of the bearer tokens accepted over TCP; \`conns token\` generates one; repeatable]:HASH:_default' \
'--tls-cert=[PEM file with the certificate and its chain]:FILE:_default' \
'--tls-key=[PEM file with the private key]:FILE:_default' \
'--monero-peers=[Which connections are peers of a Monero node \[default\: proto == tcp and state == established and (app == levin or app is unknown and process in (monerod, cuprated) and (direction == outbound or direction == inbound and local_port in (18080, 28080, 38080)))\]]:FILTER:_default' \
'--monero-node=[Which of them belong to the node to report, if several run]:FILTER:_default' \
'--monero-era=[The release of Monero whose response format is used \[default\: current\]]:ERA:(current 0.11)' \
'--monero-restricted=[Answer as the restricted RPC port of a node, which does not know the method]::BOOL:(true false)' \
'--monero-login=[Login of the Monero API; the digest is the output of \`printf %s USER\:monero-rpc\:PASSWORD | md5sum\`. Prefer the file\: other users can read flags and variables]:USER:DIGEST:_default' \
'--ems-streams=[Which connections belong to a media server \[default\: (port in (554, 1935, 1936, 5544, 6666, 8554, 9999) or process in (evostreamms, rms, crtmpserver)) and not port in (1112, 1113, 1222, 7777)\]]:FILTER:_default' \
'--ems-length-prefix=[Send a four-byte length before each JSON answer over TCP, as EMS does \[default\: true\]]::BOOL:(true false)' \
'--link-listen=[Host a link server, which transfers files between hosts, and receive at this UDP port (Linux only); without it there is none]:IP:PORT:_default' \
'--link-key=[Its key file, which \`conns link keygen\` makes and the account of the agent owns; without it one is made]:FILE:_default' \
'--link-folder=[Folder that received files are written below, an absolute path]:DIR:_default' \
'*--link-allow=[Public keys (ck1…) of the senders that may connect; without any, every sender may write to the folder; repeatable]:KEY:_default' \
'--link-relay=[Receive through this relay too\: ck1…@HOST\[\:PORT\]]:KEY@HOST:_default' \
'--link-incoming-limit=[Rate that all senders together may use, such as 500Mbit/s; without it the one set before]:RATE:_default' \
'--link-outgoing-limit=[Rate that all destinations together may use; without it the one set before]:RATE:_default' \
'--metrics-top=[How many of the largest processes and remote addresses have time series of their own in /metrics; the others are summed \[default\: 20\]]:N:_default' \
'--limits-clients=[Maximum clients connected at once \[default\: 3072\]]:N:_default' \
'--limits-clients-per-listener=[Maximum clients connected at once to one listener \[default\: 2560\]]:N:_default' \
'--limits-clients-per-address=[Maximum clients connected at once from one address (IPv6\: one /64); loopback is not counted \[default\: 256\]]:N:_default' \
'--limits-streams=[Maximum event streams at once \[default\: 32\]]:N:_default' \
'--limits-head-bytes=[Maximum size of the head of an HTTP request \[default\: 16KiB\]]:SIZE:_default' \
'--limits-bodies-bytes=[Maximum bytes of request bodies and incomplete lines, over all clients \[default\: 32MiB\]]:SIZE:_default' \
'--limits-in-flight-bytes=[Maximum bytes of answers in flight, over all clients \[default\: 64MiB\]]:SIZE:_default' \
'--limits-idle-time=[Maximum time between two requests of an HTTP client \[default\: 75s\]]:TIME:_default' \
'--limits-line-idle-time=[Maximum time between two requests of a client of a line protocol \[default\: 10m\]]:TIME:_default' \
'--limits-head-time=[Maximum time for the head of a request, or a TLS handshake \[default\: 10s\]]:TIME:_default' \
'--limits-body-time=[Maximum time for the body of a request \[default\: 10s\]]:TIME:_default' \
'--limits-line-time=[Maximum time for a line, from its first byte to its end \[default\: 2m\]]:TIME:_default' \
'--limits-work-time=[Maximum time to generate an answer \[default\: 30s\]]:TIME:_default' \
'--limits-write-time=[A client that reads nothing for this long is disconnected \[default\: 10s\]]:TIME:_default' \
'--limits-answer-rate=[A client that reads less than this per second, averaged over an answer, is disconnected \[default\: 64KiB\]]:SIZE:_default' \
'--limits-stop-time=[Time for requests in progress to finish when the agent stops \[default\: 5s\]]:TIME:_default' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(link)
_arguments "${_arguments_options[@]}" : \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
":: :_conns__subcmd__link_commands" \
"*::: :->link" \
&& ret=0

    case $state in
    (link)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:conns-link-command-$line[1]:"
        case $line[1] in
            (keygen)
_arguments "${_arguments_options[@]}" : \
'--out=[The file to write; it must not exist]:KEYFILE:_files' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
'--listen=[Address and UDP port to receive at]:IP:PORT:_default' \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'--folder=[The folder that files are written below]:DIR:_files' \
'*--allow=[Public key of a sender that may connect; repeatable \[default\: any sender\]]:ck1…:_default' \
'--relay=[Receive through this relay too]:ck1…@HOST[:PORT]:_default' \
'--incoming-limit=[Rate that all senders together may use, such as 500Mbit/s \[default\: the one set before, or none\]]:RATE:_default' \
'--outgoing-limit=[Rate that all destinations together may use \[default\: the one set before, or none\]]:RATE:_default' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'--until-stdin-ends[Drop all privileges, answer calls on standard input, a unix socket, and end with it\: as a part of \`conns serve\`]' \
'(--until-stdin-ends)--supervise[Likewise, as the process between \`conns serve\` and this server, which starts it again when it ends]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(send)
_arguments "${_arguments_options[@]}" : \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'--to=[The folder, below that of the receiver, to write to]:PATH:_default' \
'--priority=[Order in the queue; the lower number is sent first]:N:_default' \
'--overwrite=[Which existing files are replaced]:WHICH:((never\:"None"
same\:"Those of the same size, and empty ones"
always\:"All"))' \
'--rate=[The rate\: that of the method fixed, and a bound of the others; such as 200Mbit/s]:RATE:_default' \
'--min=[Never send slower, whatever the path does]:RATE:_default' \
'--max=[Never send faster]:RATE:_default' \
'--method=[How the rate is chosen \[default\: low\]]:METHOD:((fixed\:"At --rate, whatever is lost or delayed"
low\:"Fills the path, and yields to other traffic"
fair\:"Fills the path, and holds its share beside TCP"))' \
'--relay=[Send through this relay; the destination is then the receiver'\''s ck1… alone]:ck1…@HOST[:PORT]:_default' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'--detach[Queue it and return, if a link server runs]' \
'--quiet[Print no progress]' \
'--json[Print the finished transfer as JSON]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::paths -- Files and folders, then the destination, ck1…@HOST or ck1…@HOST\:PORT; the port is 8886 unless given:_files' \
&& ret=0
;;
(queue)
_arguments "${_arguments_options[@]}" : \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-a[Those that ended too]' \
'--all[Those that ended too]' \
'--json[Print JSON\: what JetStream'\''s getTransfers answers]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(pause)
_arguments "${_arguments_options[@]}" : \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
':transfer -- The transfer, as `conns link queue` lists it:_default' \
&& ret=0
;;
(resume)
_arguments "${_arguments_options[@]}" : \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
':transfer -- The transfer, as `conns link queue` lists it:_default' \
&& ret=0
;;
(cancel)
_arguments "${_arguments_options[@]}" : \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
':transfer -- The transfer, as `conns link queue` lists it:_default' \
&& ret=0
;;
(connections)
_arguments "${_arguments_options[@]}" : \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'--json[Print JSON\: what JetStream'\''s getConnections answers]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(set)
_arguments "${_arguments_options[@]}" : \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'--rate=[The rate\: that of the method fixed, and a bound of the others; such as 200Mbit/s]:RATE:_default' \
'--min=[Never send slower, whatever the path does]:RATE:_default' \
'--max=[Never send faster]:RATE:_default' \
'--method=[How the rate is chosen \[default\: low\]]:METHOD:((fixed\:"At --rate, whatever is lost or delayed"
low\:"Fills the path, and yields to other traffic"
fair\:"Fills the path, and holds its share beside TCP"))' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'--json[Print JSON\: the destination as it is then]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':destination -- The destination\: ck1…@HOST or ck1…@HOST\:PORT, or its id:_default' \
&& ret=0
;;
(relay)
_arguments "${_arguments_options[@]}" : \
'--listen=[Address and TCP port of the control connections; transfers use UDP ports of the same address]:IP:PORT:_default' \
'--key=[The key file \[default\: one of this user, made when it is needed first\]]:KEYFILE:_files' \
'*--allow=[Public key of a receiver that may register; repeatable \[default\: any\]]:ck1…:_default' \
'--rate=[Rate that the flows of one receiver may use]:RATE:_default' \
'--udp-ports=[UDP ports of transfers, two each, such as 40000-41999 for 1000, which a firewall opens by range \[default\: any free ones\]]:FIRST-LAST:_default' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_conns__subcmd__link__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:conns-link-help-command-$line[1]:"
        case $line[1] in
            (keygen)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(send)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(queue)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(pause)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(resume)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(cancel)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(connections)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(set)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(relay)
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
;;
(config)
_arguments "${_arguments_options[@]}" : \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
":: :_conns__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:conns-config-command-$line[1]:"
        case $line[1] in
            (explain)
_arguments "${_arguments_options[@]}" : \
'--config=[Read this file instead of /etc/conns/conns.toml]:FILE:_files' \
'--interval=[Time between two samples of the machine \[default\: 1s\]]:TIME:_default' \
'--window=[A verdict covers one to two windows of this length; at least two intervals \[default\: 5s\]]:TIME:_default' \
'--source=[Where connections are read from \[default\: auto\]]:SOURCE:(auto kernel ebpf portable)' \
'--tap=[Decode what TCP connections carry, from their payload \[default\: true\]]::BOOL:(true false)' \
'--show-credentials=[Show passwords and tokens of decoded URIs; else they are replaced by ***]::BOOL:(true false)' \
'*--files-of=[Names of processes besides media servers whose media files are listed; repeatable]:PROCESS:_default' \
'--ask-daemons=[Ask Monero nodes, over their RPC ports on loopback, for what their handshakes before the agent announced]::BOOL:(true false)' \
'--follow-namespaces=[Also sample network namespaces created after the start; keeps CAP_SYS_ADMIN for it]::BOOL:(true false)' \
'--user=[Run as this user once everything is open]:NAME:_default' \
'--serving-process=[Serve clients from a process of its own, without any privilege\: auto is yes where other machines can connect (Linux only) \[default\: auto\]]:WHEN:(auto yes no)' \
'*--listen=[Where to listen\: \[PROTOCOL=\]ADDRESS\:PORT, an empty address is 127.0.0.1; or unix\:/PATH. Protocols\: http (all of them, each under its path), https, 1e, monero, ems-json, ems-ascii, ems-http, jetstream; repeatable \[default\: http=127.0.0.1\:7979 unix\:/run/conns/conns.sock\]]:WHERE:_default' \
'--insecure=[Serve other machines without TLS and token]::BOOL:(true false)' \
'*--host=[Names of this machine, accepted in the Host header besides addresses and localhost; repeatable]:NAME:_default' \
'*--token-hash=[Hashes (sha256\:…) of the bearer tokens accepted over TCP; \`conns token\` generates one; repeatable]:HASH:_default' \
'--tls-cert=[PEM file with the certificate and its chain]:FILE:_default' \
'--tls-key=[PEM file with the private key]:FILE:_default' \
'--monero-peers=[Which connections are peers of a Monero node \[default\: proto == tcp and state == established and (app == levin or app is unknown and process in (monerod, cuprated) and (direction == outbound or direction == inbound and local_port in (18080, 28080, 38080)))\]]:FILTER:_default' \
'--monero-node=[Which of them belong to the node to report, if several run]:FILTER:_default' \
'--monero-era=[The release of Monero whose response format is used \[default\: current\]]:ERA:(current 0.11)' \
'--monero-restricted=[Answer as the restricted RPC port of a node, which does not know the method]::BOOL:(true false)' \
'--monero-login=[Login of the Monero API; the digest is the output of \`printf %s USER\:monero-rpc\:PASSWORD | md5sum\`. Prefer the file\: other users can read flags and variables]:USER:DIGEST:_default' \
'--ems-streams=[Which connections belong to a media server \[default\: (port in (554, 1935, 1936, 5544, 6666, 8554, 9999) or process in (evostreamms, rms, crtmpserver)) and not port in (1112, 1113, 1222, 7777)\]]:FILTER:_default' \
'--ems-length-prefix=[Send a four-byte length before each JSON answer over TCP, as EMS does \[default\: true\]]::BOOL:(true false)' \
'--link-listen=[Host a link server, which transfers files between hosts, and receive at this UDP port (Linux only); without it there is none]:IP:PORT:_default' \
'--link-key=[Its key file, which \`conns link keygen\` makes and the account of the agent owns; without it one is made]:FILE:_default' \
'--link-folder=[Folder that received files are written below, an absolute path]:DIR:_default' \
'*--link-allow=[Public keys (ck1…) of the senders that may connect; without any, every sender may write to the folder; repeatable]:KEY:_default' \
'--link-relay=[Receive through this relay too\: ck1…@HOST\[\:PORT\]]:KEY@HOST:_default' \
'--link-incoming-limit=[Rate that all senders together may use, such as 500Mbit/s; without it the one set before]:RATE:_default' \
'--link-outgoing-limit=[Rate that all destinations together may use; without it the one set before]:RATE:_default' \
'--metrics-top=[How many of the largest processes and remote addresses have time series of their own in /metrics; the others are summed \[default\: 20\]]:N:_default' \
'--limits-clients=[Maximum clients connected at once \[default\: 3072\]]:N:_default' \
'--limits-clients-per-listener=[Maximum clients connected at once to one listener \[default\: 2560\]]:N:_default' \
'--limits-clients-per-address=[Maximum clients connected at once from one address (IPv6\: one /64); loopback is not counted \[default\: 256\]]:N:_default' \
'--limits-streams=[Maximum event streams at once \[default\: 32\]]:N:_default' \
'--limits-head-bytes=[Maximum size of the head of an HTTP request \[default\: 16KiB\]]:SIZE:_default' \
'--limits-bodies-bytes=[Maximum bytes of request bodies and incomplete lines, over all clients \[default\: 32MiB\]]:SIZE:_default' \
'--limits-in-flight-bytes=[Maximum bytes of answers in flight, over all clients \[default\: 64MiB\]]:SIZE:_default' \
'--limits-idle-time=[Maximum time between two requests of an HTTP client \[default\: 75s\]]:TIME:_default' \
'--limits-line-idle-time=[Maximum time between two requests of a client of a line protocol \[default\: 10m\]]:TIME:_default' \
'--limits-head-time=[Maximum time for the head of a request, or a TLS handshake \[default\: 10s\]]:TIME:_default' \
'--limits-body-time=[Maximum time for the body of a request \[default\: 10s\]]:TIME:_default' \
'--limits-line-time=[Maximum time for a line, from its first byte to its end \[default\: 2m\]]:TIME:_default' \
'--limits-work-time=[Maximum time to generate an answer \[default\: 30s\]]:TIME:_default' \
'--limits-write-time=[A client that reads nothing for this long is disconnected \[default\: 10s\]]:TIME:_default' \
'--limits-answer-rate=[A client that reads less than this per second, averaged over an answer, is disconnected \[default\: 64KiB\]]:SIZE:_default' \
'--limits-stop-time=[Time for requests in progress to finish when the agent stops \[default\: 5s\]]:TIME:_default' \
'-o+[Output format]:FORMAT:((text\:"A table"
json\:"One JSON object"))' \
'--output=[Output format]:FORMAT:((text\:"A table"
json\:"One JSON object"))' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(default)
_arguments "${_arguments_options[@]}" : \
'-o+[Output format]:FORMAT:((toml\:"A configuration file"
markdown\:"The page docs/config.md"))' \
'--output=[Output format]:FORMAT:((toml\:"A configuration file"
markdown\:"The page docs/config.md"))' \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_conns__subcmd__config__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:conns-config-help-command-$line[1]:"
        case $line[1] in
            (explain)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(default)
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
;;
(token)
_arguments "${_arguments_options[@]}" : \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'--agent=[Query the agent (\`conns serve\`) at http\://HOST\:PORT, https\://HOST or unix\:/PATH instead of this machine \[env\: CONNS_AGENT\]]:URL:_default' \
'--token-file=[Send the bearer token in FILE \[env\: CONNS_TOKEN, the token itself\]]:FILE:_files' \
'--agent-ca=[Trust the CA certificates in FILE (PEM) instead of those of the system]:FILE:_files' \
'(--agent)--read=[Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this machine; each connection is two rows, one seen from each end]:FILE:_files' \
'--until=[The moment of the file to show, in RFC 3339 or in microseconds since 1970 \[default\: its end\]]:TIME:_default' \
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
(streams)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(events)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(fields)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(abilities)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(call)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(link)
_arguments "${_arguments_options[@]}" : \
":: :_conns__subcmd__help__subcmd__link_commands" \
"*::: :->link" \
&& ret=0

    case $state in
    (link)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:conns-help-link-command-$line[1]:"
        case $line[1] in
            (keygen)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(send)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(queue)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(pause)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(resume)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(cancel)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(connections)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(set)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(relay)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(config)
_arguments "${_arguments_options[@]}" : \
":: :_conns__subcmd__help__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:conns-help-config-command-$line[1]:"
        case $line[1] in
            (explain)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(default)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(token)
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
'why:Explain what limits each connection, with evidence and advice' \
'streams:List media streams\: who publishes and who plays each, and who is slow' \
'events:Print TCP connection events live\: opened, accepted, closed, failed' \
'fields:List every field\: type, unit, meaning, source' \
'abilities:List which abilities are available here, and why others are not' \
'call:Answer a call in the exact format of another system' \
'serve:Run the agent\: sample this machine, serve HTTP and the APIs of other systems' \
'link:Transfers between hosts\: send and receive files, encrypted and at a controlled rate' \
'config:Show the configuration of \`conns serve\`, and where each value comes from' \
'token:Generate a token for clients, and its hash for the configuration of the agent' \
'man:Print the man page' \
'completions:Print completions for a shell' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'conns commands' commands "$@"
}
(( $+functions[_conns__subcmd__abilities_commands] )) ||
_conns__subcmd__abilities_commands() {
    local commands; commands=()
    _describe -t commands 'conns abilities commands' commands "$@"
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
(( $+functions[_conns__subcmd__config_commands] )) ||
_conns__subcmd__config_commands() {
    local commands; commands=(
'explain:Print every setting as \`conns serve\` with the same flags would use it, and where it comes from' \
'default:Print a configuration file with every setting and its default' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'conns config commands' commands "$@"
}
(( $+functions[_conns__subcmd__config__subcmd__default_commands] )) ||
_conns__subcmd__config__subcmd__default_commands() {
    local commands; commands=()
    _describe -t commands 'conns config default commands' commands "$@"
}
(( $+functions[_conns__subcmd__config__subcmd__explain_commands] )) ||
_conns__subcmd__config__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'conns config explain commands' commands "$@"
}
(( $+functions[_conns__subcmd__config__subcmd__help_commands] )) ||
_conns__subcmd__config__subcmd__help_commands() {
    local commands; commands=(
'explain:Print every setting as \`conns serve\` with the same flags would use it, and where it comes from' \
'default:Print a configuration file with every setting and its default' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'conns config help commands' commands "$@"
}
(( $+functions[_conns__subcmd__config__subcmd__help__subcmd__default_commands] )) ||
_conns__subcmd__config__subcmd__help__subcmd__default_commands() {
    local commands; commands=()
    _describe -t commands 'conns config help default commands' commands "$@"
}
(( $+functions[_conns__subcmd__config__subcmd__help__subcmd__explain_commands] )) ||
_conns__subcmd__config__subcmd__help__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'conns config help explain commands' commands "$@"
}
(( $+functions[_conns__subcmd__config__subcmd__help__subcmd__help_commands] )) ||
_conns__subcmd__config__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'conns config help help commands' commands "$@"
}
(( $+functions[_conns__subcmd__events_commands] )) ||
_conns__subcmd__events_commands() {
    local commands; commands=()
    _describe -t commands 'conns events commands' commands "$@"
}
(( $+functions[_conns__subcmd__fields_commands] )) ||
_conns__subcmd__fields_commands() {
    local commands; commands=()
    _describe -t commands 'conns fields commands' commands "$@"
}
(( $+functions[_conns__subcmd__help_commands] )) ||
_conns__subcmd__help_commands() {
    local commands; commands=(
'why:Explain what limits each connection, with evidence and advice' \
'streams:List media streams\: who publishes and who plays each, and who is slow' \
'events:Print TCP connection events live\: opened, accepted, closed, failed' \
'fields:List every field\: type, unit, meaning, source' \
'abilities:List which abilities are available here, and why others are not' \
'call:Answer a call in the exact format of another system' \
'serve:Run the agent\: sample this machine, serve HTTP and the APIs of other systems' \
'link:Transfers between hosts\: send and receive files, encrypted and at a controlled rate' \
'config:Show the configuration of \`conns serve\`, and where each value comes from' \
'token:Generate a token for clients, and its hash for the configuration of the agent' \
'man:Print the man page' \
'completions:Print completions for a shell' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'conns help commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__abilities_commands] )) ||
_conns__subcmd__help__subcmd__abilities_commands() {
    local commands; commands=()
    _describe -t commands 'conns help abilities commands' commands "$@"
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
(( $+functions[_conns__subcmd__help__subcmd__config_commands] )) ||
_conns__subcmd__help__subcmd__config_commands() {
    local commands; commands=(
'explain:Print every setting as \`conns serve\` with the same flags would use it, and where it comes from' \
'default:Print a configuration file with every setting and its default' \
    )
    _describe -t commands 'conns help config commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__config__subcmd__default_commands] )) ||
_conns__subcmd__help__subcmd__config__subcmd__default_commands() {
    local commands; commands=()
    _describe -t commands 'conns help config default commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__config__subcmd__explain_commands] )) ||
_conns__subcmd__help__subcmd__config__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'conns help config explain commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__events_commands] )) ||
_conns__subcmd__help__subcmd__events_commands() {
    local commands; commands=()
    _describe -t commands 'conns help events commands' commands "$@"
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
(( $+functions[_conns__subcmd__help__subcmd__link_commands] )) ||
_conns__subcmd__help__subcmd__link_commands() {
    local commands; commands=(
'keygen:Make a key file, and print the public key' \
'serve:Receive files, and send what is queued, until a signal stops it' \
'send:Send files and folders' \
'queue:List transfers' \
'pause:Stop a transfer for now' \
'resume:Continue a transfer that was paused, or try one again at once' \
'cancel:End a transfer, and remove what the receiver has of it' \
'connections:List the connections to destinations' \
'set:Change rates and method of a destination, at once' \
'relay:Relay transfers to receivers that accept no incoming connection' \
    )
    _describe -t commands 'conns help link commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__cancel_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__cancel_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link cancel commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__connections_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__connections_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link connections commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__keygen_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__keygen_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link keygen commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__pause_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__pause_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link pause commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__queue_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__queue_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link queue commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__relay_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__relay_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link relay commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__resume_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__resume_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link resume commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__send_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__send_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link send commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__serve_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link serve commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__link__subcmd__set_commands] )) ||
_conns__subcmd__help__subcmd__link__subcmd__set_commands() {
    local commands; commands=()
    _describe -t commands 'conns help link set commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__man_commands] )) ||
_conns__subcmd__help__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'conns help man commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__serve_commands] )) ||
_conns__subcmd__help__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'conns help serve commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__streams_commands] )) ||
_conns__subcmd__help__subcmd__streams_commands() {
    local commands; commands=()
    _describe -t commands 'conns help streams commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__token_commands] )) ||
_conns__subcmd__help__subcmd__token_commands() {
    local commands; commands=()
    _describe -t commands 'conns help token commands' commands "$@"
}
(( $+functions[_conns__subcmd__help__subcmd__why_commands] )) ||
_conns__subcmd__help__subcmd__why_commands() {
    local commands; commands=()
    _describe -t commands 'conns help why commands' commands "$@"
}
(( $+functions[_conns__subcmd__link_commands] )) ||
_conns__subcmd__link_commands() {
    local commands; commands=(
'keygen:Make a key file, and print the public key' \
'serve:Receive files, and send what is queued, until a signal stops it' \
'send:Send files and folders' \
'queue:List transfers' \
'pause:Stop a transfer for now' \
'resume:Continue a transfer that was paused, or try one again at once' \
'cancel:End a transfer, and remove what the receiver has of it' \
'connections:List the connections to destinations' \
'set:Change rates and method of a destination, at once' \
'relay:Relay transfers to receivers that accept no incoming connection' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'conns link commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__cancel_commands] )) ||
_conns__subcmd__link__subcmd__cancel_commands() {
    local commands; commands=()
    _describe -t commands 'conns link cancel commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__connections_commands] )) ||
_conns__subcmd__link__subcmd__connections_commands() {
    local commands; commands=()
    _describe -t commands 'conns link connections commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help_commands] )) ||
_conns__subcmd__link__subcmd__help_commands() {
    local commands; commands=(
'keygen:Make a key file, and print the public key' \
'serve:Receive files, and send what is queued, until a signal stops it' \
'send:Send files and folders' \
'queue:List transfers' \
'pause:Stop a transfer for now' \
'resume:Continue a transfer that was paused, or try one again at once' \
'cancel:End a transfer, and remove what the receiver has of it' \
'connections:List the connections to destinations' \
'set:Change rates and method of a destination, at once' \
'relay:Relay transfers to receivers that accept no incoming connection' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'conns link help commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__cancel_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__cancel_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help cancel commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__connections_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__connections_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help connections commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__help_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help help commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__keygen_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__keygen_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help keygen commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__pause_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__pause_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help pause commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__queue_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__queue_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help queue commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__relay_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__relay_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help relay commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__resume_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__resume_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help resume commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__send_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__send_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help send commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__serve_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help serve commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__help__subcmd__set_commands] )) ||
_conns__subcmd__link__subcmd__help__subcmd__set_commands() {
    local commands; commands=()
    _describe -t commands 'conns link help set commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__keygen_commands] )) ||
_conns__subcmd__link__subcmd__keygen_commands() {
    local commands; commands=()
    _describe -t commands 'conns link keygen commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__pause_commands] )) ||
_conns__subcmd__link__subcmd__pause_commands() {
    local commands; commands=()
    _describe -t commands 'conns link pause commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__queue_commands] )) ||
_conns__subcmd__link__subcmd__queue_commands() {
    local commands; commands=()
    _describe -t commands 'conns link queue commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__relay_commands] )) ||
_conns__subcmd__link__subcmd__relay_commands() {
    local commands; commands=()
    _describe -t commands 'conns link relay commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__resume_commands] )) ||
_conns__subcmd__link__subcmd__resume_commands() {
    local commands; commands=()
    _describe -t commands 'conns link resume commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__send_commands] )) ||
_conns__subcmd__link__subcmd__send_commands() {
    local commands; commands=()
    _describe -t commands 'conns link send commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__serve_commands] )) ||
_conns__subcmd__link__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'conns link serve commands' commands "$@"
}
(( $+functions[_conns__subcmd__link__subcmd__set_commands] )) ||
_conns__subcmd__link__subcmd__set_commands() {
    local commands; commands=()
    _describe -t commands 'conns link set commands' commands "$@"
}
(( $+functions[_conns__subcmd__man_commands] )) ||
_conns__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'conns man commands' commands "$@"
}
(( $+functions[_conns__subcmd__serve_commands] )) ||
_conns__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'conns serve commands' commands "$@"
}
(( $+functions[_conns__subcmd__streams_commands] )) ||
_conns__subcmd__streams_commands() {
    local commands; commands=()
    _describe -t commands 'conns streams commands' commands "$@"
}
(( $+functions[_conns__subcmd__token_commands] )) ||
_conns__subcmd__token_commands() {
    local commands; commands=()
    _describe -t commands 'conns token commands' commands "$@"
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
