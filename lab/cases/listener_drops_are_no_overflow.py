#!/usr/bin/env python3
"""A listener whose accept queue never fills, but which drops for another reason, is not overflowing.

Cause: IP_MINTTL 255 on a loopback listener (as BGP speakers set it): every SYN is dropped, nothing ever waits.
Oracle: ListenOverflows and ListenDrops of /proc/net/netstat do not move.
Right: `conns why` does not name accept-overflow ("nobody accepts them"); where OVERFLOWS is above 0, the list's
sentence does not claim that nothing was dropped; a column called overflows counts overflows only (0 here).
"""
import json, os, socket, subprocess, sys, threading, time

CONNS = os.environ.get("CONNS", "conns")
IP_MINTTL = 21


def counters():
    lines = open("/proc/net/netstat").read().splitlines()
    found = {}
    for names, values in zip(lines[::2], lines[1::2]):
        found.update(zip(names.split()[1:], values.split()[1:]))
    return int(found["ListenOverflows"]), int(found["ListenDrops"])


listener = socket.socket()
listener.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 255)
listener.bind(("127.0.0.1", 0))
listener.listen(128)
port = listener.getsockname()[1]
end = time.time() + 8


def knock():
    while time.time() < end:
        client = socket.socket()
        client.settimeout(0.2)
        try:
            client.connect(("127.0.0.1", port))
        except OSError:
            pass
        client.close()


before = counters()
for _ in range(3):
    threading.Thread(target=knock).start()
time.sleep(2)
which = f"local_port == {port} and state == listen"
once = json.loads(subprocess.run([CONNS, "-l", "-o", "json", which], capture_output=True, text=True).stdout)
once = once["connections"][0]
sentence = subprocess.run([CONNS, "-l", "-o", "jsonl", "--columns", "why", which], capture_output=True, text=True).stdout
watched = subprocess.run([CONNS, "why", "--for", "3s", which], capture_output=True, text=True).stdout
after = counters()
print("ListenOverflows, ListenDrops:", before, "->", after)
print("list: overflows", once.get("overflows"), once["verdict"], sentence.strip())
print("why:", watched.strip())
wrong = []
if after[0] == before[0] and "accept-overflow" in watched:
    wrong.append("accept-overflow is named, and nothing overflowed")
if after[0] == before[0] and once.get("overflows"):
    wrong.append("overflows counts drops that are none")
if once.get("overflows") and "nothing was dropped" in sentence:
    wrong.append("the sentence and the column contradict each other")
print("WRONG: " + "; ".join(wrong) if wrong else "right")
sys.exit(bool(wrong))
