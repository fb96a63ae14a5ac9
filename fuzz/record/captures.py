#!/usr/bin/env python3
"""Makes corpus/capture/seeds: small capture files in every format, from the recorded sessions.

Run as `python3 fuzz/record/captures.py [CORPUS]`. Needs editcap (Debian package wireshark-common, which tshark brings), gzip and zstd.
"""

import os
import struct
import subprocess
import sys


def main():
    corpus = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus")
    seeds = os.path.join(corpus, "capture/seeds")
    os.makedirs(seeds, exist_ok=True)

    def path(name):
        return os.path.join(seeds, name)

    def editcap(name, source, packets, *options):
        subprocess.run(["editcap", "-r", *options, source, path(name), packets], check=True)

    for protocol in ("levin", "tls", "ssh"):
        session = os.path.join(corpus, protocol, "session.pcap")
        editcap(f"{protocol}.pcap", session, "1-24", "-F", "pcap")
        editcap(f"{protocol}.pcapng", session, "1-24", "-F", "pcapng")
    session = os.path.join(corpus, "tls/session.pcap")
    editcap("nanoseconds.pcap", session, "1-16", "-F", "nsecpcap")
    editcap("cut.pcap", session, "1-40", "-F", "pcap", "-s", "60")
    editcap("from-the-middle.pcap", session, "6-30", "-F", "pcap")
    packets = records(session)[:16]
    ethernet = bytes(12)
    for name, link, header in (
        ("ethernet.pcap", 1, ethernet + b"\x08\x00"),
        ("vlan.pcap", 1, ethernet + b"\x88\xa8\x00\x05\x81\x00\x00\x07\x08\x00"),
        ("cooked.pcap", 113, bytes(14) + b"\x08\x00"),
        ("cooked-2.pcap", 276, b"\x08\x00" + bytes(18)),
        ("loopback.pcap", 0, b"\x02\x00\x00\x00"),
    ):
        write(path(name), link, [(time, header + packet) for time, packet in packets])
    write(path("fragments.pcap"), 101, [(time, part) for time, packet in packets for part in fragments(packet)])
    write(path("twice.pcap"), 101, [(time, packet) for time, packet in packets for _ in range(2)])
    write(path("v6.pcap"), 101, [(time, v6(packet)) for time, packet in packets])
    for program, end in (("gzip", "gz"), ("zstd", "zst")):
        with open(path(f"tls.pcap.{end}"), "wb") as out:
            subprocess.run([program, "-q", "-c", path("tls.pcap")], stdout=out, check=True)


def records(name):
    """The times and packets of a pcap file."""
    with open(name, "rb") as file:
        data = file.read()
    at, found = 24, []
    while at < len(data):
        seconds, micros, length, _ = struct.unpack_from("<IIII", data, at)
        found.append(((seconds, micros), data[at + 16:at + 16 + length]))
        at += 16 + length
    return found


def write(name, link, packets):
    with open(name, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, link))
        for (seconds, micros), packet in packets:
            out.write(struct.pack("<IIII", seconds, micros, len(packet), len(packet)) + packet)


def fragments(packet):
    """An IPv4 packet in two fragments, the second one first."""
    head, payload = packet[:20], packet[20:]
    for offset, part, more in ((16, payload[16:], 0), (0, payload[:16], 0x2000)):
        yield head[:2] + struct.pack(">H", 20 + len(part)) + head[4:6] + struct.pack(">H", more | offset // 8) + head[8:] + part


def v6(packet):
    """The payload of an IPv4 packet in IPv6, with a hop-by-hop header."""
    payload = b"\x06" + bytes(7) + packet[20:]
    address = [bytes([0xFD]) + bytes(11) + packet[at:at + 4] for at in (12, 16)]
    return struct.pack(">IHBB", 6 << 28, len(payload), 0, 64) + address[0] + address[1] + payload


if __name__ == "__main__":
    main()
