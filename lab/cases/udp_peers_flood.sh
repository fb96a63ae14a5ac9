#!/bin/bash
# docs/ebpf.md: "What can be lost is counted where it is lost ... and shown as a loss: ... peers beyond the bound of 16 384".
# Right: a socket that talked with 50 000 addresses reports how many of its peers are not listed, in `losses` of the answer or of
#        /health; and /health reports degraded.
set -u
CONNS=${CONNS:-conns}
[ -n "${IN_NS:-}" ] || exec env IN_NS=1 CONNS="$(command -v "$CONNS")" unshare -n -p -m -f --mount-proc bash "$0" "$@"
ip link set lo up; mount -t tmpfs none /run; : >/run/none.toml
"$CONNS" serve --config /run/none.toml --listen unix:/run/s 2>/run/log &
for _ in $(seq 50); do grep -q ready /run/log && break; sleep .1; done
/usr/bin/python3 - <<'P' &
import socket, time
r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); r.bind(("0.0.0.0", 5355))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 5356))
time.sleep(1.5)
for i in range(50_000): s.sendto(b"x", (f"127.2.{i >> 8}.{i & 255 or 1}", 5355))
time.sleep(8)
P
sleep 5
curl -s --unix-socket /run/s 'http://localhost/api/v1/connections?view=all&fields=local_port,peers,bytes_out&filter=local_port==5356' >/run/list
curl -s --unix-socket /run/s http://localhost/health >/run/health
/usr/bin/python3 - <<'P'
import json, sys
l, h = json.load(open("/run/list")), json.load(open("/run/health"))
if h["abilities"] and any(a["name"] == "ebpf-udp-peers" and a["missing"] for a in h["abilities"]): print("skipped: no ebpf-udp-peers here"); sys.exit(0)
c = l["connections"][0]
print("bytes out", c["bytes_out"], "peers listed", len(c["peers"]), "losses", l["losses"], h["losses"], h["status"])
ok = l["losses"] or any(h["losses"].values())
print("ok" if ok else "FAULT: 49 936 peers are missing and nothing reports so"); sys.exit(not ok)
P
