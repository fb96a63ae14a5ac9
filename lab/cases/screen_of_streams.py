#!/usr/bin/env python3
"""The streams and transfers that `conns top` shows are those of the servers that have them.

Cause: ffmpeg publishes to nginx and plays from it; `conns link` sends a file at a fixed rate. tmux is the terminal.
Oracle: nginx's own /stat and what ffmpeg was given; `ss` for the peers; `conns link connections` of the server that sends.
Right: a row for the publisher and one for the player, with stream, server, peer, codec, size and state; a row for the transfer, with destination, method, limit
and state; the rows go when the programs end.
"""
import json, os, pwd, re, shutil, subprocess, sys, tempfile, urllib.request, xml.etree.ElementTree

from processes import output, start, stop, stop_all
from terminals import Terminal
from waiting import until

CONNS = os.environ.get("CONNS", "conns")
RTMP, STAT, API, LINK = 19350, 8098, 7978, 9850
URL = f"http://127.0.0.1:{API}"
NGINX = """load_module modules/ngx_rtmp_module.so; user root; worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error; events {{}}
rtmp {{ server {{ listen 127.0.0.1:{rtmp}; application live {{ live on; }} }} }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
scgi_temp_path {folder}; server {{ listen 127.0.0.1:{stat}; location /stat {{ rtmp_stat all; }} }} }}
"""
folder = tempfile.mkdtemp()
os.chmod(folder, 0o755)
os.environ |= {"STATE_DIRECTORY": f"{folder}/state", "RUNTIME_DIRECTORY": f"{folder}/run"}


def published():
    """The stream of nginx, once it has both ends and nginx knows its picture."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{STAT}/stat", timeout=10) as answer:
            root = xml.etree.ElementTree.parse(answer).getroot()
    except OSError:
        return None
    streams = list(root.iter("stream"))
    return streams[0] if streams and streams[0].findtext("nclients") == "2" and streams[0].findtext("meta/video/width") else None


def streams(terminal, differ):
    """The publisher and the player."""
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(NGINX.format(folder=folder, rtmp=RTMP, stat=STAT))
    start("nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error")
    until("nginx listens", lambda: f":{RTMP} " in output("ss", "-Htln"))
    live = f"rtmp://127.0.0.1:{RTMP}/live/street"
    # Its size is one that nginx has right: of 160x120 it has 160x112.
    publisher = start("ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=160x128:rate=10", "-t", "900",
                      "-c:v", "libx264", "-g", "10", "-f", "flv", live)
    terminal.press("5")
    until("the publisher is shown", lambda: "publisher" in terminal.text())
    player = start("ffmpeg", "-nostdin", "-v", "error", "-i", live, "-f", "null", "-")
    stream = until("nginx has both", published)
    # The nginx process has one end of each connection, ffmpeg the other.
    rows = until("both are shown with their pictures", lambda: len(rows := terminal.rows()) == 2 and all("x" in row["SIZE"] for row in rows) and rows)
    rows = {row["ROLE"]: row for row in rows}
    peers = {pid: local for local, pid in re.findall(rf"(\S+)\s+127.0.0.1:{RTMP}\s+users:\(\(\"ffmpeg\",pid=(\d+)", output("ss", "-Htnp"))}
    video = stream.find("meta/video")
    for role, process in (("publisher", publisher), ("player", player)):
        row = rows.get(role)
        if row is None:
            differ.append(f"there is no {role} in {sorted(rows)}")
            continue
        expected = {"STREAM": stream.findtext("name"), "PEER": peers.get(str(process.pid)),
                    "SIZE": f"{video.findtext('width')}x{video.findtext('height')}"}
        for name, value in expected.items():
            if row[name] != value:
                differ.append(f"{role}: {name} is {row[name]}, not {value}")
        if video.findtext("codec").replace(".", "") not in row["CODECS"].upper().replace(".", ""):
            differ.append(f"{role}: {row['CODECS']}, not {video.findtext('codec')}")
    stop(player)
    until("the player is no longer shown", lambda: "player" not in terminal.text() and "publisher" in terminal.text())
    stop(publisher)
    until("no stream is left", lambda: "no media stream" in terminal.text())


def transfers(terminal, differ):
    """A transfer. An agent lists those of its own account, which root is not."""
    account = pwd.getpwnam("nobody")
    of_account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    with open(f"{folder}/large", "wb") as file:
        file.write(os.urandom(32 << 20))
    for name in ("in", "state", "run"):
        os.mkdir(f"{folder}/{name}")
    for name in (".", "in", "state", "run", "large"):
        os.chown(f"{folder}/{name}", account.pw_uid, account.pw_gid)
    subprocess.run([CONNS, "link", "keygen", "--out", f"{folder}/key"], check=True, stdout=subprocess.DEVNULL, **of_account)
    receiver = start(CONNS, "link", "serve", "--listen", f"127.0.0.1:{LINK}", "--key", f"{folder}/key", "--folder", f"{folder}/in", stdout=subprocess.PIPE, text=True, **of_account)
    address = until("the receiver is ready", lambda: re.match(r"receiving at (\S+)", receiver.stdout.readline() or "")).group(1)
    start(CONNS, "link", "send", "--method", "fixed", "--rate", "1Mbit/s", f"{folder}/large", address, **of_account)
    terminal.press("6")
    until("the transfer is shown", lambda: f"127.0.0.1:{LINK}" in terminal.text())
    one = until("it is sent", lambda: next((one for one in json.loads(output(CONNS, "link", "connections", "--json") or "[]") if one["roundTripTimeMs"] is not None), None))
    rows = until("its round trip time is shown", lambda: (rows := terminal.rows()) and len(rows) == 1 and rows[0]["RTT"] not in ("?", "-") and rows)
    expected = {"DESTINATION": f"{one['destinationIP']}:{one['destinationPort']}", "METHOD": one["rateControlMethod"].lower(), "WAITING": str(one["numTransfersQueued"]),
                "RELAY": "-", "ERROR": "-"}
    for name, value in expected.items():
        if rows[0][name].lower() != value.lower():
            differ.append(f"transfer: {name} is {rows[0][name]}, not {value}")


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
differ = []
terminal = Terminal(folder)
try:
    start(CONNS, "serve", "--config=/dev/null", "--user=nobody", f"--listen=http=127.0.0.1:{API}")
    until("the agent answers", lambda: json.loads(output(CONNS, "--agent", URL, "-l", "-o", "json") or "{}").get("connections"))
    terminal.run(f"{CONNS} top --agent {URL} --view streams")
    until("the screen is drawn", lambda: "no media stream" in terminal.text())
    streams(terminal, differ)
    transfers(terminal, differ)
    terminal.press("q")
    until("the shell is back", lambda: "left 0" in terminal.text())
finally:
    terminal.end()
    stop_all()
    shutil.rmtree(folder)

print("\n".join(f"WRONG: {what}" for what in differ) or "right")
sys.exit(bool(differ))
