#!/usr/bin/env python3
"""The connection of a browser over QUIC is listed with name, version and protocols, at both ends.

Cause: chromium loads a page over HTTP/3 from a server of aioquic on loopback, which answers once the connection was listed.
Oracle: what chromium was asked for, and that it shows the page, which is served over QUIC only.
Right: the row of chromium's socket has `quic`, SNI, version and offered protocols, is the client, and its remote end is named by the SNI. So
has that of the server's only peer, beside the row of its unconnected socket.
"""
import base64, hashlib, json, os, shutil, signal, subprocess, sys, tempfile

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.environ.get("CONNS_CLIENTS", os.path.join(HERE, "../../target/clients"))
PORT, NAME, TEXT = 4433, "quic.example", "served over quic"

SERVER = f"""
import asyncio, os, sys
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated

folder = sys.argv[1]

class Server(QuicConnectionProtocol):
    http = None

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        for event in self.http.handle_event(event) if self.http else []:
            if isinstance(event, HeadersReceived):
                asyncio.ensure_future(self.answer(event.stream_id))

    async def answer(self, stream):
        while not os.path.exists(folder + "/answer"):
            await asyncio.sleep(0.05)
        self.http.send_headers(stream, [(b":status", b"200"), (b"content-type", b"text/html")])
        self.http.send_data(stream, b"<p>{TEXT}</p>", end_stream=True)
        self.transmit()

async def main():
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    configuration.load_cert_chain(folder + "/certificate.pem", folder + "/key.pem")
    await serve("127.0.0.1", {PORT}, configuration=configuration, create_protocol=Server)
    print("ready", flush=True)
    await asyncio.Future()

asyncio.run(main())
"""


def openssl(*words, **more):
    return subprocess.run(["openssl", *words], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more).stdout


def rows(folder, port):
    columns = "remote_addr,remote_port,process,app,remote_name,remote_name_origin,quic.sni,quic.version,quic.alpn_offered,quic.is_client"
    run = subprocess.run([CONNS, "--agent", f"unix:{folder}/agent.sock", "-a", "-u", "-o", "json", "--columns", columns, f"{port} == {PORT} and app == quic"],
                         capture_output=True, text=True)
    return json.loads(run.stdout)["connections"] if run.returncode in (0, 3) else []


python = os.path.join(CLIENTS, "bin/python")
if not os.path.exists(python):
    sys.exit(f"there is no {python}: run lab/clients/install.sh")
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
folder, started = tempfile.mkdtemp(), []
try:
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
            "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem")
    public = openssl("x509", "-in", f"{folder}/certificate.pem", "-noout", "-pubkey")
    pin = base64.b64encode(hashlib.sha256(openssl("pkey", "-pubin", "-outform", "der", input=public)).digest()).decode()
    server = subprocess.Popen([python, "-c", SERVER, folder], stdout=subprocess.PIPE, text=True)
    started.append(server)
    if server.stdout.readline() != "ready\n":
        sys.exit("the server of aioquic does not start: run lab/clients/install.sh")
    open(f"{folder}/empty.toml", "w").close()
    agent = subprocess.Popen([CONNS, "serve", "--config", f"{folder}/empty.toml", "--interval", "200ms", "--listen", f"unix:{folder}/agent.sock"])
    started.append(agent)
    until("the agent listens", lambda: os.path.exists(f"{folder}/agent.sock"), 120)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile", f"--ignore-certificate-errors-spki-list={pin}",
             f"--origin-to-force-quic-on={NAME}:{PORT}", f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--dump-dom"]
    browser = subprocess.Popen(["chromium", *flags, f"https://{NAME}:{PORT}/"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    started.append(browser)
    [row] = until("the connection is listed", lambda: [row for row in rows(folder, "remote_port") if row["quic.sni"]], 120)
    [served] = until("it is listed at the server", lambda: [row for row in rows(folder, "local_port") if row["quic.sni"]], 120)
    open(f"{folder}/answer", "w").close()
    page, _ = browser.communicate(timeout=120)
finally:
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        process.wait(60)
    shutil.rmtree(folder, ignore_errors=True)
print(json.dumps(row))
if TEXT not in page:
    sys.exit(f"chromium does not show the page: {page}")
expected = {"app": "quic", "remote_name": NAME, "remote_name_origin": "sni", "quic.sni": NAME, "quic.version": "1", "quic.alpn_offered": "h3", "quic.is_client": True}
different = {key: row[key] for key in expected if row[key] != expected[key]}
if different:
    sys.exit(f"WRONG: {different}")
at_server = {"app": "quic", "quic.sni": NAME, "quic.version": "1", "quic.is_client": False}
different = {key: served[key] for key in at_server if served[key] != at_server[key]}
if different:
    sys.exit(f"WRONG at the server: {different}")
print("right")
