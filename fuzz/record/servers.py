"""Sessions of databases, brokers, mail, files and peers, for clients.py. Needs Debian's redis-server, mosquitto, mosquitto-clients,
postgresql, mariadb-server-core, mariadb-client-core, python3-aiosmtpd, vsftpd, curl and python3-libtorrent.
"""

import glob
import os
import shutil
import subprocess

from levin import until

REDIS, POSTGRES, MYSQL, MQTT, SMTP, FTP, BITTORRENT = 6379, 5432, 3306, 1883, 2525, 2121, 6881
UNPRIVILEGED = 65534


def quiet(*command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


def listens(port):
    return f":{port} " in subprocess.check_output(["ss", "-Htln"], text=True)


def serve(port, *command, **more):
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    until(f"{command[0]} listens", lambda: listens(port))
    return server


def stop(server):
    server.terminate()
    server.wait()


def redis(_scratch):
    server = serve(REDIS, "redis-server", "--port", str(REDIS), "--save", "", "--daemonize", "no")
    try:
        quiet("redis-cli", "-p", str(REDIS), "ping")
        quiet("redis-cli", "-3", "-p", str(REDIS), "set", "key", "value")
    finally:
        stop(server)


def owned(scratch, name):
    folder = os.path.join(scratch, name)
    os.chmod(scratch, 0o755)
    os.makedirs(folder)
    os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    return folder


def postgres(scratch):
    folder = owned(scratch, "postgres")
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    unprivileged = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "env": {"PATH": os.environ["PATH"], "LANG": "C"}, "cwd": "/"}
    quiet(f"{programs}/initdb", "-D", folder, "-U", "user", "--auth=trust", check=True, **unprivileged)
    server = serve(POSTGRES, f"{programs}/postgres", "-D", folder, "-p", str(POSTGRES), "-k", folder, **unprivileged)
    try:
        client = ["psql", "-h", "127.0.0.1", "-p", str(POSTGRES), "-U", "user", "postgres", "-c", "select 1"]
        quiet(*client, env={**os.environ, "PGSSLMODE": "disable"}, check=True)
        # Asks for TLS first, which this server refuses.
        quiet(*client, env={**os.environ, "PGSSLMODE": "prefer"}, check=True)
    finally:
        stop(server)


def mysql(scratch):
    folder = owned(scratch, "mysql")
    unprivileged = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "cwd": "/"}
    quiet("mariadb-install-db", f"--datadir={folder}", "--auth-root-authentication-method=normal", check=True, **unprivileged)
    server = serve(MYSQL, "mariadbd", "--no-defaults", f"--datadir={folder}", f"--port={MYSQL}", f"--socket={folder}/socket", "--bind-address=127.0.0.1", **unprivileged)
    try:
        quiet("mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", str(MYSQL), "-u", "root", "-e", "select 1", check=True)
    finally:
        stop(server)


def mqtt(scratch):
    settings = os.path.join(scratch, "mosquitto.conf")
    with open(settings, "w") as file:
        file.write(f"listener {MQTT} 127.0.0.1\nallow_anonymous true\n")
    server = serve(MQTT, "mosquitto", "-c", settings)
    try:
        for version in ("mqttv31", "mqttv311", "mqttv5"):
            quiet("mosquitto_pub", "-h", "127.0.0.1", "-p", str(MQTT), "-V", version, "-t", "topic", "-m", "message", check=True)
    finally:
        stop(server)


def smtp(scratch):
    mail = os.path.join(scratch, "mail")
    with open(mail, "w") as file:
        file.write("Subject: hello\n\nhello\n")
    server = serve(SMTP, "/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{SMTP}")
    try:
        quiet("curl", "-s", f"smtp://127.0.0.1:{SMTP}", "--mail-from", "from@mail.example", "--mail-rcpt", "to@mail.example", "-T", mail, check=True)
    finally:
        stop(server)


def ftp(scratch):
    root, settings = os.path.join(scratch, "ftp"), os.path.join(scratch, "vsftpd.conf")
    os.makedirs(root)
    os.makedirs("/var/run/vsftpd/empty", exist_ok=True)
    with open(f"{root}/file", "w") as file:
        file.write("hello\n")
    with open(settings, "w") as file:
        file.write(f"listen=YES\nlisten_port={FTP}\nlisten_address=127.0.0.1\nanonymous_enable=YES\nanon_root={root}\n"
                   "background=NO\nftp_username=daemon\nseccomp_sandbox=NO\n")
    server = serve(FTP, "vsftpd", settings)
    try:
        quiet("curl", "-s", f"ftp://127.0.0.1:{FTP}/file")
    finally:
        stop(server)


SEED = """
import libtorrent, sys, time
folder, port, is_seed = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "seed"
settings = {"listen_interfaces": f"127.0.0.1:{port}", "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
            "enable_incoming_utp": False, "enable_outgoing_utp": False, "in_enc_policy": 2, "out_enc_policy": 2, "allow_multiple_connections_per_ip": True}
session = libtorrent.session(settings)
torrent = session.add_torrent({"ti": libtorrent.torrent_info(sys.argv[4]), "save_path": folder})
if not is_seed:
    torrent.connect_peer(("127.0.0.1", int(sys.argv[5])))
for _ in range(300):
    if torrent.status().is_seeding and not is_seed:
        break
    time.sleep(0.1)
"""
MAKE = """
import libtorrent, sys
files = libtorrent.file_storage()
libtorrent.add_files(files, sys.argv[1] + "/file")
made = libtorrent.create_torrent(files)
libtorrent.set_piece_hashes(made, sys.argv[1])
open(sys.argv[2], "wb").write(libtorrent.bencode(made.generate()))
"""


def bittorrent(scratch):
    seed, leech, torrent = f"{scratch}/seed", f"{scratch}/leech", f"{scratch}/file.torrent"
    os.makedirs(seed)
    os.makedirs(leech)
    with open(f"{seed}/file", "wb") as file:
        file.write(bytes(range(256)) * 256)
    quiet("/usr/bin/python3", "-c", MAKE, seed, torrent, check=True)
    server = serve(BITTORRENT, "/usr/bin/python3", "-c", SEED, seed, str(BITTORRENT), "seed", torrent)
    try:
        quiet("/usr/bin/python3", "-c", SEED, leech, str(BITTORRENT + 1), "leech", torrent, str(BITTORRENT), check=True)
    finally:
        stop(server)
    shutil.rmtree(seed)


SESSIONS = [("redis", REDIS, redis), ("postgresql", POSTGRES, postgres), ("mysql", MYSQL, mysql), ("mqtt", MQTT, mqtt), ("smtp", SMTP, smtp),
            ("ftp", FTP, ftp), ("bittorrent", BITTORRENT, bittorrent)]
