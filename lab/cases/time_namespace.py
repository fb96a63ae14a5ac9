#!/usr/bin/env python3
"""A conns in a time namespace of its own dates and details everything as one outside.

Cause: `unshare --time --boottime 8000000 --monotonic 8000000`: clocks since boot are 92 days ahead.
Oracle: the clock and the connections of this process.
Right: events, ages, starts of processes and details of owners are those of now, in the list, in `events` and from an agent.
"""
import json, os, select, signal, socket, subprocess, sys, tempfile, time

CONNS = os.environ.get("CONNS", "conns")
AHEAD = ["unshare", "--time", "--boottime", "8000000", "--monotonic", "8000000", "--fork", "--kill-child"]
subprocess.run(["ip", "link", "set", "lo", "up"])
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
started = float(open("/proc/self/stat").read().rsplit(")")[-1].split()[19]) / os.sysconf("SC_CLK_TCK")
started += time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
wrong = []


def near(what, seconds, expected, within):
    if seconds is None or abs(seconds - expected) > within:
        wrong.append(f"{what}: {seconds} instead of about {expected}")


def check(name, row, began):
    """`began` is when the connection was opened."""
    if row is None:
        wrong.append(f"{name}: it is missing")
        return
    if row["pid"] != os.getpid() or not row["cmdline"] or not row["exe"]:
        wrong.append(f"{name}: the owner is {row['pid']}, {row['cmdline']}, {row['exe']}")
    near(f"{name}: the start of the process", (row["started_us"] or 0) / 1e6, started, 2)
    if row.get("age_us") is not None:
        near(f"{name}: age", row["age_us"] / 1e6, time.time() - began, 5)
    for field in ("idle_us", "last_sent_us", "last_received_us"):
        if row.get(field) is not None and row[field] > 60e6:
            wrong.append(f"{name}: {field} is {row[field] / 1e6} s")


def rows(command):
    ran = subprocess.run(command, capture_output=True, text=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def opened():
    client = socket.create_connection(("127.0.0.1", port))
    server = listener.accept()[0]
    client.send(b"x" * 1000)
    server.recv(2000)
    return client, server


began = time.time()
pair = opened()
filter = f"remote_port == {port}"
for source in ("kernel", "auto"):
    listed = rows([*AHEAD, CONNS, "-o", "jsonl", "--source", source, filter])
    check(f"list of {source}", next(iter(listed), None), began)

place = tempfile.mkdtemp() + "/s"
config = place + ".toml"
open(config, "w").close()
agent = subprocess.Popen([*AHEAD, CONNS, "serve", "--config", config, "--listen", f"unix:{place}"], stderr=subprocess.DEVNULL, start_new_session=True)
try:
    end = time.time() + 20
    while not os.path.exists(place) and time.time() < end:
        time.sleep(0.05)
    first = rows([CONNS, "-o", "jsonl", "--agent", f"unix:{place}", filter])
    check("list of the agent", next(iter(first), None), began)
    events = subprocess.Popen([CONNS, "events", "-o", "jsonl", "--agent", f"unix:{place}", filter], stdout=subprocess.PIPE, text=True)
    event, others = None, []
    while event is None and time.time() < end:
        # `events` begins with what happens after it has asked.
        others.append(opened())
        if select.select([events.stdout], [], [], 0.2)[0]:
            event = json.loads(events.stdout.readline())
    events.terminate()
    events.wait()
    if event is None:
        wrong.append("events: none came")
    else:
        near("events: at", event["at_us"] / 1e6, time.time(), 30)
        if event.get("opened_at_us") is not None:
            near("events: opened at", event["opened_at_us"] / 1e6, time.time(), 30)
        if event["pid"] != os.getpid():
            wrong.append(f"events: the owner is {event['pid']}")
finally:
    # `unshare --fork` passes no signal on.
    os.killpg(agent.pid, signal.SIGTERM)
    agent.wait()
print("\n".join(wrong) or "right")
sys.exit(bool(wrong))
