#!/usr/bin/env python3
"""A file of `conns link` arrives at a receiver that accepts no incoming connection, through a relay that is of no use to others.

Causes: sender, relay, receiver and a third host, each in a namespace with a router between them. The receiver's firewall (nftables) accepts only what
belongs to a connection that it began. The third host sends datagrams to all ports of the relay. The relay is killed and started again.
Oracle: the routes and addresses given here, `ss` in the relay's namespace, counters of nftables, the files.
Right: nothing reaches the receiver directly, and lastError of that destination is `timeout`. Through the relay the file arrives; relayIP and relayPort
are the address and a UDP port of the relay, destinationIP and destinationPort those of the receiver. No UDP datagram goes to the third host, and a
transfer that is interrupted by the kill of the relay completes.
"""
import json, random

from link_hosts import Namespace, Scratch, PORT, RELAY_PORT, b3sum, content, udp_ports
from quic_initial import client_initial
from waiting import until

FIREWALL = """
table inet firewall {
    counter refused { }
    chain in {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
        udp dport 8886 counter name refused
    }
}"""
COUNTER = """
table inet counting {
    counter arrived { }
    chain in {
        type filter hook input priority 0;
        meta l4proto udp counter name arrived
    }
}"""
# Sends each of the datagrams to each port, from one socket and from one a port.
PROBE = """
import socket, sys
address, ports, datagrams = sys.argv[1], sys.argv[2].split(","), [bytes.fromhex(word) for word in sys.argv[3:]]
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in ports:
    for client in (one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)):
        for datagram in datagrams:
            client.sendto(datagram, (address, int(port)))
"""


def counted(net, table, counter):
    shown = net.run("nft", "-j", "list", "counter", "inet", table, counter).stdout
    return next(one["counter"]["packets"] for one in json.loads(shown)["nftables"] if "counter" in one)


def main():
    with Scratch() as scratch:
        router = scratch.keep(Namespace())
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        nets = {}
        for number, name in enumerate(["sender", "relay", "receiver", "third"], 1):
            net = nets[name] = scratch.keep(Namespace())
            router.join(net, f"to-{name}", "wire", f"10.88.{number}.1", f"10.88.{number}.2")
            net.run("ip", "route", "add", "default", "via", f"10.88.{number}.1")
        made = nets["receiver"].run("nft", "-f", "-", input=FIREWALL, check=False)
        assert made.returncode == 0, f"this kernel has no firewall with states of connections: {made.stderr}"
        nets["third"].nft(COUNTER)
        sender, relay, receiver = (scratch.host(name, nets[name]) for name in ("sender", "relay", "receiver"))
        relay.relay(f"10.88.2.2:{RELAY_PORT}", "--allow", receiver.key)
        relay_name = f"{relay.key}@10.88.2.2"
        receiver.serve(f"10.88.3.2:{PORT}", "--allow", sender.key, "--relay", relay_name)
        sender.serve(f"10.88.1.2:{PORT}")

        # Without the relay nothing arrives.
        small = scratch.folder / "small"
        small.write_bytes(content(10_000, 1))
        direct = sender.send_detached(small, f"{receiver.key}@10.88.3.2")

        def connection(is_relayed):
            return next((one for one in sender.call("send.getConnections") if (one["relayIP"] is not None) == is_relayed), None)

        file = scratch.folder / "file"
        file.write_bytes(content(8 << 20, 2))
        words = [receiver.key, "--relay", relay_name, "--max", "24Mbit/s"]
        transfer = sender.send_detached(file, *words)
        until("a part of the file is durable", lambda: sender.transfer(transfer)["bytesDurable"] > 0, 60, 0.05)
        found = until("there is a snapshot of the connection through the relay", lambda: connection(True), 10)
        ports = udp_ports(relay.net)
        assert len(ports) == 2, f"the relay has the UDP ports {ports}, and a flow has two"
        assert found["relayIP"] == "10.88.2.2" and found["relayPort"] in ports, (found, ports)
        assert (found["destinationIP"], found["destinationPort"]) == ("10.88.3.2", PORT), found
        assert found["senderIP"] == "10.88.1.2" and found["senderPort"] in udp_ports(sender.net), found
        assert found["encryptedConnectionState"] == "connected" and found["lastError"] is None, found
        assert found["numTransfersQueued"] == 0, found

        # A third host gets nothing back, and does no harm.
        draw = random.Random(3)
        datagrams = [b"", b"\0", draw.randbytes(16), draw.randbytes(1200), draw.randbytes(1472), client_initial(b"h3", draw.randbytes(8)),
                     bytes([0xc0]) + bytes.fromhex("1a2a3a4a08") + draw.randbytes(8) + bytes(1186)]
        numbers = ",".join(map(str, ports))
        nets["third"].run("python3", "-c", PROBE, "10.88.2.2", numbers, *(datagram.hex() for datagram in datagrams))
        assert sender.ended(transfer)["status"] == "complete", sender.transfer(transfer)
        assert b3sum(receiver.inbox / "file") == b3sum(file)

        # Nothing of the flow is needed after the relay was killed.
        again = scratch.folder / "again"
        again.write_bytes(content(12 << 20, 4))
        transfer = sender.send_detached(again, *words)
        until("a part of the file is durable", lambda: sender.transfer(transfer)["bytesDurable"] > 0, 60, 0.05)
        relay.kill()
        relay.restart()
        assert sender.ended(transfer)["status"] == "complete", sender.transfer(transfer)
        assert b3sum(receiver.inbox / "again") == b3sum(again)
        assert not receiver.parts(), receiver.parts()

        refused = until("the direct destination has an error", lambda: (connection(False) or {}).get("lastError"), 40)
        assert refused == "timeout", connection(False)
        record = sender.transfer(direct)
        assert record["processing"] and record["bytesDurable"] == 0 and not (receiver.inbox / "small").exists(), record
        packets = counted(receiver.net, "firewall", "refused")
        assert packets > 0, "the firewall had nothing to refuse"
        arrived = counted(nets["third"], "counting", "arrived")
        assert arrived == 0, f"{arrived} datagrams went to the third host"
        print(f"two files through the relay; {packets} datagrams refused by the firewall; the third host got 0")


main()
