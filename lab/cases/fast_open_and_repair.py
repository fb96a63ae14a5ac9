#!/usr/bin/env python3
"""A connect that waits for its first write, and a connection that was never opened, as their programs see them.

Cause: TCP_FASTOPEN_CONNECT with a cookie from an earlier connection, and 0.3 s until the first write; a pair of sockets made by
TCP_REPAIR, without a handshake.
Oracle: the program itself: TCP_INFO, SIOCOUTQ, and how long its calls took.
Right: before the write the send queue is 0 and nothing has failed; the handshake of the event is shorter than the 0.3 s; the
repaired socket has no handshake time. Needs root, and an agent with programs in the kernel for the events.
"""
import json, os, socket, subprocess, sys, tempfile, time

CONNS = os.environ.get("CONNS", "conns")
TCP_REPAIR, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT = 19, 23, 30
place = tempfile.mkdtemp() + "/s"
config = place + ".toml"
open(config, "w").close()
subprocess.run(["ip", "link", "set", "lo", "up"])
with open("/proc/sys/net/ipv4/tcp_fastopen", "w") as setting:
    setting.write("3")


def asked(*words):
    ran = subprocess.run([CONNS, *words, "--agent", f"unix:{place}"], capture_output=True, text=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def until(what, find):
    end = time.time() + 20
    while time.time() < end:
        found = find()
        if found:
            return found
        time.sleep(0.1)
    wrong.append(f"{what} did not happen within 20 s")
    return None


def events(port):
    ran = subprocess.run(["curl", "-s", "--unix-socket", place, f"http://localhost/api/v1/events?filter=local_port=={port}"], capture_output=True, text=True)
    return json.loads(ran.stdout)["events"]


wrong = []
agent = subprocess.Popen([CONNS, "serve", "--config", config, "--listen", f"unix:{place}"], stderr=subprocess.DEVNULL)
try:
    while not os.path.exists(place):
        time.sleep(0.05)
    time.sleep(1)
    listener = socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    to = listener.getsockname()

    def fast():
        client = socket.socket()
        client.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
        client.connect(to)
        return client

    # The first one asks for the cookie.
    first = fast()
    first.send(b"x")
    served, _ = listener.accept()
    served.recv(1)
    first.close()
    served.close()

    client = fast()
    port = client.getsockname()[1]
    state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    if state != 2:
        wrong.append(f"the connect is not deferred: state {state}; is TCP fast open there?")
    row = until("the deferred socket in the list", lambda: asked("-a", "-o", "jsonl", f"local_port == {port} and state == syn-sent"))
    if row and row[0].get("send_queue") not in (0, None):
        wrong.append(f"the send queue is {row[0]['send_queue']}")
    if row and row[0].get("verdict") == "handshake-failing":
        wrong.append("a handshake that has not begun fails")
    time.sleep(0.3)
    client.send(b"hello")
    served, _ = listener.accept()
    served.recv(5)
    opened = until("the opened event", lambda: [e for e in events(port) if e["event"] == "opened"])
    if opened:
        handshake = opened[0].get("handshake_us")
        if handshake is not None and handshake > 200_000:
            wrong.append(f"the handshake of a loopback connection took {handshake} us")
    if any(e["event"] == "failed" for e in events(port)):
        wrong.append("a failure is reported that never was")

    left, right = socket.socket(), socket.socket()
    for end in (left, right):
        end.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        end.bind(("127.0.0.1", 0))
    left.connect(right.getsockname())
    right.connect(left.getsockname())
    port = left.getsockname()[1]
    row = until("the repaired socket in the list", lambda: asked("-a", "-o", "jsonl", f"local_port == {port} and state == estab"))
    for event in events(port):
        if event.get("handshake_us") is not None:
            wrong.append(f"the event {event['event']} of a repaired socket has a handshake of {event['handshake_us']} us")
    for end in (left, right):
        end.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
    print("\n".join(wrong) or "right")
finally:
    agent.terminate()
    agent.wait()
sys.exit(bool(wrong))
