#!/usr/bin/env python3
"""An agent in a cgroup namespace of its own, as in a container, lists UDP sockets that were made outside, and reports that it
does not count their bytes.

Cause: `unshare --cgroup`; two UDP sockets outside that exchange datagrams, and one that is made after the start.
Oracle: the sockets themselves.
Right: each is listed with its process; bytes are null with a reason, not 0; `ebpf-udp-peers` is missing and names the namespace.
"""
import json, os, re, socket, subprocess, sys, tempfile, time

CONNS = os.environ.get("CONNS", "conns")
place = tempfile.mkdtemp() + "/s"
config = place + ".toml"
open(config, "w").close()
subprocess.run(["ip", "link", "set", "lo", "up"])


def exchange():
    server, client = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    client.connect(server.getsockname())
    for _ in range(3):
        client.send(b"x" * 100)
        server.recv(200)
    return server, client


before = exchange()
agent = subprocess.Popen(["unshare", "--cgroup", CONNS, "serve", "--config", config, "--listen", f"unix:{place}"], stderr=subprocess.DEVNULL)
try:
    end = time.time() + 20
    while not os.path.exists(place) and time.time() < end:
        time.sleep(0.05)
    after = exchange()
    ports = {s.getsockname()[1] for s in before + after}

    def asked(*words):
        ran = subprocess.run([CONNS, *words, "--agent", f"unix:{place}"], capture_output=True, text=True)
        return ran.stdout

    wrong, rows = [], {}
    while len(rows) < len(ports) and time.time() < end:
        text = asked("-a", "-o", "jsonl", "--explain", "proto == udp")
        rows = {row["local_port"]: row for row in map(json.loads, text.splitlines()) if row.get("local_port") in ports}
        time.sleep(0.2)
    for port in ports:
        row = rows.get(port)
        if row is None:
            wrong.append(f"port {port} is not listed")
        elif row.get("pid") != os.getpid():
            wrong.append(f"port {port} has the owner {row.get('pid')}")
        elif row.get("bytes_in") is not None or row.get("bytes_out") is not None:
            wrong.append(f"port {port} has {row.get('bytes_in')} bytes in, {row.get('bytes_out')} bytes out")
    abilities = [line for line in asked("abilities").splitlines() if line.startswith("ebpf-udp-peers")]
    loaded = not re.search(r"ebpf-watch +no", asked("abilities"))
    if loaded and not any("cgroup namespace" in line for line in abilities):
        wrong.append(f"the ability is {abilities}")
    print("\n".join(wrong) or "right")
finally:
    agent.terminate()
    agent.wait()
sys.exit(bool(wrong))
