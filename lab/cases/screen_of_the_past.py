#!/usr/bin/env python3
"""A stream that has ended is shown again by `conns top`, `conns streams --at` and the API at the moment when it was there.

Cause: ffmpeg publishes to nginx while an agent keeps a history, and ends; `[` steps a minute back, `]` returns. tmux is the terminal.
Oracle: what ffmpeg was given; `ss` for its port while it runs; the clock of this program for when it ran.
Right: the present has no stream. A minute before, the screen names that moment, has a time line, and the stream with its peer and picture; connections of
then and no event of its end; the command of the screen, and the same moment asked for over HTTP, give the same stream; what ended is in `conns --closed`.
"""
import json, os, re, shutil, subprocess, sys, tempfile, time, urllib.request

from processes import output, start, stop, stop_all
from terminals import Terminal
from waiting import until

CONNS = os.environ.get("CONNS", "conns")
RTMP, API = 19350, 7978
URL = f"http://127.0.0.1:{API}"
STEP = 60
NGINX = """load_module modules/ngx_rtmp_module.so; user root; worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error; events {{}}
rtmp {{ server {{ listen 127.0.0.1:{rtmp}; application live {{ live on; }} }} }}
"""
folder = tempfile.mkdtemp()


def api(path):
    try:
        with urllib.request.urlopen(URL + path, timeout=10) as answer:
            return json.load(answer)
    except OSError:
        return None


def kept(history):
    """When the stream was kept first, seconds since 1970."""
    query = "select min(at_us) as at_us from samples where app = 'rtmp' and layers like '%street%'"
    rows = json.loads(output(CONNS, "sql", query, "--history", history, "-o", "json") or "{}").get("rows")
    return rows and rows[0]["at_us"] and rows[0]["at_us"] / 1e6


def check(terminal, history):
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(NGINX.format(folder=folder, rtmp=RTMP))
    start("nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error")
    until("nginx listens", lambda: f":{RTMP} " in output("ss", "-Htln"))
    publisher = start("ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=160x128:rate=10", "-t", "900",
                      "-c:v", "libx264", "-g", "10", "-f", "flv", f"rtmp://127.0.0.1:{RTMP}/live/street")
    until("the publisher is shown", lambda: "publisher" in terminal.text())
    port = until("ffmpeg is connected", lambda: re.search(rf":(\d+)\s+127.0.0.1:{RTMP}\s+users:\(\(\"ffmpeg\",pid={publisher.pid}", output("ss", "-Htnp"))).group(1)
    first = until("the stream is kept", lambda: kept(history))
    # A step back from any moment of the minute after its end is one at which it was there and kept.
    until("it was kept a minute ago", lambda: time.time() - STEP > first + 1)
    stop(publisher)
    ended = time.time()
    until("the present has no stream", terminal.shows("no media stream is published"))

    terminal.press("[")
    until("the past is shown", terminal.shows("HISTORY"))
    assert time.time() < ended + STEP, "the step was too late: the machine is too slow for this case"
    [row] = until("the stream is shown", terminal.rows)
    end = {"publisher": {f"127.0.0.1:{port}", f"127.0.0.1:{RTMP}"}}
    assert row["STREAM"] == "street" and row["ROLE"] in end and row["PEER"] in end[row["ROLE"]] and row["SIZE"] == "160x128", row
    line = next((line for line in terminal.lines() if " ended " in line), "")
    assert "┃" in line and re.search(r"[▁▂▃▄▅▆▇█]", line) and re.search(r": \d+ open ", line), terminal.text()
    # The command of the screen gives the same.
    terminal.press("e", "j", "j", "Enter")
    command = re.search(r"conns streams .*--at=(\S+)", until("the command is shown", lambda: "--at=" in terminal.text() and terminal.text()))
    moment = command.group(1)
    terminal.press("Escape")
    shown = time.strftime("%H:%M:%S", time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))
    assert any("HISTORY" in line and shown in line for line in terminal.lines()), (moment, terminal.text())
    answers = [json.loads(output(CONNS, "streams", f"--at={moment}", "-o", "json", *source)) for source in (["--agent", URL], ["--history", history])]
    answers.append(api(f"/api/v1/streams?at={moment}"))
    for answer in answers:
        [stream] = answer["streams"]
        [one] = stream["publishers"]
        assert (stream["name"], one["remote"], one["width"], one["height"]) == ("street", row["PEER"], 160, 128), answer
    # Connections and events of then.
    terminal.press("1")
    until("its connection is shown", lambda: any(re.search(rf"ffmpeg.*ESTAB.*127.0.0.1:{port}", line) for line in terminal.lines()))
    terminal.press("4")
    until("its end had not come", lambda: "events" in terminal.text() and "ffmpeg" not in terminal.text())
    closed = json.loads(output(CONNS, "--closed", "--from", moment, "--agent", URL, "-o", "json", f"local_port = {port}"))
    assert [one["process"] for one in closed["connections"]] == ["ffmpeg"], closed
    assert ended - 2 < closed["connections"][0]["closed_at_us"] / 1e6 < ended + 2, (ended, closed)

    # A minute on it had ended; the next minute is the present.
    terminal.press("5", "]")
    until("it is not shown a minute later", lambda: "HISTORY" in terminal.text() and "no media stream is kept of this moment" in terminal.text())
    terminal.press("]")
    until("the present is shown", lambda: "HISTORY" not in terminal.text() and "no media stream is published" in terminal.text())
    assert not api("/api/v1/streams")["streams"]
    terminal.press("q")
    until("the shell is back", terminal.shows("left 0"))


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
terminal = Terminal(folder)
try:
    history = f"{folder}/state/history.db"
    start(CONNS, "serve", "--config=/dev/null", f"--listen=http=127.0.0.1:{API}", "--history-path", history, "--history-size", "64MiB")
    until("the agent answers", lambda: api("/api/v1/health"))
    terminal.run(f"{CONNS} top --agent {URL} --view streams")
    until("the screen is drawn", terminal.shows("no media stream"))
    check(terminal, history)
finally:
    terminal.end()
    stop_all()
    shutil.rmtree(folder)
