#!/bin/sh
# An agent gives memory back when the connections closed. Run as root (a namespace of its own, so that nothing else is counted).
#
# Cause: 32 000 connections (64 000 sockets) for 6 s, which end by a reset (so that none is in TIME-WAIT), then 20 s of rest.
# Oracle: VmRSS of the agent, with its serving process, before.
# Right: at most 16 MB more 20 s after the last connection closed: the closed connections and events that are kept take half of it.
CONNS=${CONNS:-conns}
if [ "$1" != inside ]; then exec unshare -n -p -m -f --mount-proc --kill-child sh "$0" inside; fi
mount -t tmpfs none /run; ip link set lo up
DIR=$(mktemp -d); : >"$DIR/empty.toml"
"$CONNS" serve --config "$DIR/empty.toml" --serving-process yes --listen http=127.0.0.1:7979 2>/dev/null &
AGENT=$!
# Of a serving process too.
rss() { for P in $AGENT $(cat /proc/$AGENT/task/$AGENT/children); do cat /proc/$P/status; done | awk '/VmRSS/ {sum += $2} END {print int(sum / 1000)}'; }
sleep 4; BEFORE=$(rss)
for I in 1 2 3 4; do
    python3 -c "
import socket, struct, time
l = socket.socket(); l.setsockopt(1, 2, 1); l.bind(('127.0.1.$I', 21900)); l.listen(1000); keep = []
for _ in range(8000):
    c = socket.socket(); c.setsockopt(1, 13, struct.pack('ii', 1, 0)); c.bind(('127.0.2.$I', 0)); c.connect(('127.0.1.$I', 21900)); keep += [c, l.accept()[0]]
time.sleep(6)" &
    CLIENTS="$CLIENTS $!"
done
sleep 7; PEAK=$(rss)
wait $CLIENTS
sleep 20; AFTER=$(rss)
kill $AGENT
echo "MB: before $BEFORE, with 64 000 sockets $PEAK, 20 s after the last one $AFTER"
if [ "$AFTER" -gt $((BEFORE + 16)) ]; then echo "WRONG: kept"; exit 1; fi
echo right
