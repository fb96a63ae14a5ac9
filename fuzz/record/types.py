"""Writes corpus/btf: descriptions of types (BTF), by hand one for each kind, and those of two of our objects.

    fuzz/record/types.py sources/ebpf/objects corpus/btf

Needs llvm-objcopy.
"""

import pathlib
import struct
import subprocess
import sys

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF = range(1, 9)
STRINGS = b"\0sock\0member\0bpf_iter__tcp\0btf_trace_sys_exit\0row\0"
NAME = {name: STRINGS.index(b"\0" + name.encode() + b"\0") + 1 for name in STRINGS.decode().strip("\0").split("\0")}


def entry(kind, name=0, count=0, size_or_type=0, tail=()):
    return struct.pack(f"=III{len(tail)}I", name, kind << 24 | count, size_or_type, *tail)


def btf(*entries, header=24, version=1):
    types = b"".join(entries)
    fixed = struct.pack("=HBBIIIII", 0xEB9F, version, 0, header, 0, len(types), len(types), len(STRINGS))
    return fixed + types + STRINGS


def sock(member_type):
    return entry(STRUCT, NAME["sock"], 1, 8, (NAME["member"], member_type, 0))


# What follows the fixed part of each kind.
KINDS = {
    "int": (INT, 0, (32,)),
    "ptr": (PTR, 0, ()),
    "array": (ARRAY, 0, (1, 1, 4)),
    "struct": (STRUCT, 1, (NAME["member"], 1, 0)),
    "union": (UNION, 1, (NAME["member"], 1, 0)),
    "enum": (ENUM, 1, (NAME["member"], 7)),
    "fwd": (FWD, 0, ()),
    "typedef": (TYPEDEF, 0, ()),
    "volatile": (9, 0, ()),
    "const": (10, 0, ()),
    "restrict": (11, 0, ()),
    "func": (12, 0, ()),
    "func-proto": (13, 1, (NAME["member"], 1)),
    "var": (14, 0, (1,)),
    "datasec": (15, 1, (1, 0, 4)),
    "float": (16, 0, ()),
    "decl-tag": (17, 0, (0,)),
    "type-tag": (18, 0, ()),
    "enum64": (19, 1, (NAME["member"], 7, 0)),
    "unknown-20": (20, 0, ()),
    "unknown-31": (31, 0, ()),
}

FILES = {
    name: btf(sock(2), entry(kind, NAME["row"], count, 1, tail), entry(FWD))
    for name, (kind, count, tail) in KINDS.items()
}
FILES["attach-points"] = btf(
    entry(12, NAME["bpf_iter__tcp"]), entry(TYPEDEF, NAME["btf_trace_sys_exit"], 0, 3), entry(PTR, 0, 0, 1)
)
FILES["contains-itself"] = btf(sock(1))
FILES["type-beyond-the-end"] = btf(sock(99))
FILES["empty"] = btf()
FILES["types-overlap-header"] = btf(sock(1), header=0)
FILES["version-2"] = btf(sock(1), version=2)
FILES["cut"] = FILES["struct"][:60]

objects, folder = map(pathlib.Path, sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
for name, content in FILES.items():
    (folder / name).write_bytes(content)
for name in ("layout", "descriptors"):
    to = folder / f"object-{name}"
    subprocess.run(
        ["llvm-objcopy", f"--dump-section=.BTF={to}", objects / f"{name}.bpf.o", "/dev/null"], check=True
    )
