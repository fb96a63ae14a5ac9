#!/usr/bin/env python3
"""Records corpus/sockdiag: netlink datagrams that the kernel sends about sockets opened by this script.

Run as root: `python3 fuzz/record/sockets.py [CORPUS/sockdiag]`. It starts itself again in a fresh
network namespace, so no address of the machine gets in; one file is what one recv(2) returned.
Needs python 3.6 and iproute2 only, to run on old kernels too. What a kernel refuses is printed and omitted.
"""

import errno
import os
import socket
import struct
import subprocess
import sys
import time

INSIDE = "recorder-inside"
USER = 1000
IPPROTO_MPTCP = 262
SO_MARK = 36
TCP_ULP = 31

STATES = {
    "established": 1, "syn-sent": 2, "syn-recv": 3, "fin-wait-1": 4, "fin-wait-2": 5, "time-wait": 6,
    "close-wait": 8, "last-ack": 9, "listen": 10, "closing": 11, "bound": 13,
}
ALL = 0x3fff
NLMSG_ERROR, NLMSG_DONE = 2, 3
# Smaller than what the kernel would fill, so that each datagram stays below 4 KiB.
RECEIVE_BYTES = 4096

open_sockets = []  # referenced until the end


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../corpus/sockdiag")
    if os.environ.get(INSIDE) is None:
        os.execvpe("unshare", ["unshare", "--net", sys.executable, __file__, folder], {**os.environ, INSIDE: "1"})
    folder = os.path.join(folder, "linux-" + ".".join(os.uname().release.split(".")[:2]))
    os.makedirs(folder, exist_ok=True)
    for old in os.listdir(folder):
        os.remove(os.path.join(folder, old))
    network()
    os.umask(0o022)
    os.seteuid(USER)
    tcp()
    udp()
    mptcp()
    os.seteuid(0)
    time.sleep(0.3)
    record(folder)


def network():
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True)

    for key, value in {
        "net/ipv4/tcp_ecn": "1",
        "net/ipv4/tcp_wmem": "4096 16384 65536",
        "net/ipv4/tcp_rmem": "4096 16384 65536",
        "net/mptcp/enabled": "1",
        "net/ipv6/conf/all/accept_dad": "0",
        "net/ipv6/conf/default/accept_dad": "0",
        "net/ipv6/conf/default/router_solicitations": "0",
    }.items():
        attempt("set " + key, lambda key=key, value=value: open("/proc/sys/" + key, "w").write(value))
    ip("link", "set", "lo", "up")
    for address in ("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "2001:db8::1/128", "2001:db8::2/128"):
        ip("address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))
    # A neighbour that does not exist: packets to it are lost.
    ip("link", "add", "vanished", "type", "veth", "peer", "name", "vanished-peer")
    ip("link", "set", "vanished", "up")
    ip("link", "set", "vanished-peer", "up")
    ip("route", "add", "198.51.100.0/24", "dev", "vanished", "src", "192.0.2.1")
    ip("neighbour", "add", "198.51.100.1", "lladdr", "02:00:00:00:00:99", "dev", "vanished", "nud", "permanent")
    attempt("MPTCP limits", lambda: ip("mptcp", "limits", "set", "subflows", "4", "add_addr_accepted", "4"))
    attempt("MPTCP address", lambda: ip("mptcp", "endpoint", "add", "192.0.2.3", "id", "3", "signal"))


def attempt(what, do):
    try:
        return do()
    except (OSError, subprocess.CalledProcessError) as error:
        print("omitted: %s: %s" % (what, error), file=sys.stderr)
        return None


def new(family, kind=socket.SOCK_STREAM, protocol=0):
    made = socket.socket(family, kind, protocol)
    open_sockets.append(made)
    return made


def listener(address, port, backlog=128, protocol=0, **options):
    made = new(family_of(address), protocol=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family_of(address) == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    setup(made, options)
    made.bind((address, port))
    made.listen(backlog)
    return made


def setup(made, options):
    os.seteuid(0)  # marks and some algorithms need CAP_NET_ADMIN
    if "congestion" in options:
        name = options["congestion"].encode()
        attempt("congestion control " + options["congestion"],
                lambda: made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name))
    if "mark" in options:
        made.setsockopt(socket.SOL_SOCKET, SO_MARK, options["mark"])
    os.seteuid(USER)
    if "receive" in options:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive"])
    if "tos" in options:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, options["tos"])
    if "tclass" in options:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, options["tclass"])
    if options.get("keepalive"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connect(listening, address, port, protocol=0, source=None, **options):
    """A client, and the socket the listener accepted."""
    client = new(family_of(address), protocol=protocol)
    setup(client, options)
    if source is not None:
        client.bind((source, 0))
    client.connect((address, port))
    accepted, _ = listening.accept()
    open_sockets.append(accepted)
    return client, accepted


def transfer(sender, receiver, count):
    sent = bytes(range(256)) * (count // 256)
    done = 0
    sender.setblocking(False)
    while done < len(sent):
        try:
            done += sender.send(sent[done:done + 8192])
        except BlockingIOError:
            pass
        receiver.recv(65536, socket.MSG_DONTWAIT) if readable(receiver) else None
    time.sleep(0.05)
    while readable(receiver):
        receiver.recv(65536)


def readable(one):
    try:
        return bool(one.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False


def fill(sender):
    """Sends until neither the peer's window nor the send buffer takes more."""
    sender.setblocking(False)
    end = time.time() + 0.5
    while time.time() < end:
        try:
            sender.send(b"x" * 4096)
        except BlockingIOError:
            time.sleep(0.02)


def tcp():
    listener("192.0.2.1", 8000, backlog=5)
    listener("::", 8001, backlog=17)
    for _ in range(2):  # both wait in the accept queue
        new(socket.AF_INET).connect(("192.0.2.1", 8000))
    listener("192.0.2.1", 8002, backlog=0)
    for _ in range(3):
        one = new(socket.AF_INET)
        one.setblocking(False)
        one.connect_ex(("192.0.2.1", 8002))

    bbr = listener("192.0.2.1", 8010, congestion="bbr")
    client, accepted = connect(bbr, "192.0.2.1", 8010, source="192.0.2.2", congestion="bbr", tos=0x10, mark=0x1f)
    transfer(client, accepted, 512 * 1024)
    transfer(accepted, client, 4096)
    cubic = listener("2001:db8::1", 8011, congestion="cubic")
    client, accepted = connect(cubic, "2001:db8::1", 8011, source="2001:db8::2", congestion="cubic",
                               tclass=0x20, keepalive=True)
    transfer(accepted, client, 256 * 1024)
    reno = listener("::", 8012, congestion="reno")
    client, accepted = connect(reno, "192.0.2.1", 8012, source="192.0.2.2", congestion="reno")
    transfer(client, accepted, 4096)
    attempt("kernel TLS", lambda: client.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls"))
    silent = listener("192.0.2.1", 8013)
    connect(silent, "192.0.2.1", 8013, source="192.0.2.2")
    unread = listener("192.0.2.1", 8014, receive=4096)
    client, _ = connect(unread, "192.0.2.1", 8014, source="192.0.2.2")
    fill(client)  # the peer's window is closed: the persist timer runs

    # SYN-SENT, with a retransmission by the time of recording.
    one = new(socket.AF_INET)
    one.setblocking(False)
    one.connect_ex(("198.51.100.1", 443))
    # SYN-RECV: an accept that waits for data does not take the client's ACK.
    deferred = listener("192.0.2.1", 8020)
    deferred.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
    client = new(socket.AF_INET)
    client.connect(("192.0.2.1", 8020))

    ends = listener("192.0.2.1", 8030)
    # CLOSE-WAIT here; there FIN-WAIT-2 without a process: a minisock.
    client, _ = connect(ends, "192.0.2.1", 8030, source="192.0.2.2")
    client.close()
    # CLOSE-WAIT again; there FIN-WAIT-2 with a process.
    client, _ = connect(ends, "192.0.2.1", 8030, source="192.0.2.2")
    client.shutdown(socket.SHUT_WR)
    # TIME-WAIT, of both families.
    client, accepted = connect(ends, "192.0.2.1", 8030, source="192.0.2.2")
    client.close()
    time.sleep(0.05)
    accepted.close()
    ends6 = listener("2001:db8::1", 8031)
    client, accepted = connect(ends6, "2001:db8::1", 8031, source="2001:db8::2")
    client.close()
    time.sleep(0.05)
    accepted.close()
    stuck = listener("192.0.2.1", 8032, receive=4096)
    # FIN-WAIT-1: the FIN waits behind unread data.
    client, _ = connect(stuck, "192.0.2.1", 8032, source="192.0.2.2")
    fill(client)
    client.shutdown(socket.SHUT_WR)
    # CLOSING: so does ours, and the peer's has come. (The peer is in FIN-WAIT-2.)
    client, accepted = connect(stuck, "192.0.2.1", 8032, source="192.0.2.2")
    fill(client)
    client.shutdown(socket.SHUT_WR)
    accepted.shutdown(socket.SHUT_WR)
    # LAST-ACK: the peer's FIN came first.
    client, accepted = connect(stuck, "192.0.2.1", 8032, source="192.0.2.2")
    fill(client)
    accepted.shutdown(socket.SHUT_WR)
    time.sleep(0.05)
    client.shutdown(socket.SHUT_WR)

    bound = new(socket.AF_INET)
    bound.bind(("192.0.2.1", 8040))


def udp():
    unconnected = new(socket.AF_INET, socket.SOCK_DGRAM)
    unconnected.bind(("192.0.2.1", 5300))
    client = new(socket.AF_INET, socket.SOCK_DGRAM)
    setup(client, {"tos": 0xb8, "mark": 7})
    client.bind(("192.0.2.2", 0))
    client.connect(("192.0.2.1", 5300))
    client.send(b"four unread datagrams")
    client.send(b"x" * 1000)
    client.send(b"")
    client.send(b"y")
    full = new(socket.AF_INET, socket.SOCK_DGRAM)
    full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    full.bind(("192.0.2.1", 5301))
    for _ in range(20):
        client_of_full = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client_of_full.sendto(b"z" * 1000, ("192.0.2.1", 5301))
        client_of_full.close()
    both = new(socket.AF_INET6, socket.SOCK_DGRAM)
    both.bind(("::", 5302))
    mapped = new(socket.AF_INET6, socket.SOCK_DGRAM)
    mapped.connect(("::ffff:192.0.2.1", 5300))
    six = new(socket.AF_INET6, socket.SOCK_DGRAM)
    six.bind(("2001:db8::2", 0))
    six.connect(("2001:db8::1", 5302))


def mptcp():
    def sockets():
        for address, source, port in (("192.0.2.1", "192.0.2.2", 8050), ("2001:db8::1", "2001:db8::2", 8051)):
            listening = listener(address, port, protocol=IPPROTO_MPTCP)
            client, accepted = connect(listening, address, port, protocol=IPPROTO_MPTCP, source=source)
            transfer(client, accepted, 64 * 1024)
            transfer(accepted, client, 2048)
        # A client without MPTCP: the connection falls back.
        connect(listening, address, port, source=source)

    attempt("MPTCP", sockets)


def record(folder):
    for name, number in STATES.items():
        bits = 1 << number | (1 << 12 if number == 3 else 0)
        write(folder, "tcp-" + name, both_families(bits))
    write(folder, "tcp", both_families(ALL), limit=3)
    for version, family in (("4", socket.AF_INET), ("6", socket.AF_INET6)):
        write(folder, "tcp" + version, by_family(family, socket.IPPROTO_TCP, ALL), limit=2)
        write(folder, "udp" + version, by_family(family, socket.IPPROTO_UDP, ALL))
        write(folder, "mptcp" + version, by_family(family, IPPROTO_MPTCP, ALL))
    write(folder, "error-sctp", by_family(socket.AF_INET, socket.IPPROTO_SCTP, ALL), errors=True)
    write(folder, "done", by_family(socket.AF_INET, socket.IPPROTO_TCP, 1 << 7), ends=True)
    # Without CAP_NET_ADMIN the kernel omits marks.
    write(folder, "tcp-established-unprivileged", both_families(1 << 1), limit=1, user=USER)


def both_families(states):
    """TCPDIAG_GETSOCK with struct inet_diag_req."""
    return 18, struct.pack("=BBBB48sII", 0, 0, 0, 0xfe, b"", states, 0)


def by_family(family, protocol, states):
    """SOCK_DIAG_BY_FAMILY with struct inet_diag_req_v2, and INET_DIAG_REQ_PROTOCOL if it needs one."""
    small = protocol if protocol < 256 else 0
    body = struct.pack("=BBBBI48s", family, small, 0xfe, 0, states, b"")
    if protocol > 255:
        body += struct.pack("=HHI", 8, 3, protocol)
    return 20, body


def write(folder, name, request, limit=None, errors=False, ends=False, user=0):
    kind, body = request
    os.seteuid(user)
    asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
    asking.settimeout(5)
    asking.send(struct.pack("=IHHII", 16 + len(body), kind, 0x301, 1, 0) + body)
    os.seteuid(0)
    written = 0
    while True:
        datagram = asking.recv(RECEIVE_BYTES)
        kinds = [kind for kind, _ in messages(datagram)]
        is_end = NLMSG_DONE in kinds or NLMSG_ERROR in kinds
        codes = [code for kind, code in messages(datagram) if kind == NLMSG_ERROR or kind == NLMSG_DONE]
        if any(code < 0 for code in codes) and not errors:
            print("omitted: %s: %s" % (name, errno.errorcode.get(-min(codes), codes)), file=sys.stderr)
            break
        is_wanted = not (is_end and len(kinds) == 1) or errors or ends
        if is_wanted and (limit is None or written < limit):
            assert len(datagram) <= 4096, name
            with open(os.path.join(folder, "%s-%d.bin" % (name, written)), "wb") as file:
                file.write(datagram)
            written += 1
        if is_end:
            break
    asking.close()
    print("%-32s %d" % (name, written))


def messages(datagram):
    """Each message's type, and the number its payload begins with."""
    while len(datagram) >= 16:
        length, kind = struct.unpack_from("=IH", datagram)
        yield kind, struct.unpack_from("=i", datagram, 16)[0] if length >= 20 else 0
        datagram = datagram[(length + 3) & ~3:]


if __name__ == "__main__":
    main()
