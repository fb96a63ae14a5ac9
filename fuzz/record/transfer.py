#!/usr/bin/env python3
"""Writes the seeds of the target `transfer` into a folder: a frame of each type, some together, and a chunk header.

The layout is that of core/transfer/src/frames.rs, written a second time."""
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
MIB = 1 << 20
seconds = (1_700_000_000).to_bytes(8, 'big')

def offer(path, size, known):
    return frame(1, integer(7), text(path), integer(size), integer(0o644), seconds, integer(123_456_789), text(HASH if known else b''))

seeds = {
    'hello': frame(0, integer(1), bytes(16), HASH[:16]),
    'offer': offer(b'folder/file.bin', 5 * MIB, False),
    'offer-known': offer(b'\xff\xfe', 0, True),
    'offer-escapes': offer(b'folder/../../etc/passwd', 1, False),
    'accepted': frame(2, integer(7), ranges((0, MIB), (3 * MIB, 4 * MIB))),
    'accepted-nothing': frame(2, integer(7)),
    'durable': frame(3, integer(1 << 40), ranges((64 * MIB, 128 * MIB))),
    'done': frame(4, integer(7), HASH),
    'committed': frame(5, integer(7)),
    'failed': frame(6, integer(7), integer(6), text('no space on /srv/ä'.encode())),
    'pause': frame(7, integer(7)),
    'resume': frame(8, integer(7)),
    'rate-limit': frame(9, integer(12_500_000)),
    'chunk': integer(7) + integer(3 * MIB) + integer(MIB) + HASH,
    'ranges': ranges((0, 1), (2, 3), (1 << 40, (1 << 40) + 1)),
}
seeds['sender'] = seeds['hello'] + seeds['offer'] + seeds['done']
seeds['receiver'] = seeds['hello'] + seeds['rate-limit'] + seeds['accepted'] + seeds['durable'] + seeds['committed']

if __name__ == '__main__':
    folder = pathlib.Path(sys.argv[1])
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed)
