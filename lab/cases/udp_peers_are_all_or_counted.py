#!/usr/bin/env python3
"""A UDP socket that talked with 100 peers has 100 peers, or it is reported how many are omitted. Needs an agent with eBPF, so root.

Cause: one unconnected socket, 100 peers, one datagram each way.
Oracle: the program itself.
Right: `peers` has 100 entries, or the record (or `losses`) reports that there are more. 
"""
import json, os, socket, subprocess, sys, tempfile, time, urllib.parse, urllib.request

CONNS = os.environ.get("CONNS", "conns")
empty = tempfile.NamedTemporaryFile(suffix=".toml")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    agent_port = free.getsockname()[1]
agent = subprocess.Popen([CONNS, "serve", "--config", empty.name, "--listen", f"http=127.0.0.1:{agent_port}"], stderr=subprocess.DEVNULL)
time.sleep(4)
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0))
port = one.getsockname()[1]
peers = []
for number in range(100):
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind((f"127.0.7.{number + 1}", 0))
    one.sendto(b"x" * 50, peer.getsockname())
    peer.sendto(b"y" * 20, ("127.0.0.1", port))
    one.recv(100)
    peers.append(peer)
time.sleep(2.5)
query = urllib.parse.urlencode({"view": "all", "filter": f"proto == udp and local_port == {port}"})
answer = json.load(urllib.request.urlopen(f"http://127.0.0.1:{agent_port}/api/v1/connections?{query}"))
agent.terminate(), agent.wait()
row = answer["connections"][0]
reported = [key for key in row if "peer" in key and key not in ("peers", "peer")]
print("peers:", len(row["peers"] or []), "bytes_out", row["bytes_out"], "bytes_in", row["bytes_in"], "other keys", reported, "losses", answer.get("losses"))
wrong = len(row["peers"] or []) != 100 and not reported and "peer" not in json.dumps(answer.get("losses", ""))
print("WRONG: peers are omitted and nothing reports so" if wrong else "right")
sys.exit(wrong)
