#!/usr/bin/env python3
"""Writes the seeds of the target `transfer` into a folder: a frame of each type, some together, the begin of each stream, manifests,
frames of a relay, and datagrams of a flow.

The layouts are those of core/transfer/src/frames.rs, manifest.rs and relay.rs, written a second time."""
import pathlib, sys

def integer(value):
    """A variable-length integer of QUIC (RFC 9000, section 16)."""
    for prefix, size in ((0, 1), (1, 2), (2, 4), (3, 8)):
        if value < 1 << (8 * size - 2):
            return (value | prefix << (8 * size - 2)).to_bytes(size, 'big')
    raise ValueError(value)

def text(value):
    return integer(len(value)) + value

def frame(number, *fields):
    return integer(number) + text(b''.join(fields))

def ranges(*pairs):
    at, out = 0, b''
    for start, end in pairs:
        out += integer(start - at) + integer(end - start)
        at = end
    return out

HASH = bytes(range(32))
UID = HASH[:16]
MIB = 1 << 20
SECONDS = (1_700_000_000).to_bytes(8, 'big')

def offer(overwrite, follows, priority):
    priority = priority.to_bytes(8, 'big', signed=True)
    return frame(1, integer(7), UID, HASH, integer(5000), integer(overwrite), integer(follows), priority)

def manifest(*entries):
    """A manifest of (path, mode, bytes of a file or None)."""
    out, before = integer(1) + integer(len(entries)), b''
    for path, mode, size in entries:
        equal = [one == other for one, other in zip(before, path)] + [False]
        shared = equal.index(False)
        out += integer(size is not None) + integer(shared) + text(path[shared:]) + integer(mode) + SECONDS + integer(123_456_789)
        out += b'' if size is None else integer(size)
        before = path
    return out

def datagrams(rate, *list):
    """A flow: of each datagram the bits (1 receiver, 6 source, 8 token), and the bytes."""
    return bytes([rate]) + b''.join(bytes([bits, len(content)]) + content for bits, content in list)

seeds = {
    'hello': frame(0, integer(1), bytes(16), UID),
    'offer': offer(0, 1, -5),
    'offer-same': offer(1, 0, 0),
    'manifest-wanted': frame(2, integer(7)),
    'accepted': frame(3, integer(7), ranges((0, 5), (8, 9))),
    'accepted-nothing': frame(3, integer(7)),
    'durable': frame(4, integer(1 << 40), ranges((64, 128))),
    'resend': frame(5, integer(7), ranges((3, 4))),
    'committed': frame(6, integer(7)),
    'failed': frame(7, integer(7), integer(6), text('no space on /srv/ä'.encode())),
    'withdraw': frame(8, UID),
    'withdrawn': frame(9, UID),
    'rate-limit': frame(10, integer(12_500_000)),
    'stream-manifest': integer(0) + integer(7) + integer(5000),
    'stream-chunk': integer(1) + integer(7) + integer(300) + integer(MIB) + integer(0) + HASH,
    'stream-zeros': integer(1) + integer(7) + integer(301) + integer(MIB) + integer(1) + HASH,
    'stream-roots': integer(2) + integer(7),
    'manifest': manifest((b'folder', 0o755, None), (b'folder/file.bin', 0o644, 5 * MIB + 1), (b'folder/file.txt', 0o600, 0), (b'\xff\xfe', 0o4755, MIB)),
    'manifest-longest-file': manifest((b'a', 0, (1 << 62) - 1)),
    'manifest-escapes': manifest((b'folder/../../etc/passwd', 0o644, 1)),
    'manifest-below-file': manifest((b'a', 0o644, 1), (b'a-b', 0o644, 1), (b'a/b', 0o644, 1)),
    'relay-request': frame(0, integer(1)) + frame(3, HASH) + frame(9),
    'relay-receiver': frame(1) + frame(2) + frame(5, UID, integer(7000), HASH) + frame(6, UID) + frame(10),
    'relay-opened': frame(4, UID, integer(7000), integer(4), bytes([192, 0, 2, 1]), integer(443)),
    'relay-opened-v6': frame(4, UID, integer(7000), integer(6), HASH[:16], integer(443)) + frame(7, UID, integer(5)),
    'relay-refused': frame(8, integer(2), text(b'no receiver of this key')),
    'flow': datagrams(0, (8, b''), (11, b''), (0, b'from the sender'), (3, b'from the receiver'), (2, b'unknown'), (8, b'')),
    'flow-rate': datagrams(1, (8, b''), (11, b''), *[(0, bytes(250))] * 20),
    'ranges': ranges((0, 1), (2, 3), (1 << 40, (1 << 40) + 1)),
}
seeds['sender'] = seeds['hello'] + seeds['offer'] + seeds['withdraw']
seeds['receiver'] = seeds['hello'] + seeds['rate-limit'] + seeds['accepted'] + seeds['durable'] + seeds['committed']

if __name__ == '__main__':
    folder = pathlib.Path(sys.argv[1])
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed)
