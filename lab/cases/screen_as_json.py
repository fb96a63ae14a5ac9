#!/usr/bin/env python3
"""What `conns top` shows in a terminal equals `conns -o json` of the same snapshot, cell by cell; and it lives through its agent.

Cause: nginx serves curl, one slow and one that was stopped; iperf3 sends. An agent samples every 8 s, so that the screen, which is frozen, and a list
can have the same snapshot. tmux is the terminal: `send-keys` presses keys, `capture-pane` reads what is seen.
Oracle: JSON of the list, and of its groups, with the kinds of fields from `conns fields`.
Right: every cell of every row is the value of JSON to three digits, `?` and `-` where that is null; the open connection has the verdict of JSON. The screen turns
loud when the agent is killed, and resumes with the next; it fits 40 x 10, and leaves nothing behind.
"""
import json, os, re, shutil, signal, subprocess, sys, tempfile

from terminals import Terminal
from waiting import until

CONNS = os.environ.get("CONNS", "conns")
WEB, SPEED, API = 8099, 5201, 7979
FILTER = f"state == ESTAB and port in ({WEB}, {SPEED})"
URL = f"http://127.0.0.1:{API}"
UNITS = {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6, "d": 86400e6,
         "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "B/s": 1, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9, "%": 1, "": 1}
FIELDS = {field["name"]: field for field in json.loads(subprocess.check_output([CONNS, "fields", "-o", "json"]))["fields"]}
folder = tempfile.mkdtemp()
os.chmod(folder, 0o755)
started = []


def start(*words, **more):
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    started.append(process)
    return process


def serve():
    return start(CONNS, "serve", "--interval=8s", "--config=/dev/null", f"--listen=http=127.0.0.1:{API}")


def listed(*words):
    run = subprocess.run([CONNS, "--agent", URL, *words, FILTER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.returncode in (0, 3), run
    return json.loads(run.stdout)


def number(text):
    """A figure of the screen in its base unit, and by how much it may be rounded."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([a-zA-Z%/]*)", text)
    assert parts and "".join(n + u for n, u in parts) == text, f"no figure: {text!r}"
    value = sum(float(n) * UNITS[unit] for n, unit in parts)
    last, unit = parts[-1]
    digits = len(last.partition(".")[2])
    # Trailing zeros are not written, so that there are three digits.
    place = max(digits, 3 - len(last.partition(".")[0])) if "." in last or len(parts) == 1 else 0
    return value, UNITS[unit] * 10.0 ** -place if unit not in ("us", "B") else UNITS[unit]


def differs(field, cell, value):
    """What is wrong with a cell, if anything."""
    if cell in ("?", "-"):
        return None if value is None else f"{cell} for {value}"
    if isinstance(value, bool) or value is None or isinstance(value, (str, list)):
        text = value if isinstance(value, str) else ",".join(map(str, value or []))
        # A list of one is its only value; a cut text ends in an ellipsis.
        return None if cell == text or ("…" in cell and text.startswith(cell.split("…")[0])) else f"{cell} for {value}"
    seen, rounding = number(cell)
    return None if abs(seen - value) <= rounding else f"{cell} for {value} ({field})"


def rows(lines):
    """The rows of the screen: their cells by name of the field."""
    return [{title.lower().replace("-", "_"): cell for title, cell in row.items()} for row in terminal.rows(lines)]


def of_one_second(*words):
    """The frozen screen, and the list of the same snapshot; nothing if they are of two."""
    terminal.press("Space")
    until("the screen is frozen", terminal.shows("FROZEN at"))
    lines = terminal.lines()
    answer = listed(*words)
    at = next(line for line in lines if "FROZEN at" in line)
    named = re.search(r"FROZEN at (\S+ \S+),", at).group(1)
    import time
    second = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(answer["snapshot"]["at_us"] // 1_000_000))
    if named == second:
        return lines, answer
    terminal.press("Space")
    until("the screen goes on", lambda: not terminal.shows("FROZEN at")())


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with open(f"{folder}/large", "wb") as large:
    large.truncate(64 << 20)
with open(f"{folder}/nginx.conf", "w") as conf:
    conf.write(f"user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error;\n"
               f"events {{}}\nhttp {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};\n"
               f"uwsgi_temp_path {folder}; scgi_temp_path {folder};\nserver {{ listen 127.0.0.1:{WEB}; root {folder}; }} }}\n")
wrong = []
terminal = Terminal(folder)
try:
    start("nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error")
    start("iperf3", "-s", "-B", "127.0.0.1", "-p", str(SPEED))
    until("both listen", lambda: all(f":{port} " in subprocess.check_output(["ss", "-Htln"], text=True) for port in (WEB, SPEED)))
    start("curl", "-s", "-o", "/dev/null", "--limit-rate", "200k", f"http://127.0.0.1:{WEB}/large")
    stopped = start("curl", "-s", "-o", f"{folder}/part", "--limit-rate", "2M", f"http://127.0.0.1:{WEB}/large")
    start("iperf3", "-c", "127.0.0.1", "-p", str(SPEED), "-b", "20M", "-t", "600")
    until("curl has a part", lambda: os.path.exists(f"{folder}/part") and os.path.getsize(f"{folder}/part") > 1 << 20)
    stopped.send_signal(signal.SIGSTOP)
    agent = serve()
    until("the agent answers", lambda: subprocess.run([CONNS, "--agent", URL], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode in (0, 3))
    terminal.run(f"{CONNS} top --agent {URL} '{FILTER}'")
    until("rates are known", lambda: any("RATE-OUT" in line for line in terminal.lines()) and sum("nginx" in line for line in terminal.lines()) >= 2)
    # The list, cell by cell.
    columns = ",".join(FIELDS)
    lines, answer = until("screen and list are of one snapshot", lambda: of_one_second("-o", "json", "--columns", columns))
    cells = 0
    by_ends = {(row["local"], row["remote"]): row for row in answer["connections"]}
    seen = rows(lines)
    if len(seen) != len(by_ends):
        wrong.append(f"{len(seen)} rows for {len(by_ends)}")
    for row in seen:
        record = by_ends.pop((row["local"], row["remote"]))
        for name, cell in row.items():
            cells += 1
            fault = differs(name, cell, record[FIELDS[name]["key"]])
            wrong += [f"{row['local']} {row['remote']} {name}: {fault}"] if fault else []
    wrong += [f"{ends} is not on the screen" for ends in by_ends]
    print(f"{len(seen)} rows, {cells} cells")
    # The connection that is stopped: its verdict, when it is open.
    local = next(row for row in answer["connections"] if row["remote"] == f"127.0.0.1:{WEB}")
    terminal.press("G", "Enter")
    until("one is open", terminal.shows("Since the screen opened"))
    head, verdict = [line.strip() for line in terminal.lines()[1:3]]
    of = next((row for row in answer["connections"] if row["local"] in head and row["remote"] in head
               and f"[{row['pid']}]" in head), None)
    if of is None or not verdict.startswith(of["verdict"]):
        wrong.append(f"the open connection: {head!r} {verdict!r}, not {of and of['verdict']}")
    terminal.press("Escape")
    until("the list is back", terminal.shows("LOCAL"))
    terminal.press("Space")
    # Groups.
    terminal.press("2")
    until("processes are listed", terminal.shows("by process"))
    lines, answer = until("groups are of one snapshot", lambda: of_one_second("--group-by", "process", "-o", "json"))
    counts = {group["process"]: group["connections"] for group in answer["groups"]}
    at = next(i for i, line in enumerate(lines) if "PROCESS" in line)
    place = lines[at].index("CONNECTIONS") + len("CONNECTIONS")
    shown = {line[2:].split()[0]: int(line[:place].split()[-1]) for line in lines[at + 1:at + 1 + len(counts)]}
    if shown != counts:
        wrong.append(f"groups {shown} for {counts}")
    terminal.press("Space")
    terminal.press("1")
    # The agent goes and comes.
    agent.kill()
    agent.wait()
    until("the screen is loud", terminal.shows("NO ANSWER from"))
    agent = serve()
    until("it resumes", lambda: not terminal.shows("NO ANSWER from")() and terminal.shows(" old")() and terminal.shows("nginx")())
    terminal.resize(40, 10)
    until("it fits", lambda: len(terminal.lines()) <= 11 and terminal.shows("PROCESS")())
    terminal.press("q")
    until("the shell is back", terminal.shows("left 0"))
finally:
    terminal.end()
    for process in reversed(started):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait()
    shutil.rmtree(folder)

print("\n".join(f"WRONG: {what}" for what in wrong) or "right")
sys.exit(bool(wrong))
