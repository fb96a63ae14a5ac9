"""Reads the capture files of corpus/ems-captures: pcap with microseconds, Ethernet, IPv4 without fragments and IPv6. Not for any other file."""

import collections
import gzip
import struct

SYN = 2

# An end is an address, as its bytes, and a port.
Packet = collections.namedtuple("Packet", "at_us is_udp source target sequence flags payload")


def packets(path):
    """Each packet of TCP and UDP, in the order of the file."""
    with gzip.open(path) as file:
        rest = memoryview(file.read())[24:]
    while rest:
        seconds, micros, length = struct.unpack_from("<III", rest)
        ip, rest = rest[16 + 14:16 + length], rest[16 + length:]
        if ip[0] >> 4 == 6:
            protocol, header, end, addresses = ip[6], 40, 40 + struct.unpack_from("!H", ip, 4)[0], (ip[8:24], ip[24:40])
        else:
            protocol, header, end, addresses = ip[9], (ip[0] & 15) * 4, struct.unpack_from("!H", ip, 2)[0], (ip[12:16], ip[16:20])
        if protocol not in (6, 17):
            continue
        source, target = ((bytes(address), port) for address, port in zip(addresses, struct.unpack_from("!HH", ip, header)))
        at = seconds * 1_000_000 + micros
        if protocol == 17:
            yield Packet(at, True, source, target, 0, 0, bytes(ip[header + 8:end]))
        else:
            begin = header + (ip[header + 12] >> 4) * 4
            yield Packet(at, False, source, target, struct.unpack_from("!I", ip, header + 4)[0], ip[header + 13], bytes(ip[begin:end]))


def data(path):
    """Each packet of TCP with payload that was not sent before, and the first one of each side, with SYN."""
    expected = {}
    for packet in packets(path):
        if packet.is_udp:
            continue
        key = packet.source, packet.target
        if packet.flags & SYN:
            expected[key] = (packet.sequence + 1) & 0xffffffff
            yield packet
            continue
        seen = (expected.get(key, packet.sequence) - packet.sequence) & 0xffffffff
        if seen < len(packet.payload):
            expected[key] = (packet.sequence + len(packet.payload)) & 0xffffffff
            yield packet._replace(payload=packet.payload[seen:])
