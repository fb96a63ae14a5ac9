#!/usr/bin/env python3
"""A capture file shows what the kernel has: ends, state, direction and bytes of the same connections at the same moment.

Cause: curl downloads from nginx, one to its end, one that is stopped in the middle, so that its window is full; a connection that stays open, one
closed by one end, and one that was closed by both. tcpdump captures them on loopback, and Python is the client of the last.
Oracle: `conns` of the live kernel, once nothing moves any more.
Right: each row of the kernel is a row of the file, with the same values, and the file has no others.
"""
import json, os, signal, socket, subprocess, sys, tempfile, time

CONNS = os.environ.get("CONNS", "conns")
PORT, OTHER = 8099, 8098
KEYS = ["state", "direction", "bytes_out", "bytes_in", "advmss_bytes", "options", "snd_wscale", "rcv_wscale",
        "total_retrans", "data_segs_in", "data_segs_out"]


def until(what, condition):
    end = time.monotonic() + 60
    while not (found := condition()):
        if time.monotonic() > end:
            sys.exit(f"{what} did not happen within a minute")
        time.sleep(0.05)
    return found


def rows(*words):
    run = subprocess.run([CONNS, "-a", "-t", "-o", "json", "--columns", "all", *words, f"local_port in {{{PORT}, {OTHER}}} or remote_port in {{{PORT}, {OTHER}}}"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "missing from the capture" not in run.stderr, run.stderr
    assert run.returncode in (0, 3), run
    listed = {}
    for row in json.loads(run.stdout)["connections"]:
        if row["state"] != "LISTEN":
            ends = (row["local_addr"], row["local_port"], row["remote_addr"], row["remote_port"])
            assert ends not in listed, ends
            listed[ends] = {key: row.get(key) for key in KEYS}
    return listed


def listens():
    return f":{PORT} " in subprocess.check_output(["ss", "-Htln"], text=True)


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
folder = tempfile.mkdtemp()
os.chmod(folder, 0o755)
with open(f"{folder}/large", "wb") as large:
    large.write(os.urandom(16 << 20))
with open(f"{folder}/small", "wb") as small:
    small.write(b"small" * 200)
with open(f"{folder}/nginx.conf", "w") as conf:
    conf.write(f"""daemon off; pid {folder}/pid; error_log {folder}/error; events {{}}
http {{ access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; keepalive_timeout 600; send_timeout 600;
server {{ listen 127.0.0.1:{PORT}; root {folder}; }} }}""")
capture = f"{folder}/capture.pcap"
started = []
try:
    tcpdump = subprocess.Popen(["tcpdump", "-i", "lo", "-s", "0", "-B", "131072", "-U", "-w", capture, f"tcp port {PORT} or tcp port {OTHER}"], stderr=subprocess.PIPE, text=True)
    # Its buffer has room for everything, so that it drops nothing, however late it is.
    started.append(tcpdump)
    for line in tcpdump.stderr:
        if "listening on" in line:
            break
    started.append(subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error"]))
    until("nginx listens", listens)
    url = f"http://127.0.0.1:{PORT}"
    subprocess.run(["curl", "-s", "-o", "/dev/null", f"{url}/large"], check=True)
    stopped = subprocess.Popen(["curl", "-s", "-o", f"{folder}/part", "--limit-rate", "2M", f"{url}/large"])
    started.append(stopped)
    until("curl has a part", lambda: os.path.exists(f"{folder}/part") and os.path.getsize(f"{folder}/part") > 1 << 20)
    stopped.send_signal(signal.SIGSTOP)
    idle = socket.create_connection(("127.0.0.1", PORT))
    idle.sendall(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = b""
    while len(answer) < 1000 or not answer.endswith(b"small"):
        answer += idle.recv(65536)
    # A server that does not close when its client does.
    listener = socket.create_server(("127.0.0.1", OTHER))
    half = socket.create_connection(("127.0.0.1", OTHER))
    half.sendall(b"all there is")
    half.shutdown(socket.SHUT_WR)
    accepted, _ = listener.accept()
    while accepted.recv(100):
        pass

    def settled():
        first = rows()
        time.sleep(1)
        return first if rows() == first else None

    live = until("nothing moves", settled)
    tcpdump.send_signal(signal.SIGINT)
    tcpdump.wait()
    read = rows("--read", capture)
finally:
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait()

wrong = 0
for ends in sorted(live.keys() | read.keys()):
    kernel, file = live.get(ends), read.get(ends)
    if kernel is None or file is None:
        print("only", "the file" if kernel is None else "the kernel", "has", ends, file or kernel)
        wrong += 1
        continue
    for key in KEYS:
        # Of a TIME-WAIT minisock the kernel has forgotten who opened it.
        if kernel[key] is None:
            continue
        if kernel[key] != file[key]:
            print(ends, key, "kernel", kernel[key], "file", file[key])
            wrong += 1
print(f"{len(live)} rows, {len(KEYS)} values each: {wrong} differ")
states = {row["state"] for row in live.values()}
if not {"ESTAB", "TIME-WAIT", "FIN-WAIT-2", "CLOSE-WAIT"} <= states or len(live) < 7:
    sys.exit(f"the connections are not what they should be: {states}")
sys.exit(wrong != 0)
