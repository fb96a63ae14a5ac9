#!/usr/bin/env python3
"""Sockets in a network namespace that no process's first thread is in and that has no name under /run/netns. Run as root.

Causes, one child each: a thread that moved there; a namespace kept by an open descriptor; one bind-mounted elsewhere; one
kept by nothing but its sockets (made there, then the process went back).
Oracle: the child itself listens there and prints the port; an agent with `ebpf-watch` lists all four.
Right: `conns -a` lists the listener of each (for the last one at least with programs in the kernel), or reports that there are
namespaces it did not enter: `all-namespaces` of `conns abilities` promises "sockets of every network namespace".
"""
import ctypes, json, os, socket, subprocess, sys, tempfile, threading, time

CONNS = os.environ.get("CONNS", "conns")
NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
folder = tempfile.mkdtemp()


def child(how, port):
    keep = []

    def listen():
        s = socket.socket()
        s.bind(("0.0.0.0", port))
        s.listen(5)
        keep.append(s)

    def moved():
        assert libc.unshare(NEWNET) == 0
        listen()
        time.sleep(100)

    if how == "thread":
        threading.Thread(target=moved, daemon=True).start()
    else:
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        assert libc.unshare(NEWNET) == 0
        listen()
        if how == "descriptor":
            keep.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        if how == "mount":
            place = f"{folder}/ns"
            open(place, "w").close()
            assert libc.mount(b"/proc/self/ns/net", place.encode(), None, 4096, None) == 0
        libc.setns(own, NEWNET)
        os.close(own)
    time.sleep(100)


children, ports = [], {}
for number, how in enumerate(("thread", "descriptor", "mount", "sockets")):
    ports[how] = 23100 + number
    pid = os.fork()
    if pid == 0:
        child(how, ports[how])
        os._exit(0)
    children.append(pid)
time.sleep(1.5)
wrong = []
for source in ("kernel", "ebpf"):
    ran = subprocess.run([CONNS, "-a", "--source", source, "-o", "jsonl", "state == listen and local_port in 23100..23103"], capture_output=True, text=True)
    found = {json.loads(line)["local_port"] for line in ran.stdout.splitlines()}
    for how, port in ports.items():
        if port not in found and ran.returncode == 0:
            wrong.append(f"{source}: {how}: not listed, exit 0, reported: {ran.stderr.strip() or 'nothing'}")
for pid in children:
    os.kill(pid, 9)
subprocess.run(["umount", f"{folder}/ns"])
print("\n".join(wrong))
print("WRONG" if wrong else "right")
sys.exit(bool(wrong))
