#!/bin/bash
# What an unprivileged process calls itself, and how often it forks, must not make answers and the agent large.
# Cause:  (1) a process with a command line of 16 KiB of control characters (98 kB as JSON) and 6 000 sockets;
#         (2) 8 000 sockets that 501 processes own.
# Oracle: curl's count of bytes; VmHWM.
# Right:  an answer of at most 10 000 connections stays within 64 MiB, the agent below the 576 MiB of docs/agent-safety.md,
#         the omitted owners are counted, and samples go on.
set -u
CONNS=${CONNS:-conns}
[ -n "${IN_NS:-}" ] || exec env IN_NS=1 CONNS="$(command -v "$CONNS")" unshare -n -p -m -f --mount-proc bash "$0" "$@"
ip link set lo up; mount -t tmpfs none /run; : >/run/none.toml; ulimit -n 20000; bad=0
cat >/run/big.py <<'P'
import os, socket, sys, time
n, k, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1000); held = []
for _ in range(n): c = socket.create_connection(s.getsockname()); held += [c, s.accept()[0]]
for _ in range(k):
    if os.fork() == 0: time.sleep(seconds); os._exit(0)
time.sleep(seconds)
P
unprivileged() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
try() { # name pairs children padding
  : >/run/log; "$CONNS" serve --config /run/none.toml --listen unix:/run/s 2>/run/log & p=$!
  for _ in $(seq 100); do grep -q ready /run/log && break; sleep .1; done
  unprivileged /usr/bin/python3 /run/big.py "$2" "$3" 40 "$4" & l=$!
  sleep 14
  answer=$(curl -s -m 60 --unix-socket /run/s 'http://localhost/api/v1/connections?limit=10000' -o /dev/null -w '%{size_download} %{time_total}')
  hwm=$(awk '/VmHWM/{print int($2/1024)}' /proc/$p/status)
  counts=$(curl -s -m 9 --unix-socket /run/s 'http://localhost/api/v1/connections?fields=owners,owners_omitted&sort=-owners_omitted&limit=1' |
    /usr/bin/python3 -c 'import json,sys; c = json.load(sys.stdin)["connections"][0]; print(len(c["owners"]) + c["owners_omitted"])')
  done=$(curl -s -m 9 --unix-socket /run/s http://localhost/health | /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["samples"]["done"])')
  size=$(( ${answer%% *} / 1048576 ))
  v=ok; [ "$size" -gt 64 ] || [ "$hwm" -gt 576 ] || [ "$counts" != $(($3 + 1)) ] || [ "${done:-0}" -lt 3 ] && { v=FAULT; bad=1; }
  echo "$v: $1: answer $size MiB in ${answer##* } s, agent at most $hwm MB, $counts owners, $done samples"
  kill $l $p 2>/dev/null; wait $l $p 2>/dev/null; pkill -P $l 2>/dev/null
}
try "long command line, 6 000 sockets" 3000 0 "$(head -c 65000 /dev/zero | tr '\0' '\001')"
try "8 000 sockets held by 501 processes" 4000 500 x
exit $bad
