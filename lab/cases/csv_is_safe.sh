#!/bin/bash
# A process names itself; the one who lists connections as CSV must not run what it is called.
# Right: no raw ESC, C1 or other control character reaches the terminal (the table writes \u{1b}), and no cell begins
#        with = + - @ TAB or CR unquoted by a leading ' or the like, or docs report that CSV is not for spreadsheets and terminals.
set -u
CONNS=${CONNS:-conns}
[ -n "${IN_NS:-}" ] || exec env IN_NS=1 CONNS="$(command -v "$CONNS")" unshare -n -p -m -f --mount-proc bash "$0" "$@"
ip link set lo up; mount -t tmpfs none /run
for name in '=cmd|/C calc!A' '@SUM(1)' $'\x1b[2J\x1b[31mred' $'\xc2\x9b31m'; do
  N="$name" /usr/bin/python3 -c 'import ctypes,os,socket,time
ctypes.CDLL(None).prctl(15, ctypes.create_string_buffer(os.environb[b"N"]), 0, 0, 0)
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(5); c = socket.create_connection(s.getsockname()); a = s.accept(); time.sleep(8)' &
done
sleep 1.5; bad=0
for args in "-a -o csv" "call Network.GetConnections(); -o csv"; do
  "$CONNS" $args >/run/out 2>/dev/null
  if LC_ALL=C grep -qP '\x1b|\xc2[\x80-\x9f]' /run/out; then echo "FAULT: conns $args: control characters"; bad=1; fi
  if grep -qE '(^|,)"?[=@]' /run/out; then echo "FAULT: conns $args: formulas: $(grep -oE '(^|,)"?[=@][^,]*' /run/out | sort -u | tr '\n' ' ')"; bad=1; fi
done
"$CONNS" -a 2>/dev/null | LC_ALL=C grep -qP '\x1b|\xc2[\x80-\x9f]' && { echo "FAULT: the table too"; bad=1; }
[ $bad = 0 ] && echo ok; exit $bad
