"""Makes sockets of every family and keeps them: prints one JSON object, and ends with its standard input.

`inodes` has the inode of each socket by its name; `leaked` those of which no table of the kernel has a row.
"""

import ctypes
import json
import os
import socket
import struct
import sys

# Directions for shutdown(2).
SENDING, BOTH = 1, 2

sockets = {}
leaked = []


def keep(name, made):
    sockets[name] = made
    return made


def leak(name, made):
    leaked.append(name)
    return keep(name, made)


def named():
    """Sockets that tables list."""
    listener = keep("unix-listener", socket.socket(socket.AF_UNIX))
    path = sys.argv[1] + "/listener"
    listener.bind(path)
    listener.listen(7)
    keep("unix-client", socket.socket(socket.AF_UNIX)).connect(path)
    keep("unix-accepted", listener.accept()[0])
    abstract = keep("unix-abstract", socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    abstract.bind("\0conns-lab-%d" % os.getpid())
    abstract.listen(3)
    keep("unix-dgram", socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)).bind(sys.argv[1] + "/dgram")
    keep("unix-unbound", socket.socket(socket.AF_UNIX))
    one, other = socket.socketpair()
    keep("unix-pair-here", one).send(b"twelve bytes")
    keep("unix-pair-there", other)
    # The other end is only in a child.
    mine, theirs = socket.socketpair()
    keep("unix-of-child", mine)
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None)
        libc.prctl(15, b"lab-peer", 0, 0, 0)
        libc.prctl(1, 9, 0, 0, 0)
        for made in sockets.values():
            made.close()
        theirs.recv(1)
        os._exit(0)
    theirs.close()
    keep("raw-icmp", socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    keep("raw-89", socket.socket(socket.AF_INET, socket.SOCK_RAW, 89)).bind(("127.0.0.1", 0))
    keep("raw-icmp6", socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58))
    keep("packet-all", socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    keep("packet-ip", socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)).bind(("lo", 0x800))
    keep("netlink-route", socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)).bind((0, 1))
    keep("netlink-uevent", socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15)).bind((0, 1))
    try:
        keep("udplite", socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)).bind(("127.0.0.1", 7100))
    except OSError:
        sockets.pop("udplite", None)
    return child


def no_table():
    """22 sockets that no table lists."""
    for at in range(4):
        leak("tcp4-%d" % at, socket.socket(socket.AF_INET))
        leak("tcp6-%d" % at, socket.socket(socket.AF_INET6))
    for at in range(3):
        leak("udp4-%d" % at, socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        leak("udp6-%d" % at, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    # Closed by both ends while the descriptors stay.
    listener = socket.create_server(("127.0.0.1", 0))
    for at in range(2):
        client = leak("tcp-closed-client-%d" % at, socket.create_connection(listener.getsockname()))
        server = leak("tcp-closed-server-%d" % at, listener.accept()[0])
        client.shutdown(SENDING)
        server.recv(1)
        server.shutdown(SENDING)
        client.recv(1)
    listener.close()
    # Refused.
    refused = leak("tcp-refused", socket.socket())
    refused.connect_ex(("127.0.0.1", 1))
    # No longer listening.
    stopped = leak("tcp-stopped", socket.socket())
    stopped.listen(1)
    stopped.shutdown(BOTH)
    # Of families without a table.
    leak("udp-disconnected", disconnected())
    leak("alg", algorithm())


def disconnected():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect(("127.0.0.1", 9))
    # AF_UNSPEC releases the port again.
    address = struct.pack("H14x", 0)
    ctypes.CDLL(None).connect(made.fileno(), address, len(address))
    return made


def algorithm():
    try:
        return socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)
    except OSError:
        return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)


child = named()
no_table()
inodes = {name: os.fstat(made.fileno()).st_ino for name, made in sockets.items()}
print(json.dumps({"pid": os.getpid(), "child": child, "inodes": inodes, "leaked": leaked}), flush=True)
sys.stdin.read()
