#!/usr/bin/env python3
"""Makes the seeds of `rtmp` and `amf` of the recordings in corpus/ems-captures: prints nothing, writes FOLDER.

`python3 fuzz/record/media_seeds.py rtmp|amf FOLDER`; `fuzz/run.sh` calls it. A seed of `rtmp` is a connection behind its handshake,
one of `amf` is the commands and metadata of one."""

import glob
import os
import struct
import sys

import recorded

RECORDINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus/ems-captures/*/capture.pcap.gz")
HANDSHAKE = 1 + 2 * 1536
# The targets take 4096 bytes.
MAX_SEED = 4000
TYPES = {20: 0, 17: 1, 18: 2, 15: 3}


def connections(path):
    """The payload of each connection of RTMP behind the handshake, in its order, with the side of each segment."""
    found, passed = {}, {}
    for packet in recorded.data(path):
        source, target = packet.source, packet.target
        key, side = ((target, source), 1) if (target, source) in found else ((source, target), 0)
        steps = found.setdefault(key, [])
        already = passed.get((key, side), 0)
        if packet.flags & recorded.SYN or already == 0 and packet.payload[0] != 3:
            continue
        skipped = min(HANDSHAKE - already, len(packet.payload))
        passed[key, side] = already + skipped
        if packet.payload[skipped:]:
            steps.append((side, packet.payload[skipped:]))
    return {key: steps for key, steps in found.items() if len(steps) > 2}


def messages(data):
    """The messages of one side: type, message stream and body, which is None of those that are not whole in the end."""
    size, streams, at = 128, {}, 0
    while at < len(data):
        form, chunk_stream = data[at] >> 6, data[at] & 63
        at += 1 + {0: 1, 1: 2}.get(chunk_stream, 0)
        fields = (11, 7, 3, 0)[form]
        stream = streams.setdefault(chunk_stream, {"body": b"", "length": 0, "type": 0, "id": 0, "extended": False, "whole": True})
        header = data[at:at + fields]
        at += fields
        if len(header) < fields:
            break
        if form < 3:
            stream["extended"] = header[:3] == b"\xff\xff\xff"
        if form < 2:
            stream["length"], stream["type"] = int.from_bytes(header[3:6], "big"), header[6]
        if form == 0:
            stream["id"] = header[7]
        at += 4 * stream["extended"]
        stream["whole"] = False
        taken = min(size, stream["length"] - len(stream["body"]))
        stream["body"] += data[at:at + taken]
        at += taken
        if len(stream["body"]) == stream["length"]:
            if stream["type"] == 1:
                size = int.from_bytes(stream["body"], "big") or size
            yield stream["type"], stream["id"], stream["body"]
            stream["body"], stream["whole"] = b"", True
    for stream in streams.values():
        if not stream["whole"]:
            yield stream["type"], stream["id"], None


def main():
    target, folder = sys.argv[1:3]
    for path in sorted(glob.glob(RECORDINGS)):
        name = os.path.basename(os.path.dirname(path))
        for number, steps in enumerate(list(connections(path).values())[:20]):
            if target == "rtmp":
                inputs = [struct.pack("<BH", side, len(part)) + part for side, payload in steps for part in (payload[:65535],)]
            else:
                inputs = []
                for side in (0, 1):
                    data = b"".join(payload for of, payload in steps if of == side)
                    for kind, stream, body in messages(data):
                        if kind in TYPES and body is not None and len(body) < 2000:
                            inputs.append(struct.pack("<BBH", TYPES[kind] << 1 | side, stream, len(body)) + body)
            for count in (1, 3, 8, len(inputs)):
                with open(os.path.join(folder, f"{name}-{number}-{count}"), "wb") as out:
                    out.write(b"".join(inputs[:count])[:MAX_SEED])


if __name__ == "__main__":
    main()
