#!/usr/bin/env python3
"""A flow of UDP that the kernel's table of peers has evicted is decoded further when it comes back.

Cause: ffmpeg's transport stream is sent from a bound socket in two parts; between them other sockets exchange datagrams with more peers than
the table holds (16 384), while the stream is silent.
Oracle: the bytes that the receiver has read.
Right: all packets of the stream are counted, of one flow, without a discontinuity.
"""
import json, os, socket, subprocess, tempfile

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
PACKET = 188
DATAGRAM = 7 * PACKET
PEERS = 16384
# What is copied of a peer without being asked for; datagrams that are less.
COPIED, FIRST = 64 << 10, 20
# A socket may have 256 new peers a second.
SENDERS, RECEIVERS = 250, 200


def bound(size=1 << 20):
    new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    new.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    new.bind(("127.0.0.1", 0))
    return new


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        media = subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-t", "20", "-c:v", "libx264", "-b:v", "800k",
                                "-f", "mpegts", "-"], capture_output=True, check=True).stdout
        datagrams = [media[at:at + DATAGRAM] for at in range(0, len(media), DATAGRAM)]
        place = f"unix:{folder}/agent.sock"
        open(f"{folder}/empty.toml", "w").close()
        agent = subprocess.Popen([CONNS, "serve", "--config", f"{folder}/empty.toml", "--listen", place], stderr=subprocess.DEVNULL)
        try:
            until("the agent answers", lambda: subprocess.run([CONNS, "--agent", place], capture_output=True).returncode in (0, 3))
            sender, receiver = bound(), bound()

            def flows():
                words = [CONNS, "--agent", place, "-a", "-o", "json", "--columns", "ts.packets,ts.discontinuities",
                         f"app == ts and local_port == {receiver.getsockname()[1]}"]
                ran = subprocess.run(words, capture_output=True, text=True)
                assert ran.returncode in (0, 3), ran.stderr
                return json.loads(ran.stdout)["connections"]

            def send(part):
                for datagram in part:
                    sender.sendto(datagram, receiver.getsockname())
                    assert receiver.recv(65536) == datagram

            def count(first, last):
                """Sends these datagrams, and waits until the packets of all up to them are counted."""
                send(datagrams[first:last])
                wanted = [{"ts.packets": sum(map(len, datagrams[:last])) // PACKET, "ts.discontinuities": 0}]
                until(f"{last} datagrams are counted: {wanted}", lambda: flows() == wanted, 30)

            half = len(datagrams) // 2
            assert (half - FIRST) * DATAGRAM > 2 * COPIED, len(media)
            # The kernel is steered by what the first ones are.
            count(0, FIRST)
            count(FIRST, half)

            others, peers = [bound(1 << 16) for _ in range(SENDERS)], 0
            for _ in range(RECEIVERS):
                other = bound(1 << 16)
                for one in others:
                    one.sendto(b"nothing", other.getsockname())
                    other.recv(100)
                    peers += 1
                other.close()
            assert peers > PEERS

            count(half, half + FIRST)
            count(half + FIRST, len(datagrams))
            print(f"{len(media) // PACKET} packets in {len(datagrams)} datagrams, {peers} peers between them; 0 differ")
        finally:
            agent.terminate()
            agent.wait(20)


main()
