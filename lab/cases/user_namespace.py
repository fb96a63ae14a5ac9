#!/usr/bin/env python3
"""In a user namespace of its own conns reports what it cannot see, and shows no number of the kernel for what has none.

Causes: `unshare --user --map-root-user`, as rootless containers have it, (a) beside the host's processes and network, (b) with a pid
namespace, (c) with a network namespace; a listener here of a user that has no number there.
Oracle: the listener, which is this process.
Right: in (a) and (b) it is listed, its owner and its user are unknown (not the overflow user, 65534), and standard error reports
that owners are missing; `conns abilities` does not answer yes for owners-of-others. In (c) it is not listed, and standard error reports
that other network namespaces are not seen.
"""
import json, os, socket, subprocess, sys

CONNS = os.environ.get("CONNS", "conns")
subprocess.run(["ip", "link", "set", "lo", "up"])
os.setegid(54321)
os.seteuid(54321)
listener = socket.create_server(("127.0.0.1", 0))
os.seteuid(0)
os.setegid(0)
port = listener.getsockname()[1]
INSIDE = ["unshare", "--user", "--map-root-user"]
wrong = []


def ask(*more):
    command = [CONNS, "-l", "-o", "jsonl", f"local_port == {port}"]
    ran = subprocess.run([*INSIDE, *more, *command], capture_output=True, text=True)
    abilities = subprocess.run([*INSIDE, *more, CONNS, "abilities"], capture_output=True, text=True)
    others = [line.split()[1] for line in abilities.stdout.splitlines() if line.startswith("owners-of-others ")]
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr, others


for name, more in [("user", []), ("user and pid", ["--pid", "--fork", "--kill-child", "--mount-proc"])]:
    code, rows, errors, others = ask(*more)
    if code not in (0, 3):
        wrong.append(f"{name}: exit code {code}: {errors}")
        continue
    if len(rows) != 1:
        wrong.append(f"{name}: {len(rows)} rows: {errors}")
        continue
    if rows[0]["pid"] is not None or rows[0]["user"] is not None or rows[0]["uid"] is not None:
        wrong.append(f"{name}: owner {rows[0]['pid']}, user {rows[0]['user']}, uid {rows[0]['uid']}")
    if "owner" not in errors and "process" not in errors:
        wrong.append(f"{name}: not a word that owners are missing: {errors}")
    if others != ["no"]:
        wrong.append(f"{name}: owners-of-others is {others}")
code, rows, errors, _ = ask("--net")
if rows or code not in (0, 3):
    wrong.append(f"user and net: exit code {code}, {len(rows)} rows: {errors}")
if "namespace" not in errors:
    wrong.append(f"user and net: not a word of other namespaces: {errors}")
print("\n".join(wrong) or "right")
sys.exit(bool(wrong))
