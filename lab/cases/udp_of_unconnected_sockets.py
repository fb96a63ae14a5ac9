#!/usr/bin/env python3
"""What an unconnected UDP socket carries is listed by its peers, live.

Cause: dig asks dnsmasq; ffmpeg sends a transport stream by its defaults (datagrams that cut packets) to a socket that is only bound, and
publishes over RTSP with RTP over UDP to another ffmpeg. All of these sockets but those of dig and RTSP are unconnected.
Oracle: what dig asked; the datagrams as the receiving program has read them; ffprobe on the file that was sent.
Right: a row for each peer, beside that of the socket, with its protocol, process and traffic; dnsmasq's rows name the question; the
packets of the transport stream are those that were read; the datagrams of RTP are counted in the RTSP connection that set them up, with the
stream. The sums over a process count the traffic of a peer once.
"""
import json, os, socket, subprocess, tempfile, threading

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
PACKET = 188


class Receiver(threading.Thread):
    """Counts what a bound socket receives until it is quiet."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.datagrams, self.bytes, self.are_cut = 0, 0, False

    def run(self):
        while True:
            datagram = self.socket.recv(65536)
            self.datagrams += 1
            self.bytes += len(datagram)
            self.are_cut |= len(datagram) % PACKET != 0


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        place = f"unix:{folder}/agent.sock"

        def start(*words):
            processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            return processes[-1]

        def rows(wanted, *columns):
            words = [CONNS, "--agent", place, "-a", "-o", "json", "--columns", ",".join(columns), wanted]
            ran = subprocess.run(words, capture_output=True, text=True)
            assert ran.returncode in (0, 3), ran.stderr
            return json.loads(ran.stdout)["connections"]

        try:
            open(f"{folder}/empty.toml", "w").close()
            start(CONNS, "serve", "--config", f"{folder}/empty.toml", "--listen", place)
            until("the agent answers", lambda: subprocess.run([CONNS, "--agent", place], capture_output=True).returncode in (0, 3))

            start("dnsmasq", "-k", "-p", "5353", "--no-resolv", "--no-hosts", "--address=/known.example/192.0.2.9", "--bind-interfaces",
                  "--listen-address=127.0.0.1", "--pid-file=")
            ask = ["dig", "+short", "+tries=1", "+timeout=1", "-p", "5353", "@127.0.0.1"]
            until("dnsmasq answers", lambda: subprocess.run([*ask, "known.example"], capture_output=True, text=True).stdout == "192.0.2.9\n")
            subprocess.run([*ask, "other.example"], capture_output=True)
            dns = lambda: rows("proto == udp and local_port == 5353 and app == dns", "process", "state", "dns.query", "dns.answers", "bytes_in", "remote_port")
            asked = until("both questions are listed", lambda: len({row["dns.query"] for row in dns()}) == 2 and dns())
            for row in asked:
                assert (row["process"], row["state"], row["dns.answers"]) == ("dnsmasq", "ESTAB", 1), row
                assert row["remote_port"] and row["bytes_in"], row
            assert {row["dns.query"].rstrip(".") for row in asked} == {"known.example", "other.example"}, asked

            media = f"{folder}/media.mp4"
            subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=frequency=440", "-t", "30",
                            "-c:v", "libx264", "-g", "25", "-c:a", "aac", media], check=True)
            receiver = Receiver()
            receiver.start()
            sender = start("ffmpeg", "-re", "-t", "5", "-i", media, "-c", "copy", "-f", "mpegts", f"udp://127.0.0.1:{receiver.port}")
            sender.wait(90)
            ts = lambda: rows(f"app == ts and local_port == {receiver.port}", "ts.packets", "ts.discontinuities", "bytes_in", "process")
            seen = until("all packets are counted", lambda: (found := ts()) and found[0]["bytes_in"] == receiver.bytes and found)
            assert receiver.are_cut, "these datagrams have whole packets"
            assert (len(seen), seen[0]["ts.packets"], seen[0]["ts.discontinuities"]) == (1, receiver.bytes // PACKET, 0), (seen, receiver.bytes)

            start("ffmpeg", "-rtsp_flags", "listen", "-i", "rtsp://127.0.0.1:8554/cam", "-c", "copy", "-f", "null", "-")
            until("ffmpeg listens", lambda: rows("listening and local_port == 8554", "process"))
            start("ffmpeg", "-re", "-i", media, "-c", "copy", "-f", "rtsp", "-rtsp_transport", "udp", "rtsp://127.0.0.1:8554/cam")
            columns = ("app", "local_port", "rtsp.transport", "rtsp.media_packets_received", "rtsp.streams", "rtsp.server_ports", "rtp.packets_received")
            wanted = "(app == rtsp and local_port == 8554) or (app == rtp and rtp.packets_received > 0)"

            def published():
                found = rows(wanted, *columns)
                rtsp = [row for row in found if row["app"] == "rtsp"]
                stream = rtsp and rtsp[0]["rtsp.streams"] and rtsp[0]["rtsp.streams"][0]
                return stream and stream["width"] and stream["video_packets"] and stream["audio_packets"] and (rtsp[0], stream, found)

            rtsp, stream, found = until("the stream is known", published)
            probe = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=codec_name,width,height,profile,level", "-of", "json", media]
            video = json.loads(subprocess.run(probe, capture_output=True, check=True).stdout)["streams"][0]
            assert (stream["video_codec"], stream["width"], stream["height"], stream["level"]) == (video["codec_name"], video["width"], video["height"], video["level"]), stream
            assert (rtsp["rtsp.transport"], stream["role"], stream["direction"], stream["audio_codec"]) == ("udp", "publish", "in", "aac"), rtsp
            # In one answer the packets of the connection are those of its flows.
            flows = [row["rtp.packets_received"] for row in found if row["app"] == "rtp"]
            assert len(flows) >= 2 and sum(flows) == rtsp["rtsp.media_packets_received"] > 0, (flows, rtsp)

            words = [CONNS, "--agent", place, "-a", "-o", "json", "--group-by", "local_port", f"proto == udp and local_port == {receiver.port}"]
            group = json.loads(subprocess.run(words, capture_output=True, text=True).stdout)["groups"][0]
            assert (group["connections"], group["bytes_in"]) == (2, receiver.bytes), group
            print(f"{len(asked)} questions; {receiver.datagrams} datagrams with {seen[0]['ts.packets']} packets; {rtsp['rtsp.media_packets_received']} packets of RTP in {len(flows)} flows; 0 differ")
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait(20)


main()
