#!/usr/bin/env python3
"""A socket that a thread holds in a descriptor table of its own belongs to its process. Run as root.

Cause: one thread leaves the process's descriptor table (unshare(CLONE_FILES)) and then listens and connects.
Oracle: /proc/PID/task/TID/fd shows the sockets, /proc/PID/fd does not.
Right: plain `conns -a` names this process for all three sockets, as `--source ebpf` does; where it cannot, it reports so.
"""
import ctypes, json, os, socket, subprocess, sys, threading, time

CONNS = os.environ.get("CONNS", "conns")
CLONE_FILES = 0x400
port, ready = [0], threading.Event()


def thread():
    assert ctypes.CDLL(None).unshare(CLONE_FILES) == 0
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    port[0] = listener.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port[0]))
    taken, _ = listener.accept()
    ready.set()
    time.sleep(60)


threading.Thread(target=thread, daemon=True).start()
ready.wait()
wrong = []
for source in ("auto", "kernel", "ebpf"):
    ran = subprocess.run([CONNS, "-a", "--source", source, "-o", "json", f"port == {port[0]}"], capture_output=True, text=True)
    if source == "ebpf" and ran.returncode not in (0, 3):
        print("ebpf: not here")
        continue
    rows = json.loads(ran.stdout)["connections"]
    pids = [row["pid"] for row in rows]
    print(source, pids)
    if pids != [os.getpid()] * 3:
        wrong.append(f"{source}: {pids}, not three times {os.getpid()}")
print("WRONG: " + "; ".join(wrong) if wrong else "right")
os._exit(bool(wrong))
