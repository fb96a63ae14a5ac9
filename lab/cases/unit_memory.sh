#!/bin/bash
# An agent lives within the memory limit of its control group, also where that is far less than the unit's MemoryMax=.
# Cause:  (1) one unprivileged process that connects to itself and resets as fast as it can, (2) 60 000 sockets that come up
#         while it runs and stay, without any client, (3) a start while 100 000 sockets are there.
# Oracle: the kernel kills what exceeds the limit.
# Right:  it is alive after each, and reports what it does not list.
set -u
CONNS=${CONNS:-conns}; LIMIT=${LIMIT:-256M}
if [ -z "${IN_NS:-}" ]; then
  g=/sys/fs/cgroup/memory/conns-bug-$$; [ -d /sys/fs/cgroup/memory ] || g=/sys/fs/cgroup/conns-bug-$$
  mkdir "$g" || exit 2
  if [ -f "$g/memory.limit_in_bytes" ]; then echo "$LIMIT" >"$g/memory.limit_in_bytes"; else echo "$LIMIT" >"$g/memory.max"; fi
  env IN_NS=1 G="$g" CONNS="$(command -v "$CONNS")" unshare -n -p -m -f --mount-proc bash "$0" "$@"; rc=$?
  sleep 1; rmdir "$g"; exit $rc
fi
ip link set lo up; mount -t tmpfs none /run; : >/run/none.toml; bad=0
start() { : >/run/log; bash -c "echo \$\$ >$G/cgroup.procs; exec '$CONNS' serve --config /run/none.toml --listen http=127.0.0.1:7979" 2>/run/log & p=$!
  for _ in $(seq 100); do grep -q ready /run/log && break; sleep .1; done; sleep 2; }
verdict() { if [ "$(cat /proc/$p/comm 2>/dev/null)" = conns ]; then curl -s -m 9 http://127.0.0.1:7979/health | grep -q '"status"' || bad=1; echo "ok: $1, at most $(awk '/VmHWM/{print int($2/1024)}' /proc/$p/status) MB"; else echo "FAULT: $1: killed"; bad=1; fi; kill $p 2>/dev/null; wait $p 2>/dev/null; }
cat >/run/pairs.py <<'P'
import os, socket, sys, time
n, seconds = int(sys.argv[1]), float(sys.argv[2]); children = []
for i in range((n + 8999) // 9000):
    k = min(9000, n - i * 9000)
    if os.fork() == 0:
        s = socket.socket(); s.setsockopt(1, 2, 1); s.bind((f"127.{2+int(sys.argv[3])}.1.{i+1}", 7)); s.listen(4096); held = []
        for _ in range(k): c = socket.create_connection(s.getsockname()); held.append((c, s.accept()))
        open(f"/run/up{i}", "w"); time.sleep(seconds); os._exit(0)
while True:
    try: os.wait()
    except ChildProcessError: break
P
ulimit -n 20000
start
setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 - <<'P'
import socket, struct, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(512); end = time.time() + 8; n = 0
while time.time() < end:
    c = socket.socket(); c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); c.connect(s.getsockname())
    a, _ = s.accept(); c.close(); a.close(); n += 1
print(f"({n} connections in 8 s)")
P
verdict "a storm of one process"
start; /usr/bin/python3 /run/pairs.py 30000 12 1 & l=$!; wait $l; verdict "60 000 sockets for 12 s"
rm -f /run/up*; /usr/bin/python3 /run/pairs.py 50000 25 2 & l=$!
for _ in $(seq 60); do [ "$(ls /run/up* 2>/dev/null | wc -l)" = 6 ] && break; sleep .5; done
for k in 1 2; do start; sleep 6
  curl -s -m 9 'http://127.0.0.1:7979/api/v1/connections?limit=1' | grep -q 'are not listed' || { echo "FAULT: no loss"; bad=1; }
  verdict "start $k with 100 000 sockets there"; done
kill $l; exit $bad
