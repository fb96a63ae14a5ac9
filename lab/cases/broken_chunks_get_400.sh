#!/bin/bash
# "send nonsense: 400, closed, malformed-request" (docs/agent-safety.md), in a body too.
# Right: each broken chunked body is answered with 400 and counted.
set -u
CONNS=${CONNS:-conns}
[ -n "${IN_NS:-}" ] || exec env IN_NS=1 CONNS="$(command -v "$CONNS")" unshare -n -p -m -f --mount-proc bash "$0" "$@"
ip link set lo up; mount -t tmpfs none /run; : >/run/none.toml
"$CONNS" serve --config /run/none.toml --listen http=127.0.0.1:7979 2>/run/log &
for _ in $(seq 50); do grep -q ready /run/log && break; sleep .1; done
/usr/bin/python3 - <<'P'
import json, socket, sys
def raw(data):
    s = socket.create_connection(("127.0.0.1", 7979)); s.settimeout(2); s.sendall(data.encode()); out = b""
    try:
        while b := s.recv(65536): out += b
    except OSError: pass
    return out
def counted():
    body = raw("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").split(b"\r\n\r\n", 1)[1]
    return sum(json.loads(body)["readers"]["refused"].values())
bad = 0
for name, body in {"negative": "-2\r\n{}\r\n0\r\n\r\n", "bare LF": "2\n{}\n0\n\n", "overflow": "f" * 18 + "\r\n{}", "no hex": "zz\r\n{}\r\n"}.items():
    for path in ("/api/v1/fields", "/monero/json_rpc"):
        before = counted()
        answer = raw(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
        more = counted() - before
        ok = answer.startswith(b"HTTP/1.1 400") and more == 1
        bad += not ok
        print("ok" if ok else "FAULT", path, name, answer[:12], "counted", more)
sys.exit(bad > 0)
P
