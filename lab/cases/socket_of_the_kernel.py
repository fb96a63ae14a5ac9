#!/usr/bin/env python3
"""A socket that the kernel has made for itself has the owner `kernel`.

Cause: a vxlan device, which is up and so has a UDP socket on port 4789, and one with port 4790 that is made while the agent runs; beside them a UDP socket, a listener and a connection
that is not accepted, all of this process.
Oracle: this process, and that no descriptor refers to the socket of vxlan.
Right: in the list, from an agent and with `--source ebpf`, the one socket belongs to the kernel (pid 0, no descriptor) and the others to this process or,
not accepted, to none. What nothing counts, its bytes, is unknown. `--source kernel` has no way to learn it, and shows no owner.
"""
import json, os, socket, subprocess, sys, tempfile, time

CONNS = os.environ.get("CONNS", "conns")
subprocess.run(["ip", "link", "set", "lo", "up"])


def add_device(name, port):
    for words in (f"add {name} type vxlan id {port} dstport {port} dev lo local 127.0.0.1", f"set {name} up"):
        ran = subprocess.run(["ip", "link", *words.split()], capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit(f"cannot make a vxlan device: {ran.stderr.strip()}")


add_device("vx0", 4789)
own = socket.socket(type=socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 0))
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
inode = os.stat("/proc/self/ns/net").st_ino
filter = f"netns_inode == {inode}"
wrong = []


def check(name, command, expected):
    ran = subprocess.run(command, capture_output=True, text=True)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    of_kernel = [row for row in rows if row["local_port"] == 4789]
    if not of_kernel:
        wrong.append(f"{name}: the socket of vxlan is not listed: {ran.stderr}")
    for row in of_kernel:
        if (row["bytes_in"], row["bytes_out"]) != (None, None):
            wrong.append(f"{name}: the socket of vxlan has {row['bytes_in']} bytes in, {row['bytes_out']} out")
        found = (row.get("process"), row.get("pid"), [owner.get("fd") for owner in row.get("owners") or []])
        if found != expected:
            wrong.append(f"{name}: the socket of vxlan has {found}")
    for row in rows:
        if row["local_port"] not in (4789, 4790) and row.get("pid") not in (os.getpid(), None):
            wrong.append(f"{name}: port {row['local_port']} has {row['process']}, {row['pid']}")
    mine = {own.getsockname()[1], listener.getsockname()[1], client.getsockname()[1]}
    missing = mine - {row["local_port"] for row in rows if row.get("pid") == os.getpid()}
    if missing:
        wrong.append(f"{name}: the ports {missing} are not of this process")


KERNEL = ("kernel", 0, [None])
check("list", [CONNS, "-a", "-o", "jsonl", filter], KERNEL)
check("ebpf", [CONNS, "-a", "-o", "jsonl", "--source", "ebpf", filter], KERNEL)
check("kernel", [CONNS, "-a", "-o", "jsonl", "--source", "kernel", filter], (None, None, []))
place = tempfile.mkdtemp() + "/s"
config = place + ".toml"
open(config, "w").close()
agent = subprocess.Popen([CONNS, "serve", "--config", config, "--listen", f"unix:{place}"], stderr=subprocess.DEVNULL)
try:
    end = time.time() + 20
    while not os.path.exists(place) and time.time() < end:
        time.sleep(0.05)
    of_agent = [CONNS, "-a", "-o", "jsonl", "--agent", f"unix:{place}", filter]
    check("agent", of_agent, KERNEL)
    # The agent has taken a sample, so this socket is none of those that it found at its start.
    add_device("vx1", 4790)
    found = []
    while not found and time.time() < end:
        listed = subprocess.run(of_agent, capture_output=True, text=True).stdout.splitlines()
        found = [row for row in map(json.loads, listed) if row["local_port"] == 4790]
    if [(row["process"], row["bytes_in"]) for row in found] != [("kernel", None)]:
        wrong.append(f"agent: the socket of the second device is shown as {found}")
finally:
    agent.terminate()
    agent.wait()
print("\n".join(wrong) or "right")
sys.exit(bool(wrong))
