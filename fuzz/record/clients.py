#!/usr/bin/env python3
"""Records sessions of real clients and servers on loopback: corpus/tls, http, ssh, http2, dns, quic and those of servers.py.

Run as root: `python3 fuzz/record/clients.py [CORPUS [NAME...]]`. It starts itself again in a fresh network namespace. Needs
Debian's openssl, curl, ssh and sshd (SSHD names sshd if it is elsewhere), nghttp2-server, dnsmasq-base, bind9-dnsutils, aioquic
of PyPI, and what servers.py names. Each `session.pcap` has the packets of one port.
"""

import base64
import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import quic_ends
import servers
from levin import Capture, until
from servers import listens, quiet, serve

INSIDE = "recorder-inside"
TLS, HTTP, SSH, PROXY, HTTP2, DNS, QUIC = 8443, 8080, 8022, 8081, 8082, 53, 8444
UDP = (socket.IPPROTO_TCP, socket.IPPROTO_UDP)


def main():
    corpus = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus")
    if os.environ.get(INSIDE) is None:
        os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, os.path.abspath(__file__), corpus, *sys.argv[2:]], {**os.environ, INSIDE: "1"})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scratch = tempfile.mkdtemp()
    try:
        sessions = [("tls", TLS, tls), ("http", HTTP, http1), ("ssh", SSH, ssh), ("http-tunnel", PROXY, tunnel), ("http2", HTTP2, http2),
                    ("dns", DNS, dns), ("quic", QUIC, quic_ends.record), *servers.SESSIONS]
        for name, port, session in sessions:
            if sys.argv[2:] and name not in sys.argv[2:]:
                continue
            os.makedirs(os.path.join(corpus, name), exist_ok=True)
            capture = Capture(os.path.join(corpus, name, "session.pcap"), [port], UDP)
            try:
                session(scratch)
                time.sleep(0.5)
            finally:
                capture.stop()
    finally:
        shutil.rmtree(scratch)


def tls_server(scratch):
    key, certificate = f"{scratch}/key.pem", f"{scratch}/certificate.pem"
    quiet("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "36500", "-subj",
          "/CN=server.example", "-keyout", key, "-out", certificate, check=True)
    return serve(TLS, "openssl", "s_server", "-accept", str(TLS), "-key", key, "-cert", certificate, "-alpn", "h2,http/1.1", "-www")


def tls(scratch):
    server = tls_server(scratch)
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
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            # A text frame, then a close frame (RFC 6455).
            self.wfile.write(b"\x81\x05hello\x88\x02\x03\xe8")
            self.close_connection = True
            return
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
        quiet(*resolve, "-m", "5", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13",
              "-H", "Sec-WebSocket-Key: " + base64.b64encode(bytes(16)).decode(), f"{url}/socket")
        # curl does not pipeline.
        with socket.create_connection(("127.0.0.1", HTTP)) as client:
            client.sendall(b"".join(b"GET /%s HTTP/1.1\r\nHost: pipelined.example\r\n\r\n" % path for path in (b"", b"long", b"missing")))
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):
                pass
    finally:
        server.shutdown()
        server.server_close()


class Proxy(http.server.BaseHTTPRequestHandler):
    """Connects every tunnel to the TLS server."""

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        with socket.create_connection(("127.0.0.1", TLS)) as server:
            self.send_response(200, "Connection established")
            self.end_headers()
            other = threading.Thread(target=pump, args=(server, self.connection))
            other.start()
            pump(self.connection, server)
            other.join()
        self.close_connection = True

    def log_message(self, *_):
        pass


def pump(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def tunnel(scratch):
    server = tls_server(scratch)
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", PROXY), Proxy)
    threading.Thread(target=proxy.serve_forever).start()
    try:
        quiet("curl", "-sk", "-m", "5", "-x", f"http://127.0.0.1:{PROXY}", f"https://tunnel.example:{TLS}/")
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.terminate()
        server.wait()


def http2(scratch):
    with open(f"{scratch}/index.html", "w") as page:
        page.write("hello\n")
    server = serve(HTTP2, "nghttpd", "--no-tls", "-d", scratch, str(HTTP2))
    try:
        quiet("curl", "-s", "-m", "5", "--http2-prior-knowledge", f"http://127.0.0.1:{HTTP2}/index.html")
        quiet("nghttp", "-u", f"http://127.0.0.1:{HTTP2}/index.html")
    finally:
        server.terminate()
        server.wait()


def dns(_scratch):
    server = serve(DNS, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces",
                   "--host-record=www.example,192.0.2.1,2001:db8::1", "--host-record=www.example,192.0.2.2", "--cname=alias.example,www.example",
                   "--txt-record=www.example,text", "--local=/example/", "--user=root", "--pid-file")
    ask = ["dig", "@127.0.0.1", "+tries=1", "+time=2"]
    try:
        quiet(*ask, "www.example", "A")
        quiet(*ask, "www.example", "AAAA")
        quiet(*ask, "Alias.Example", "A")
        quiet(*ask, "missing.example", "A")
        quiet(*ask, "www.example", "TXT")
        quiet(*ask, "+tcp", "+keepopen", "www.example", "A", "missing.example", "A")
        # Not answered by this server.
        quiet(*ask, "elsewhere.test", "A")
    finally:
        server.terminate()
        server.wait()


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
