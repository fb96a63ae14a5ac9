"""Writes sums of a period as they are before compression (services/history/src/sums/encoding.rs) into FOLDER: seeds of `history_sums`.

    python3 fuzz/record/sums.py FOLDER
"""

import pathlib
import sys

REASONS, BUCKETS = 9, 496


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def numbers(values):
    values = list(values)
    return varint(len(values)) + b"".join(map(varint, values))


def sums(texts, groups, other):
    """`groups` keyed groups, and `other` if there is one, with a count of each kind in each."""
    plain = varint(len(texts)) + b"".join(varint(len(text)) + text for text in texts)
    for column in range(8):
        plain += numbers((at >> column) % (len(texts) + 1) for at in range(groups))
    plain += numbers([0, 444, 65536][at % 3] for at in range(groups))
    rows = groups + other
    plain += numbers(range(rows)) + numbers(at % 2 for at in range(rows))
    for figure in range(5):
        plain += numbers(at << 7 * figure for at in range(rows)) + numbers(at % 3 for at in range(rows))
    plain += numbers([3] * rows)
    kinds = [[at % REASONS, 512 + at % BUCKETS, 1024 + at * 7 % BUCKETS] for at in range(rows)]
    plain += numbers(step for first, second, third in kinds for step in (first, second - first, third - second))
    return plain + numbers((1 << at % 53) for at in range(3 * rows))


def main():
    folder = pathlib.Path(sys.argv[1])
    texts = [b"curl", b"nginx.service", "ä.example".encode(), b"tcp", b"192.0.2.0/24", b""]
    for number, (count, groups, other) in enumerate(
        (count, groups, other)
        for count, groups in ((0, 0), (0, 1), (1, 2), (6, 3), (6, 40))
        for other in (0, 1)
    ):
        plain = sums(texts[:count], groups, other)
        (folder / f"sums-{number}").write_bytes(plain)
        # Format 2: how many parts are missing.
        (folder / f"sums-{number}-2").write_bytes(plain + varint(number * 100))


main()
