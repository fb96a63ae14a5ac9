#!/usr/bin/env python3
"""What the agent, and then a capture file of the same run, answer as `get_connections` beside what real Monero nodes answer about themselves at the
same moment.

Cause: three nodes of one network, made in a network namespace of this script: 0 listens and announces a restricted RPC port, 1 dials 0 and is pruned,
2 joins later, dials both and reads at most 16 KiB a second. Blocks are made; at the end a client connects to 0 and never speaks.
Oracle: each node's own answer before and after the agent's; what changed between both may be either, or between the two.
Right: all keys equal in all rows but `connection_id`, which a node draws at random; `state` in 97 %, and what counts bytes in time in 99 %.

From the capture (tcpdump, on loopback) it is `conns call --read FILE get_connections --monero-node FILTER --until T`, T being the moment at which the agent was asked. What
only a process shows is not compared there: what it has read of what arrived (`recv_count` and the like), and on connections of node 2, which reads late, what was written but not sent, and
the handshake until it has read that.

Agent and capture run from before the first SYN. `--late` starts them after the nodes have shaken hands: what a handshake alone announces is not compared then.
`--for SECONDS` compares for longer. Prints a table for each: of each key how many rows were compared, and how many were equal.
Run as root, with CONNS=the program. Needs the Debian packages monero and tcpdump.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONNS = os.environ.get("CONNS", "conns")
INSIDE = "peers-inside"

specification = importlib.util.spec_from_file_location("levin", os.path.join(HERE, "../../fuzz/record/levin.py"))
levin = importlib.util.module_from_spec(specification)
specification.loader.exec_module(levin)

# Seconds of the wall clock are read at another moment.
TIMES = {"live_time", "recv_idle_time", "send_idle_time"}
# Both change as bytes move; they may be between the two answers of the node.
AMOUNTS = TIMES | {"recv_count", "send_count", "avg_download", "avg_upload", "current_download", "current_upload"}
# Share of the rows that has to be equal, percent; of every other key all.
GOALS = {"state": 97, "recv_count": 99, "recv_idle_time": 99, "send_count": 99, "send_idle_time": 99, "current_download": 99, "current_upload": 99}
# What only the handshake, or only the begin of a connection, shows.
OF_THE_BEGIN = {"peer_id", "rpc_port", "rpc_credits_per_hash", "support_flags", "live_time", "avg_download", "avg_upload"}
# What a packet does not show: when a process reads what has arrived, and, to a peer that is slow, writes what is not sent yet.
OF_READS = {"recv_count", "recv_idle_time", "avg_download", "current_download"}
OF_PROCESS = AMOUNTS - {"live_time"}
# What the handshake changes, once the node has read it.
OF_HANDSHAKE = {"peer_id", "rpc_port", "rpc_credits_per_hash", "support_flags", "state", "height", "pruning_seed"}
SLOW = 2
# Between two answers of the node; the agent samples ten times a second.
PAUSE_S = 0.25
# A node whose rate is limited sleeps between reading a handshake and handling it: within this many answers, a second, it may be either.
EDGE = 4
SYNC_S = 62


class Agent:
    def __init__(self, folder):
        self.place = f"unix:{folder}/agent.sock"
        empty = f"{folder}/empty.toml"
        open(empty, "w").close()
        self.log = open(f"{folder}/agent.log", "wb")
        self.pids = {}
        self.process = subprocess.Popen([CONNS, "serve", "--config", empty, "--interval", "100ms", "--listen", self.place],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        levin.until("the agent answers", lambda: os.path.exists(f"{folder}/agent.sock") and self.rows(0) is not None, 60)

    def rows(self, number):
        """The rows that node `number` would have; None if there is no answer."""
        call = [CONNS, "--agent", self.place, "call", "get_connections", "--monero-node", f"pid == {self.pids.get(number, 0)}"]
        answer = subprocess.run(call, capture_output=True, text=True)
        if answer.returncode != 0:
            self.error = answer.stderr
            return None
        return json.loads(answer.stdout)["result"].get("connections", [])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Capture:
    """A capture of what the nodes send to each other, and what is asked of it once it is complete."""

    def __init__(self, folder):
        self.path = f"{folder}/capture.pcap"
        ports = " or ".join(f"tcp port {port}" for port in levin.P2P)
        self.process = subprocess.Popen(["tcpdump", "-i", "lo", "-s", "0", "-B", "65536", "--immediate-mode", "-U", "-Z", "root", "-w", self.path, ports],
                                        stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                break
        self.moments = []

    def add(self, number, before, at_us, after):
        self.moments.append((number, before, at_us, after))

    def stop(self):
        # The moment of the file ends with its last packet, so one follows the last comparison.
        with socket.create_connection(("127.0.0.1", levin.P2P[0])) as last:
            ports = struct.pack("!HH", last.getsockname()[1], levin.P2P[0])
        levin.until("the capture has all packets", lambda: ports in open(self.path, "rb").read(), 60)
        self.process.send_signal(signal.SIGINT)
        printed = self.process.stderr.read()
        self.process.wait()
        assert "0 packets dropped by kernel" in printed, printed

    def rows(self, number, at_us):
        node = f"local_port == {levin.P2P[number]} or levin.node_port == {levin.P2P[number]}"
        call = [CONNS, "call", "--read", self.path, "get_connections", "--monero-node", node, "--until", str(at_us)]
        answer = subprocess.run(call, capture_output=True, text=True)
        if answer.returncode != 0:
            sys.exit(f"{' '.join(call)}: {answer.stderr}")
        return json.loads(answer.stdout)["result"].get("connections", [])

    def compare(self, table):
        # Node 2 has dialled the others.
        others = {row["peer_id"] for number, _, _, rows in self.moments if number == SLOW for row in rows} - {"0" * 16}
        is_slow = lambda number, row: number == SLOW or bool(others) and row["peer_id"] not in others | {"0" * 16}
        def omitted(number, row):
            if not is_slow(number, row):
                return OF_READS
            return OF_PROCESS | (OF_HANDSHAKE if row["state"] == "before_handshake" else set())

        for number, before, at_us, after in self.moments:
            if before or after:
                table.add(number, before, self.rows(number, at_us), after, lambda row: omitted(number, row))


class Table:
    def __init__(self, name, omitted):
        self.name = name
        self.omitted, self.compared, self.equal, self.examples = omitted, {}, {}, {}
        self.sets = [0, 0]
        self.edges = {}

    def add(self, number, before, ours, after, omitted=lambda row: set()):
        before, ours, after = ({row["address"]: row for row in rows} for rows in (before, ours, after))
        always, ever = before.keys() & after.keys(), before.keys() | after.keys()
        is_same = always <= ours.keys() <= ever
        self.sets[0] += 1
        self.sets[1] += is_same
        if not is_same:
            self.examples.setdefault("rows", f"node {number}: {sorted(always)} and {sorted(ours)}")
        for address in always & ours.keys():
            one, row, other = before[address], ours[address], after[address]
            if row.keys() != one.keys():
                sys.exit(f"other keys: {sorted(row.keys() ^ one.keys())}")
            for key in row.keys() - self.omitted - omitted(other) - self.at_edge(number, row, other):
                self.compared[key] = self.compared.get(key, 0) + 1
                if is_equal(key, one[key], row[key], other[key]):
                    self.equal[key] = self.equal.get(key, 0) + 1
                else:
                    self.examples.setdefault(key, f"node {number}, {address}: {one[key]}, {row[key]} here, {other[key]}")

    def at_edge(self, number, ours, after):
        """What is not compared because the slow node has read a handshake just now, by our answer, and has not handled it."""
        if number != SLOW or after["state"] != "before_handshake" or ours["state"] == "before_handshake":
            return set()
        count = self.edges[ours["address"]] = self.edges.get(ours["address"], 0) + 1
        return OF_HANDSHAKE if count <= EDGE else set()

    def judge(self):
        """Prints it; False if a goal was missed."""
        print(f"\n{self.name}\n\n| key | rows | equal | % | goal |\n|---|--:|--:|--:|--:|\n| (set of rows) | {self.sets[0]} | {self.sets[1]} | {share(*self.sets):.1f} | 97 |")
        is_right = share(*self.sets) >= 97
        for key in sorted(self.compared):
            compared, equal, goal = self.compared[key], self.equal.get(key, 0), GOALS.get(key, 100)
            if key in TIMES | {"avg_download", "avg_upload"}:
                goal = min(goal, 99)
            is_right &= share(compared, equal) >= goal
            print(f"| {key} | {compared} | {equal} | {share(compared, equal):.1f} | {goal} |")
        for key, example in sorted(self.examples.items()):
            print(f"first difference of {key}: {example}")
        return is_right and sum(self.compared.values()) > 0


def share(whole, part):
    return 100 * part / whole if whole else 0


def is_equal(key, before, ours, after):
    if key not in AMOUNTS:
        return ours in (before, after)
    grace = 1 if key in TIMES | {"avg_download", "avg_upload"} else 0
    return min(before, after) - grace <= ours <= max(before, after) + grace


def compare(agent, capture, nodes, numbers, table, seconds, meanwhile=lambda: None):
    """Compares until `meanwhile`, which runs beside it, is over, and at least for this number of seconds."""
    failed = []
    def run():
        try:
            meanwhile()
        except BaseException as error:
            failed.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end or thread.is_alive():
        for number in numbers:
            agent.pids[number] = nodes[number].pid
            before = levin.rows(number)
            time.sleep(PAUSE_S)
            at_us = time.time_ns() // 1000
            ours = agent.rows(number)
            after = levin.rows(number)
            # A node that is busy with blocks answers late; then nothing is compared.
            if before is not None and after is not None:
                if ours is None:
                    sys.exit(f"the agent does not answer: {agent.error}")
                table.add(number, before, ours, after)
                capture.add(number, before, at_us, after)
    thread.join()
    if failed:
        sys.exit(f"{failed[0]}")


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--for", dest="seconds", type=float, default=40, help="seconds to compare at rest, at the end")
    flags.add_argument("--late", action="store_true", help="start the agent after the nodes")
    options = flags.parse_args()
    if os.environ.get(INSIDE) is None:
        os.execvpe("unshare", ["unshare", "--net", sys.executable, os.path.abspath(__file__), *sys.argv[1:]], {**os.environ, INSIDE: "1"})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scratch, nodes, agent, capture = tempfile.mkdtemp(), [], None, None
    omitted = {"connection_id"} | (OF_THE_BEGIN if options.late else set())
    table, of_file = Table("The agent", omitted), Table("The capture file", omitted)
    try:
        if not options.late:
            agent, capture = Agent(scratch), Capture(scratch)
        to = lambda *others: [word for other in others for word in ("--add-exclusive-node", f"127.0.0.1:{levin.P2P[other]}")]
        nodes.append(levin.node(scratch, 0, "--out-peers", "0", *to(1), "--public-node", "--rpc-restricted-bind-ip", "127.0.0.1",
                                "--rpc-restricted-bind-port", str(levin.RESTRICTED)))
        nodes.append(levin.node(scratch, 1, *to(0), "--prune-blockchain"))
        levin.until("node 0 has a peer", lambda: levin.states(0) == ["normal"])
        if options.late:
            agent, capture = Agent(scratch), Capture(scratch)
            # Nodes exchange heights once a minute.
            time.sleep(SYNC_S)
        compare(agent, capture, nodes, [0, 1], table, 3, lambda: levin.generate(6))
        nodes.append(levin.node(scratch, 2, *to(0, 1), "--limit-rate-down", "16", "--block-sync-size", "2"))
        compare(agent, capture, nodes, [0, 1, 2], table, 3, lambda: levin.until("node 2 has two peers", lambda: levin.states(2) == ["normal"] * 2))
        compare(agent, capture, nodes, [0, 1, 2], table, 3, lambda: levin.generate(2))
        with socket.create_connection(("127.0.0.1", levin.P2P[0])):
            time.sleep(0.3)
            compare(agent, capture, nodes, [0, 1, 2], table, options.seconds)
        capture.stop()
        capture.compare(of_file)
        is_right = all([table.judge(), of_file.judge()])
    finally:
        if capture:
            capture.process.kill()
        for process in nodes:
            process.terminate()
        for process in nodes:
            process.wait()
        if agent:
            agent.stop()
        shutil.rmtree(scratch)
    if not is_right:
        sys.exit("WRONG: other values than the nodes have")
    print("right")


if __name__ == "__main__":
    main()
