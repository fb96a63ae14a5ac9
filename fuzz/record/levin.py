#!/usr/bin/env python3
"""Records corpus/levin: what real Monero nodes send to each other, and what they answer about it at the same time.

Run as root: `python3 fuzz/record/levin.py [CORPUS/levin]`. It starts itself again in a fresh network namespace, so no
address of the machine gets in. Needs monerod (Debian package monero) and iproute2; takes about four minutes.

Three nodes: 0 listens and announces a restricted RPC port, 1 dials 0 and has a pruned chain, 2 joins later, dials both and
is rate-limited, so that it is seen synchronizing. Then a client that never sends anything connects to 0. `session.pcap`
has every TCP packet between their P2P ports, once (raw IP, microseconds). `answers.jsonl` has the rows of `get_connections`
of each node, with the wall clock before and after each call, microseconds; rows equal to those before are omitted. `seeds/` has the payload of each connection,
whole and its first packets, as `fuzz/fuzz_targets/levin.rs` reads it; `--seeds` makes only these, from `session.pcap`.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

INSIDE = "recorder-inside"
SOL_PACKET_OUTGOING = 4
SO_TIMESTAMPNS = 35
P2P = [28180, 28280, 28380]
RPC = [port + 1 for port in P2P]
RESTRICTED = 28185
# The address that Monero's own pages ask donations to: any valid one will do.
WALLET = ("44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A")
# What is not compared: ids made inside the process, and names of the address.
OMITTED = ("connection_id", "host", "ip", "address_type", "localhost", "local_ip", "avg_download", "avg_upload", "current_download", "current_upload")
# Two rounds of timed sync, which nodes start every 60 s.
SETTLED_S = 75


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--seeds"]
    folder = arguments[0] if arguments else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus/levin")
    if "--seeds" in sys.argv:
        return seeds(folder)
    if os.environ.get(INSIDE) is None:
        os.execvpe("unshare", ["unshare", "--net", sys.executable, os.path.abspath(__file__), folder], {**os.environ, INSIDE: "1"})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.makedirs(folder, exist_ok=True)
    scratch = tempfile.mkdtemp()
    capture, recorder, nodes = Capture(os.path.join(folder, "session.pcap"), P2P), Answers(), []
    try:
        to = lambda *others: [word for other in others for word in ("--add-exclusive-node", f"127.0.0.1:{P2P[other]}")]
        nodes.append(node(scratch, 0, "--out-peers", "0", *to(1), "--public-node", "--rpc-restricted-bind-ip", "127.0.0.1",
                          "--rpc-restricted-bind-port", str(RESTRICTED)))
        nodes.append(node(scratch, 1, *to(0), "--prune-blockchain"))
        until("node 0 has a peer", lambda: states(0) == ["normal"])
        recorder.start([0, 1])
        generate(6)
        nodes.append(node(scratch, 2, *to(0, 1), "--limit-rate-down", "16", "--block-sync-size", "2"))
        recorder.start([2])
        until("node 2 has two peers", lambda: states(2) == ["normal"] * 2)
        generate(2)
        with socket.create_connection(("127.0.0.1", P2P[0])):
            time.sleep(SETTLED_S)
    finally:
        recorder.stop()
        for process in nodes:
            process.terminate()
        for process in nodes:
            process.wait()
        time.sleep(0.5)
        capture.stop()
        shutil.rmtree(scratch)
    recorder.write(os.path.join(folder, "answers.jsonl"))
    seeds(folder)


def node(scratch, number, *more):
    """A node that answers calls."""
    folder = f"{scratch}/{number}"
    arguments = ["monerod", "--regtest", "--keep-fakechain", "--fixed-difficulty", "1", "--data-dir", folder, "--non-interactive",
                 "--log-file", f"{folder}.log", "--log-level", "0", "--p2p-bind-ip", "127.0.0.1", "--p2p-bind-port", str(P2P[number]),
                 "--rpc-bind-ip", "127.0.0.1", "--rpc-bind-port", str(RPC[number]), "--rpc-ssl", "disabled", "--no-zmq", "--no-igd",
                 "--allow-local-ip", "--max-connections-per-ip", "8", "--disable-dns-checkpoints", "--check-updates", "disabled", *more]
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(f"node {number} answers", lambda: rows(number) is not None)
    return process


def until(what, condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited {seconds} s in vain until {what}")
        time.sleep(0.1)


def call(number, method, **params):
    body = json.dumps({"jsonrpc": "2.0", "id": "0", "method": method, "params": params}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{RPC[number]}/json_rpc", body)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def rows(number):
    """The rows of get_connections; None if the node does not answer."""
    try:
        return call(number, "get_connections")["result"].get("connections", [])
    except OSError:
        return None


def states(number):
    return sorted(row["state"] for row in rows(number) or [])


def generate(blocks):
    """Blocks one by one, half a second apart, so that each is announced by itself."""
    for _ in range(blocks):
        until("a block is made", lambda: call(0, "generateblocks", amount_of_blocks=1, wallet_address=WALLET,
                                              starting_nonce=0).get("result", {}).get("status") == "OK")
        time.sleep(0.5)


def seeds(folder):
    with open(os.path.join(folder, "session.pcap"), "rb") as file:
        rest = file.read()[24:]
    connections = {}
    while rest:
        length = struct.unpack_from("<IIII", rest)[2]
        packet, rest = rest[16:16 + length], rest[16 + length:]
        header = (packet[0] & 15) * 4
        end = struct.unpack_from("!H", packet, 2)[0]
        source, target = struct.unpack_from("!HH", packet, header)
        payload = packet[header + (packet[header + 12] >> 4) * 4:end]
        key, side = ((target, source), 1) if (target, source) in connections else ((source, target), 0)
        steps = connections.setdefault(key, [])
        if payload:
            steps.append(struct.pack("<BH", side, len(payload)) + payload)
    os.makedirs(os.path.join(folder, "seeds"), exist_ok=True)
    for number, steps in enumerate(steps for steps in connections.values() if steps):
        for name, count in (("whole", None), ("2", 2), ("4", 4), ("8", 8)):
            # 1: from the begin; 0: from the middle.
            for first in (1, 0):
                with open(os.path.join(folder, "seeds", f"{number}-{name}-{('middle', 'begin')[first]}.bin"), "wb") as out:
                    out.write(bytes([first]) + b"".join(steps[:count]))


class Answers:
    """Asks each node twice a second what it is connected to."""

    def __init__(self):
        self.lines, self.before, self.stopped, self.threads = [], {}, threading.Event(), []

    def start(self, numbers):
        for number in numbers:
            self.threads.append(threading.Thread(target=self.ask, args=(number,)))
            self.threads[-1].start()

    def ask(self, number):
        while not self.stopped.wait(0.5):
            before_us = time.time_ns() // 1000
            listed = rows(number)
            after_us = time.time_ns() // 1000
            if listed is None:
                continue
            listed = [{key: value for key, value in row.items() if key not in OMITTED} for row in listed]
            timeless = [{key: value for key, value in row.items() if not key.endswith("_time")} for row in listed]
            if timeless != self.before.get(number):
                self.before[number] = timeless
                self.lines.append({"node": number, "before_us": before_us, "after_us": after_us, "rows": listed})

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def write(self, path):
        with open(path, "w") as out:
            for line in sorted(self.lines, key=lambda line: line["before_us"]):
                out.write(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n")


class Capture:
    """Writes TCP packets of these ports into a capture file, UDP ones too if asked for."""

    def __init__(self, path, ports, protocols=(socket.IPPROTO_TCP,)):
        self.ports = set(ports)
        self.protocols = protocols
        self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.packets.bind(("lo", 0x0800))
        self.packets.settimeout(0.2)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(path,))
        self.thread.start()

    def run(self, path):
        with open(path, "wb") as out:
            # pcap 2.4, microseconds, LINKTYPE_RAW (101).
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 101))
            while not self.stopped.is_set():
                try:
                    packet, ancillary, _, (_, _, kind, *_) = self.packets.recvmsg(0x20000, 256)
                except TimeoutError:
                    continue
                # On lo each packet is seen twice, once as sent.
                if kind == SOL_PACKET_OUTGOING or packet[9] not in self.protocols:
                    continue
                header = (packet[0] & 15) * 4
                if not set(struct.unpack_from("!HH", packet, header)) & self.ports:
                    continue
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                out.write(struct.pack("<IIII", seconds, nanoseconds // 1000, len(packet), len(packet)) + packet)

    def stop(self):
        self.stopped.set()
        self.thread.join()


if __name__ == "__main__":
    main()
