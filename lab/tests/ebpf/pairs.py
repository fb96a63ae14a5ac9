"""Opens connections of every kind within one network namespace, prints the ports of both ends as JSON, and holds them.

With "through-nat" it connects to an address of another namespace, or accepts; the ports are translated on the way.
"""
import json
import socket
import sys
import threading

HELD = []
PORTS = {}


def listener(family=socket.AF_INET, protocol=0, options=()):
    server = socket.socket(family, socket.SOCK_STREAM, protocol)
    for option in options:
        server.setsockopt(*option)
    server.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    server.listen(16)
    return server


def connected(server, connect=None):
    client = socket.socket(server.family, socket.SOCK_STREAM, server.proto)
    if connect:
        connect(client)
    else:
        client.connect(server.getsockname()[:2])
    return client, server.accept()[0]


def note(name, client, server):
    HELD.extend([client, server])
    PORTS[name] = [client.getsockname()[1], server.getsockname()[1]]


def exchange(client, server, bytes_each):
    def write(sock):
        sock.sendall(b"x" * bytes_each)

    for one, other in ((client, server), (server, client)):
        writing = threading.Thread(target=write, args=(one,))
        writing.start()
        left = bytes_each
        while left:
            left -= len(other.recv(min(left, 1 << 20)))
        writing.join()


def beyond_4_gib(client, server):
    """Each way, so that the sequence numbers of both have wrapped."""
    chunk = b"x" * (1 << 20)

    def write(sock):
        for _ in range(4200):
            sock.sendall(chunk)

    for one, other in ((client, server), (server, client)):
        writing = threading.Thread(target=write, args=(one,))
        writing.start()
        buffer, left = bytearray(1 << 20), 4200 << 20
        while left:
            left -= other.recv_into(buffer)
        writing.join()


def simultaneous():
    """Both ends call connect. A rule of the namespace drops resets: else the first SYN would be refused."""
    ends = [socket.socket() for _ in range(2)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
        end.setblocking(False)
    for end, other in (ends, ends[::-1]):
        end.connect_ex(other.getsockname())
    for end in ends:
        end.settimeout(30)
        end.sendall(b"x")
    for end in ends:
        end.recv(1)
    return ends


def counter(name):
    """A counter of TcpExt in this network namespace."""
    with open("/proc/net/netstat", encoding="ascii") as netstat:
        names, values = netstat.readline().split(), netstat.readline().split()
    return int(values[names.index(name)])


def kinds(large):
    for name, family in (("plain", socket.AF_INET), ("ipv6", socket.AF_INET6)):
        server = listener(family)
        client, accepted = connected(server)
        note(name, client, accepted)
        client, accepted = connected(server)
        exchange(client, accepted, 100_000)
        note(name + " with data", client, accepted)
    server = listener()
    client, accepted = connected(server)
    client.shutdown(socket.SHUT_WR)
    accepted.recv(1)
    note("half closed by the client", client, accepted)
    client, accepted = connected(server)
    exchange(client, accepted, 1000)
    accepted.shutdown(socket.SHUT_WR)
    client.recv(1)
    note("half closed by the server", client, accepted)
    # What is sent waits for a reader that does not read; the FIN waits behind it.
    client, accepted = connected(server)
    client.setblocking(False)
    try:
        while True:
            client.send(b"x" * 65536)
    except BlockingIOError:
        client.shutdown(socket.SHUT_WR)
    note("unread, then closed", client, accepted)
    # tcp_fastopen of the namespace lets a SYN carry data without a cookie.
    server = listener(options=[(socket.IPPROTO_TCP, 23, 16)])  # TCP_FASTOPEN
    client, accepted = connected(
        server, lambda client: client.sendto(b"x" * 500, 0x20000000, server.getsockname()))  # MSG_FASTOPEN
    # TCP_INFO: tcpi_options has TCPI_OPT_SYN_DATA.
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & 32, "the SYN had no data"
    assert accepted.recv(1000) == b"x" * 500
    exchange(client, accepted, 300)
    note("fast open", client, accepted)
    note("simultaneous open", *simultaneous())
    with open("/proc/sys/net/ipv4/tcp_syncookies", "w", encoding="ascii") as cookies:
        cookies.write("2")
    client, accepted = connected(listener())
    exchange(client, accepted, 300)
    assert counter("SyncookiesRecv") > 0, "no SYN was answered with a cookie"
    note("syn cookie", client, accepted)
    # A socket that connects again after it was disconnected.
    server = listener()
    client, accepted = connected(server)
    exchange(client, accepted, 1000)
    import ctypes
    unspecified = ctypes.create_string_buffer(16)
    ctypes.CDLL(None).connect(client.fileno(), unspecified, 16)  # AF_UNSPEC
    accepted.close()
    client.connect(server.getsockname())
    accepted = server.accept()[0]
    note("connected again", client, accepted)
    if large:
        client, accepted = connected(listener())
        beyond_4_gib(client, accepted)
        note("more than 4 GiB", client, accepted)
    try:
        client, accepted = connected(listener(protocol=262))  # IPPROTO_MPTCP
        exchange(client, accepted, 1000)
        note("subflow of MPTCP", client, accepted)
    except OSError as error:
        print("no MPTCP:", error, file=sys.stderr)


def accept(port):
    server = socket.create_server(("", port), backlog=512)
    print(json.dumps({}), flush=True)
    while True:
        HELD.append(server.accept()[0])


def connect(address, port, count):
    for _ in range(count):
        HELD.append(socket.create_connection((address, port)))
    print(json.dumps({}), flush=True)


if sys.argv[1] == "kinds":
    kinds(sys.argv[2] == "large")
    print(json.dumps(PORTS), flush=True)
elif sys.argv[1] == "accept":
    threading.Thread(target=accept, args=(int(sys.argv[2]),), daemon=True).start()
else:
    connect(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
sys.stdin.read()
