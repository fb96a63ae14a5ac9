#!/usr/bin/env python3
"""A moment of the past has the transfers of then, after they have ended.

Cause: `conns link` sends a file at a fixed rate while an agent keeps a history; then the sender ends.
Oracle: `conns link connections` of the sender while it sent.
Right: the present has no transfer, and the moment has the one with destination, key, method and rates of the sender, over HTTP as in SQL.
"""
import json, os, pwd, re, shutil, subprocess, tempfile, urllib.request

from processes import start, stop, stop_all
from waiting import until

CONNS = os.environ.get("CONNS", "conns")
API, LINK = 17993, 17994
SAME = {"destination_ip": "destinationIP", "destination_port": "destinationPort", "destination_public_key": "destinationPublicKey",
        "last_destination_server_uid": "lastDestinationServerUid", "rate_control_method": "rateControlMethod",
        "send_rate_kbit_per_s": "sendRate", "relay_ip": "relayIP", "sender_ip": "senderIP", "sender_port": "senderPort"}
folder = tempfile.mkdtemp()
os.environ |= {"STATE_DIRECTORY": f"{folder}/state", "RUNTIME_DIRECTORY": f"{folder}/run"}
history = f"{folder}/kept/history.db"
account = pwd.getpwnam("nobody")
of_account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def transfers(query=""):
    with urllib.request.urlopen(f"http://127.0.0.1:{API}/api/v1/transfers{query}", timeout=10) as answer:
        return json.load(answer)["transfers"]


def kept():
    query = "select at_us, transfer from transfers order by at_us limit 1"
    ran = subprocess.run([CONNS, "sql", query, "--history", history, "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return ran.stdout and json.loads(ran.stdout)["rows"]


def sent():
    ran = subprocess.run([CONNS, "link", "connections", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return next((one for one in json.loads(ran.stdout or "[]") if one["roundTripTimeMs"] is not None), None)


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
try:
    with open(f"{folder}/large", "wb") as file:
        file.write(os.urandom(64 << 20))
    for name in ("in", "state", "run"):
        os.mkdir(f"{folder}/{name}")
    for name in (".", "in", "state", "run", "large"):
        os.chown(f"{folder}/{name}", account.pw_uid, account.pw_gid)
    subprocess.run([CONNS, "link", "keygen", "--out", f"{folder}/key"], check=True, stdout=subprocess.DEVNULL, **of_account)
    receiver = start(CONNS, "link", "serve", "--listen", f"127.0.0.1:{LINK}", "--key", f"{folder}/key", "--folder", f"{folder}/in",
                     stdout=subprocess.PIPE, text=True, **of_account)
    address = until("the receiver is ready", lambda: re.match(r"receiving at (\S+)", receiver.stdout.readline() or "")).group(1)
    sender = start(CONNS, "link", "send", "--method", "fixed", "--rate", "1Mbit/s", f"{folder}/large", address, **of_account)
    oracle = until("it is sent", sent)
    start(CONNS, "serve", "--config=/dev/null", "--user=nobody", f"--listen=http=127.0.0.1:{API}", "--history-path", history, "--history-size", "64MiB")
    [row] = until("the transfer is kept", kept, 150)
    stop(sender)
    until("the present has no transfer", lambda: transfers() == [])
    # Seconds with a fraction: the sample itself.
    [past] = transfers(f"?at={row['at_us'] / 1e6:.6f}")
    assert past == json.loads(row["transfer"]), (past, row)
    different = {name: (past[name], oracle[theirs]) for name, theirs in SAME.items() if past[name] != oracle[theirs]}
    assert not different, different
    assert past["encrypted_connection_state"].lower() == oracle["encryptedConnectionState"].lower() == "connected", (past, oracle)
    assert past["round_trip_time_ms"] is not None and past["last_sent_wall_us"] <= row["at_us"], past
finally:
    stop_all()
    shutil.rmtree(folder)
print("right")
