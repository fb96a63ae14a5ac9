#!/usr/bin/env python3
"""Makes the seeds of `fuzz/fuzz_targets/decoders.rs` of the capture files of the corpus: prints nothing, writes FOLDER.

`python3 fuzz/record/seeds.py FOLDER`; `fuzz/run.sh` calls it. Each connection is a seed: whole, and its first packets.
"""

import glob
import os
import struct
import sys

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus")
OPEN, DATA, DATAGRAM = 15, 0, 11
# The target takes 4096 bytes.
MAX_SEED = 4000


def packets(path):
    with open(path, "rb") as file:
        rest = file.read()[24:]
    while rest:
        length = struct.unpack_from("<IIII", rest)[2]
        packet, rest = rest[16:16 + length], rest[16 + length:]
        header = (packet[0] & 15) * 4
        end = struct.unpack_from("!H", packet, 2)[0]
        source, target = struct.unpack_from("!HH", packet, header)
        is_udp = packet[9] == 17
        begin = header + 8 if is_udp else header + (packet[header + 12] >> 4) * 4
        yield source, target, is_udp, packet[begin:end]


def step(what, side, payload):
    # Every segment acknowledges what the other side sent.
    return struct.pack("<BBH", what, side | 4, len(payload)) + payload


def main():
    folder = sys.argv[1]
    for path in sorted(glob.glob(f"{CORPUS}/*/session.pcap")):
        name = os.path.basename(os.path.dirname(path))
        connections = {}
        for source, target, is_udp, payload in packets(path):
            key, side = ((target, source), 1) if (target, source) in connections else ((source, target), 0)
            steps = connections.setdefault(key, [] if is_udp else [step(OPEN, 0, b"")])
            if payload:
                steps.append(step(DATAGRAM if is_udp else DATA, side, payload))
        for number, steps in enumerate(list(connections.values())[:20]):
            for count in (2, 3, 5, len(steps)):
                with open(os.path.join(folder, f"{name}-{number}-{count}"), "wb") as out:
                    out.write(b"".join(steps[:count])[:MAX_SEED])


if __name__ == "__main__":
    main()
