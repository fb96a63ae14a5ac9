#!/usr/bin/env python3
"""What the handshakes before the agent announced is asked of the Monero nodes, if that is allowed, and unknown if it is not.

Cause: two nodes of one network that have shaken hands; then an agent with `--ask-daemons`, and one without, are started.
Oracle: each node's own answer.
Right: with it, peer id, RPC port, flags and height are the node's, and their source is the node's report; without it, peer id, RPC port and flags
are unknown. The agent with it has connected to RPC ports alone: no node has another peer.
"""
import importlib.util, json, os, shutil, signal, subprocess, sys, tempfile

CONNS = os.environ.get("CONNS", "conns")
HERE = os.path.dirname(os.path.abspath(__file__))
specification = importlib.util.spec_from_file_location("levin", os.path.join(HERE, "../../fuzz/record/levin.py"))
levin = importlib.util.module_from_spec(specification)
specification.loader.exec_module(levin)
# Of the handshake, and of sync data, which comes again within a minute.
HANDSHAKE, SYNC = ["peer_id", "rpc_port", "rpc_credits_per_hash", "support_flags"], ["height", "pruning_seed"]


def agent(folder, name, *flags):
    open(f"{folder}/empty.toml", "w").close()
    log = open(f"{folder}/{name}.log", "wb")
    return subprocess.Popen([CONNS, "serve", "--config", f"{folder}/empty.toml", "--listen", f"unix:{folder}/{name}.sock", "--interval", "200ms", *flags],
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def peers(folder, name, node):
    """The connections of this node with the fields of the protocol; none if the agent does not answer."""
    columns = ",".join(["local_addr", "local_port", "remote_addr", "remote_port", "app_origin", *(f"levin.{key}" for key in HANDSHAKE + SYNC)])
    # A peer, and not what asks the node.
    chosen = f"pid == {node.pid} and state == established and proto == tcp and not (local_port in {{{', '.join(map(str, levin.RPC))}}})"
    run = subprocess.run([CONNS, "--agent", f"unix:{folder}/{name}.sock", "-a", "-o", "json", "--explain", "--columns", columns, chosen], capture_output=True, text=True)
    if run.returncode != 0:
        peers.error = run.stderr
        return []
    return json.loads(run.stdout)["connections"]


def shown(record):
    return {key: record.get(f"levin.{key}") for key in HANDSHAKE + SYNC}


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scratch, nodes, agents = tempfile.mkdtemp(), [], []
    try:
        to = lambda other: ["--add-exclusive-node", f"127.0.0.1:{levin.P2P[other]}"]
        nodes.append(levin.node(scratch, 0, "--out-peers", "0", *to(1), "--public-node", "--rpc-restricted-bind-ip", "127.0.0.1",
                                "--rpc-restricted-bind-port", str(levin.RESTRICTED)))
        nodes.append(levin.node(scratch, 1, *to(0), "--prune-blockchain"))
        levin.until("node 0 has a peer", lambda: levin.states(0) == ["normal"])
        agents = [agent(scratch, "asks", "--ask-daemons"), agent(scratch, "silent")]
        for number, node in enumerate(nodes):
            def is_reported():
                listed = peers(scratch, "asks", node)
                return len(listed) == 1 and all(value is not None for value in shown(listed[0]).values())
            levin.until(f"the agent has what node {number} reports", is_reported, 60)
            row, record = levin.rows(number), peers(scratch, "asks", node)[0]
            assert len(row) == 1, f"node {number} has other peers: {row}"
            expected = {key: row[0][key] for key in HANDSHAKE + SYNC}
            assert shown(record) == expected, f"node {number}: {shown(record)}, and {expected} by the node"
            sources = record["explain"]["sources"]
            assert all(sources[f"levin.{key}"] == "reported" for key in HANDSHAKE), sources
            called = [CONNS, "--agent", f"unix:{scratch}/asks.sock", "call", "get_connections", "--monero-node", f"pid == {node.pid}"]
            answered = json.loads(subprocess.run(called, capture_output=True, text=True, check=True).stdout)["result"]["connections"]
            assert [{key: row[key] for key in expected} for row in answered] == [expected], answered
            levin.until("the other agent lists it", lambda: len(peers(scratch, "silent", node)) == 1, 60)
            silent = peers(scratch, "silent", node)[0]
            assert all(silent.get(f"levin.{key}") is None for key in HANDSHAKE), silent
    except AssertionError as error:
        sys.exit(f"WRONG: {error}")
    finally:
        for process in agents + nodes:
            process.send_signal(signal.SIGTERM)
        for process in agents + nodes:
            process.wait(60)
        for name in ("asks", "silent"):
            sys.stderr.write(open(f"{scratch}/{name}.log").read() if os.path.exists(f"{scratch}/{name}.log") else "")
        shutil.rmtree(scratch)
    print("right")


if __name__ == "__main__":
    main()
