#!/bin/sh
# Where /proc does not show the processes that hold sockets, that is reported. Run as root, in the shell's own folder.
#
# Causes: (a) a pid namespace of its own beside the host's network (a container with the host's network, a sidecar of a pod);
# (b) /proc mounted with hidepid=2, and (c) hidepid=4, for an unprivileged user.
# Oracle: a listener outside, whose process is there.
# Right: its owner is unknown, and standard error (or exit code 3) reports that owners cannot be seen and why; `conns abilities`
# does not answer yes for owners-of-others.
CONNS=${CONNS:-conns}
python3 -c "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',23120)); s.listen(5); time.sleep(60)" &
OWNER=$!
trap 'kill $OWNER; rm -rf "$BIN"' EXIT
sleep 1
BIN=$(mktemp -d) && cp "$(command -v "$CONNS")" "$BIN/conns" && chmod 755 "$BIN" "$BIN/conns"
WRONG=0
judge() { # name, folder with out, err, rc, abilities
    echo "$1: $(tail -1 "$2/out" | tr -s ' '); exit $(cat "$2/rc"); reported: $(grep -v 'network namespace' "$2/err" | head -c 200); owners-of-others: $(awk '$1 == "owners-of-others" {print $2}' "$2/abilities")"
    if [ "$(cat "$2/rc")" = 0 ] && ! grep -qE 'process|owners|owner' "$2/err"; then echo "  WRONG: not a word that owners are missing"; WRONG=1; fi
    if [ "$(awk '$1 == "owners-of-others" {print $2}' "$2/abilities")" = yes ]; then echo "  WRONG: owners-of-others is yes"; WRONG=1; fi
}
ASK='$0 -l --columns process,pid,local "local_port == 23120" >$1/out 2>$1/err; echo $? >$1/rc; $0 abilities >$1/abilities 2>/dev/null'
OUT=$(mktemp -d); chmod 777 "$OUT"
unshare -p -f --mount-proc --kill-child sh -c "$ASK" "$BIN/conns" "$OUT"
judge "pid namespace" "$OUT"
for hide in 2 4; do
    OUT=$(mktemp -d); chmod 777 "$OUT"
    unshare -m sh -c "mount -t proc -o hidepid=$hide proc /proc && exec setpriv --reuid=65533 --regid=65533 --clear-groups sh -c '$ASK' $BIN/conns $OUT"
    judge "hidepid=$hide" "$OUT"
done
exit $WRONG
