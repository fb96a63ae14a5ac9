"""Writes corpus/ebpf: records of eBPF programs, made by hand after sources/ebpf/bpf/shared.h.

    fuzz/record/programs.py corpus/ebpf
"""

import pathlib
import struct
import sys

TCP, UDP = 6, 17
V4 = bytes([192, 0, 2, 1]) + bytes(12), bytes([198, 51, 100, 7]) + bytes(12)
V6 = bytes.fromhex("20010db8000000000000000000000001"), bytes.fromhex("20010db8000000000000000000000002")


def ends(protocol, family, state, kind=1):
    local, remote = V4 if family == 2 else V6
    return struct.pack(
        "=QIIIHHHBBB3x16s16sQ", 77, 4026531840, 1000, 0, 443, 50000, protocol, family, state, kind, local, remote, 4711
    )


def row(protocol, family, state, kind=1, timer=0):
    memory = [0, 131072, 0, 87040, 0, 0, 0, 0, 0]
    length = 280 if protocol == TCP else 0
    # The initial sequence numbers of IPv4 are known: `has_first`, `first_sent`, and `first_received` at the end.
    first = (1, 1000, 2000) if protocol == TCP and family == 2 else (0, 0, 0)
    fixed = struct.pack("=QIIII9IHBBBBBBI", 1, 0, 100, 2000, 200, *memory, length, timer, 1, 0, 16, 1, *first[:2])
    names = b"bbr".ljust(16, b"\0") + b"tls".ljust(16, b"\0")
    detail = struct.pack("=QIIIIII", 1_000_000, 500, 739, 512, 0, first[2], 0)
    record = ends(protocol, family, state, kind) + fixed + names + detail
    return record + bytes(range(256)) + bytes(24) if protocol == TCP else record


def event(kind, flags, last_state, error):
    times = 4_000_000_000, 1_000_000_000, 1_100_000_000, 1_200_000_000, 900_000_000
    return struct.pack("=5QII16sBBBxHxx", *times, 42, 1000, b"curl", kind, flags, last_state, error)


RECORDS = {}
for family in (2, 10):
    for state in range(1, 12):
        RECORDS[f"tcp-{family}-{state}"] = row(TCP, family, state, timer=state % 5)
    RECORDS[f"time-wait-{family}"] = row(TCP, family, 6, kind=2)[:208]
    RECORDS[f"request-{family}"] = row(TCP, family, 3, kind=3)[:208]
    RECORDS[f"udp-{family}"] = row(UDP, family, 1)
    RECORDS[f"opened-{family}"] = event(1, 1, 0, 0) + ends(TCP, family, 1)
    RECORDS[f"accepted-{family}"] = event(2, 2, 0, 0) + ends(TCP, family, 1)
    RECORDS[f"failed-{family}"] = event(4, 1, 0, 111) + ends(TCP, family, 7)
    for name, flags, last_state, error in [("fin", 37, 6, 0), ("rst-in", 17, 1, 104), ("timeout", 1, 1, 110)]:
        RECORDS[f"closed-{name}-{family}"] = event(3, flags, last_state, error) + row(TCP, family, 7)

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, record in RECORDS.items():
    (folder / f"{name}.bin").write_bytes(record)
