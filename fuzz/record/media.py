#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets of media of the recordings in `corpus/ems-captures`: prints nothing, writes FOLDER.

`python3 fuzz/record/media.py TARGET FOLDER`; `fuzz/run.sh` calls it. Seeds of SRT and of parameter sets are made by hand.
"""

import gzip
import os
import struct
import sys

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus/ems-captures")
# The targets take 16384 bytes, those of datagrams 4096.
MAX_SEED = {"rtp": 4000, "sps": 4000, "srt": 4000}
RECORDINGS = {"rtsp": ("rtsp-interleaved", "rtsp-udp", "rtsp-sequence-gaps"), "rtp": ("rtsp-udp",), "ts": ("mpegts",), "flv": ("liveflv",)}
PORTS = {"rtsp": (5544,), "ts": (9998, 9997), "flv": (6666, 6667)}
DATA, DATAGRAM = 0, 5 << 1
SETS = ("6742c00bda05067e7c0440000003004000000503c50aa8", "67640028acd940780227e5c044000003000400000300c83c60c658",
        "42010101600000030090000003000003005da00280802d165959a4932b9a80808082000003000200")


def packets(recording):
    """Ports, whether it is UDP, and payload of each packet (Ethernet, IPv4)."""
    rest = gzip.open(os.path.join(CORPUS, recording, "capture.pcap.gz")).read()[24:]
    while rest:
        length = struct.unpack_from("<IIII", rest)[2]
        packet, rest = rest[16:16 + length], rest[16 + length:]
        if packet[12:14] != b"\x08\x00":
            continue
        ip = packet[14:]
        header = (ip[0] & 15) * 4
        end = struct.unpack_from("!H", ip, 2)[0]
        source, target = struct.unpack_from("!HH", ip, header)
        is_udp = ip[9] == 17
        begin = header + 8 if is_udp else header + (ip[header + 12] >> 4) * 4
        yield source, target, is_udp, ip[begin:end]


def step(kind, side, payload):
    return struct.pack("<BH", kind | side, len(payload)) + payload


def streams(target):
    """The steps of each connection and flow of the target's ports."""
    for recording in RECORDINGS[target]:
        found = {}
        for source, destination, is_udp, payload in packets(recording):
            server = next((port for port in (source, destination) if port in PORTS[target]), None)
            if server is None or not payload:
                continue
            side = 1 if source == server else 0
            steps = found.setdefault((server, destination if side else source), [])
            steps.append(step(DATAGRAM if is_udp else DATA, side, payload))
        yield from found.values()


def handshakes():
    """Datagrams of a session of SRT."""
    header = struct.pack("!IIII", 0x80000000, 0, 1, 0)
    settings = struct.pack("!HHIIHH", 1, 3, 0x00010503, 0xbf, 120, 200)

    def packet(version, fields, kind, extensions=b""):
        fixed = struct.pack("!IIIIIIII", version, fields, 7, 1500, 8192, kind, 99, 5) + bytes(16)
        return header + fixed + extensions
    stream = struct.pack("!HH", 5, 2) + b"evileno/"
    key = struct.pack("!HH", 3, 2) + bytes(8)
    answer = b"\x00\x02" + settings[2:]
    return (packet(4, 2, 1), packet(5, 0x4a17, 1), packet(5, 5, 0xffffffff, settings + stream), packet(5, 4 << 16 | 7, 0xffffffff, settings + key + stream),
            packet(5, 1, 0xffffffff, answer), packet(5, 0, 1007), struct.pack("!IIII", 1, 0xe4000001, 0, 9) + b"\x47" * 188,
            struct.pack("!IIII", 0x80050000, 0, 0, 0))


def seeds(target):
    if target == "rtp":
        datagrams = [payload for _, _, is_udp, payload in packets("rtsp-udp") if is_udp]
        for count in range(1, 20):
            for media in range(3):
                chosen = datagrams[count * 3:count * 3 + count]
                yield bytes([media]) + b"".join(struct.pack("<H", len(one)) + one for one in chosen)
    elif target == "sps":
        for text in SETS:
            for length in (8, 14, 20, len(text) // 2):
                for codec in (0, 1):
                    yield bytes([codec]) + bytes.fromhex(text)[:length]
    elif target == "srt":
        all_of_it = handshakes()
        for number in range(len(all_of_it)):
            for count in (1, 2, 8):
                chosen = all_of_it[number:number + count]
                yield b"\x01" + b"".join(step(DATAGRAM, number & 1, one) for number, one in enumerate(chosen))
    else:
        for steps in streams(target):
            for begin, count in ((0, 4), (0, 10), (0, 25), (0, 60), (20, 10), (40, 20)):
                yield bytes([begin == 0]) + b"".join(steps[begin:begin + count])


def main():
    target, folder = sys.argv[1:]
    for number, seed in enumerate(seeds(target)):
        with open(os.path.join(folder, f"{target}-{number}"), "wb") as out:
            out.write(seed[:MAX_SEED.get(target, 16000)])


if __name__ == "__main__":
    main()
