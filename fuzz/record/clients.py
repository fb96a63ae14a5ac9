#!/usr/bin/env python3
"""Records corpus/tls, corpus/http and corpus/ssh: sessions of real clients and servers on loopback.

Run as root: `python3 fuzz/record/clients.py [CORPUS]`. It starts itself again in a fresh network namespace. Needs openssl,
curl, ssh and sshd (Debian packages; SSHD names sshd if it is elsewhere). Each `session.pcap` has the TCP packets of one port.
"""

import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from levin import Capture, until

INSIDE = "recorder-inside"
TLS, HTTP, SSH = 8443, 8080, 8022


def main():
    corpus = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus")
    if os.environ.get(INSIDE) is None:
        os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, os.path.abspath(__file__), corpus], {**os.environ, INSIDE: "1"})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scratch = tempfile.mkdtemp()
    try:
        for name, port, session in (("tls", TLS, tls), ("http", HTTP, http1), ("ssh", SSH, ssh)):
            os.makedirs(os.path.join(corpus, name), exist_ok=True)
            capture = Capture(os.path.join(corpus, name, "session.pcap"), [port])
            try:
                session(scratch)
                time.sleep(0.5)
            finally:
                capture.stop()
    finally:
        shutil.rmtree(scratch)


def quiet(*command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


def listens(port):
    return f":{port} " in subprocess.check_output(["ss", "-Htln"], text=True)


def serve(port, *command):
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(f"{command[0]} listens", lambda: listens(port))
    return server


def tls(scratch):
    key, certificate = f"{scratch}/key.pem", f"{scratch}/certificate.pem"
    quiet("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "36500", "-subj",
          "/CN=server.example", "-keyout", key, "-out", certificate, check=True)
    server = serve(TLS, "openssl", "s_server", "-accept", str(TLS), "-key", key, "-cert", certificate, "-alpn", "h2,http/1.1", "-www")
    try:
        client = ["openssl", "s_client", "-connect", f"127.0.0.1:{TLS}", "-servername"]
        quiet(*client, "thirteen.example", "-tls1_3", "-alpn", "h2,http/1.1")
        quiet(*client, "twelve.example", "-tls1_2", "-alpn", "http/1.1")
        quiet("openssl", "s_client", "-connect", f"127.0.0.1:{TLS}", "-noservername", "-tls1_3")
        quiet("curl", "-sk", "--http1.1", "-m", "5", "--resolve", f"curl.example:{TLS}:127.0.0.1", f"https://curl.example:{TLS}/")
        # No cipher in common: an alert.
        quiet(*client, "refused.example", "-tls1_2", "-cipher", "AES128-SHA")
    finally:
        server.terminate()
        server.wait()


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "pages/1"
    sys_version = ""

    def do_GET(self):
        body = b"x" * 40_000 if self.path == "/long" else b"hello\n"
        self.send_response(404 if self.path == "/missing" else 200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(3):
                self.wfile.write(b"%x;extension\r\n%s\r\n" % (len(body), body))
            self.wfile.write(b"0\r\ntrailer: x\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        pass


def http1(_scratch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", HTTP), Pages)
    threading.Thread(target=server.serve_forever).start()
    url = f"http://pages.example:{HTTP}"
    resolve = ["curl", "-s", "--resolve", f"pages.example:{HTTP}:127.0.0.1"]
    try:
        # Four requests on one connection.
        quiet(*resolve, f"{url}/", f"{url}/chunked", f"{url}/long", f"{url}/missing")
        quiet(*resolve, "-I", f"{url}/long")
        quiet(*resolve, "-H", "Expect:", "--data", "a=b" * 1000, f"{url}/")
        # curl waits for 100 Continue with bodies above 1 MiB.
        quiet(*resolve, "-H", "Expect: 100-continue", "--data", "a=b", f"{url}/")
    finally:
        server.shutdown()
        server.server_close()


def ssh(scratch):
    host, client = f"{scratch}/host", f"{scratch}/client"
    for path in (host, client):
        quiet("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, check=True)
    # sshd wants a user of its own and a folder, which only this mount namespace gets.
    shutil.copy("/etc/passwd", f"{scratch}/passwd")
    with open(f"{scratch}/passwd", "a") as users:
        users.write("sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n")
    subprocess.run(["mount", "--bind", f"{scratch}/passwd", "/etc/passwd"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    os.makedirs("/run/sshd")
    sshd = os.environ.get("SSHD", "/usr/sbin/sshd")
    server = serve(SSH, sshd, "-D", "-e", "-f", "/dev/null", "-h", host, "-p", str(SSH), "-o", "ListenAddress=127.0.0.1", "-o", "UsePAM=no")
    try:
        quiet("ssh", "-F", "/dev/null", "-p", str(SSH), "-i", client, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
              "-o", "BatchMode=yes", "user@127.0.0.1", "true")
    finally:
        server.terminate()
        server.wait()
        subprocess.run(["umount", "/etc/passwd"], check=True)


if __name__ == "__main__":
    main()
