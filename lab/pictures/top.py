#!/usr/bin/env python3
"""Draws docs/top.svg: `conns top` ($CONNS) in a terminal (tmux), against nginx, curl and iperf3 in a network namespace of their own. Needs root.

    unshare -n python3 lab/pictures/top.py docs/top.svg
"""
import html, os, re, shutil, signal, subprocess, sys, tempfile, time

CONNS = os.path.abspath(os.environ.get("CONNS", "target/release/conns"))
COLUMNS, ROWS = 132, 14
# Of a terminal with a dark background: width of a cell, height of a line.
CELL, LINE, MARGIN = 8.0, 18, 14
BACK, FRONT = "#1d1f21", "#c5c8c6"
COLOURS = {31: "#e06c6c", 32: "#98c379", 33: "#e5c07b", 34: "#61afef", 35: "#c678dd", 36: "#56b6c2",
           1: "#e06c6c", 2: "#98c379", 3: "#e5c07b", 4: "#61afef", 5: "#c678dd", 6: "#56b6c2"}
folder = tempfile.mkdtemp()
os.chmod(folder, 0o755)
TMUX = ["tmux", "-S", f"{folder}/tmux", "-f", "/dev/null"]
started = []


def start(*words):
    started.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return started[-1]


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            sys.exit("the screen does not show what is to be drawn:\n" + run(*TMUX, "capture-pane", "-p"))
        time.sleep(0.2)


def spans(line):
    """The parts of a line with its attributes: column, text, attributes (select graphic rendition, ECMA-48 8.3.117)."""
    column, on = 0, set()
    for sequence, text in re.findall(r"\x1b\[([\d;]*)m|([^\x1b]+)", line):
        if text:
            yield column, text, frozenset(on)
            column += len(text)
            continue
        codes = [int(code or 0) for code in sequence.split(";")]
        if codes[:2] == [38, 5]:
            codes = [30 + codes[2]]
        for code in codes:
            if code == 0:
                on.clear()
            elif code == 39 or 30 <= code <= 37:
                on = {other for other in on if not 30 <= other <= 37} | ({code} if code != 39 else set())
            elif code in (1, 2, 4, 7):
                on.add(code)


def svg(lines):
    width, height = COLUMNS * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}" '
           f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13">\n<title>conns top</title>\n'
           f'<rect width="100%" height="100%" rx="6" fill="{BACK}"/>\n')
    for number, line in enumerate(lines):
        y = MARGIN + number * LINE
        for column, text, on in spans(line):
            colour = next((COLOURS[code] for code in on if code in COLOURS and code >= 30), FRONT)
            x, length = MARGIN + column * CELL, len(text) * CELL
            if 7 in on:
                yield f'<rect x="{x:.0f}" y="{y}" width="{length:.0f}" height="{LINE}" fill="{colour}"/>\n'
                colour = BACK
            if not text.strip():
                continue
            style = ' font-weight="bold"' * (1 in on) + ' opacity="0.6"' * (2 in on) + ' text-decoration="underline"' * (4 in on)
            yield (f'<text x="{x:.0f}" y="{y + 13}" textLength="{length:.0f}" xml:space="preserve" fill="{colour}"{style}>'
                   f'{html.escape(text)}</text>\n')
    yield "</svg>\n"


for words in (["link", "set", "lo", "up"], ["addr", "add", "10.0.0.5/32", "dev", "lo"], ["addr", "add", "10.0.0.9/32", "dev", "lo"],
              ["addr", "add", "2001:db8::5/128", "dev", "lo"]):
    run("ip", *words)
with open(f"{folder}/large", "wb") as large:
    large.truncate(256 << 20)
with open(f"{folder}/nginx.conf", "w") as conf:
    conf.write(f"user root; worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error; events {{}}\n"
               f"http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};\n"
               f"scgi_temp_path {folder}; server {{ listen 10.0.0.5:80; listen [2001:db8::5]:80; root {folder}; }} }}\n")
try:
    start("nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error")
    start("iperf3", "-s", "-B", "10.0.0.5")
    until(lambda: run("ss", "-Htln").count(":80 ") == 2 and ":5201 " in run("ss", "-Htln"))
    start("curl", "-s", "-o", "/dev/null", "--limit-rate", "3M", "http://[2001:db8::5]/large")
    stopped = start("curl", "-s", "-o", f"{folder}/part", "--interface", "10.0.0.9", "--limit-rate", "5M", "http://10.0.0.5/large")
    start("iperf3", "-c", "10.0.0.5", "-b", "80M", "-t", "600")
    until(lambda: os.path.exists(f"{folder}/part") and os.path.getsize(f"{folder}/part") > 1 << 20)
    stopped.send_signal(signal.SIGSTOP)
    environment = {**os.environ, "LANG": "C.UTF-8", "TERM": "xterm", "XDG_CONFIG_HOME": folder}
    subprocess.run([*TMUX, "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), f"{CONNS} top --netns self"], check=True, env=environment)
    # A verdict is about some seconds.
    until(lambda: "slow-reader-remote" in run(*TMUX, "capture-pane", "-p"))
    run(*TMUX, "send-keys", "G")
    time.sleep(1.5)
    text = "".join(svg(run(*TMUX, "capture-pane", "-e", "-p").rstrip("\n").split("\n")))
    with open(sys.argv[1], "w") as picture:
        picture.write(text)
finally:
    subprocess.run([*TMUX, "kill-server"], stderr=subprocess.DEVNULL)
    for process in started:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()
    shutil.rmtree(folder)
