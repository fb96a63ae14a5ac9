#!/usr/bin/env python3
"""`conns` counts as many messages of RTMP, and requests and answers of RTSP, in the recordings of a media server as tshark does.

usage: media_as_tshark.py [-v] [FOLDER...]     $CONNS is the binary; default: every folder of corpus/ems-captures

Cause: recordings of an EvoStream Media Server and its clients.
Oracle: tshark, with the protocol of each port, and with long messages allowed: by default it gives up at 32768 bytes, which the
server's test of bandwidth has.
Right: the counts of each side of each connection are equal. A message of media that began and was never completed counts here, and not there. An
RTMP connection in a tunnel of HTTP or encrypted is not compared, since tshark joins no bodies of HTTP and decrypts nothing.
"""
import collections, json, os, pathlib, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "fuzz/record"))
import media_seeds

CONNS = os.environ.get("CONNS", "conns")
FOLDERS = pathlib.Path(__file__).resolve().parents[2] / "corpus/ems-captures"


def rows(capture, *more):
    """Both ends of each connection."""
    words = [CONNS, "--read", capture, "-o", "jsonl", "--columns", "all", *more, "app in (rtmp, rtsp)"]
    ran = subprocess.run(words, capture_output=True, text=True)
    assert ran.returncode in (0, 3), ran
    return [json.loads(line) for line in ran.stdout.splitlines()]


def counted(capture, protocol, port, fields):
    """How often tshark shows each field, by the port of the sender and of the receiver."""
    words = ["tshark", "-r", capture, "-o", "rtmpt.max_packet_size:16777215", "-d", f"tcp.port=={port},{protocol}", "-Y", protocol, "-T", "fields",
             "-e", "tcp.srcport", "-e", "tcp.dstport", *(word for field in fields for word in ("-e", field))]
    ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    counts = collections.Counter()
    for line in ran.stdout.splitlines():
        source, target, *values = line.split("\t")
        for field, value in zip(fields, values):
            counts[int(source), int(target), field] += len([one for one in value.split(",") if one])
    return counts


def unfinished(capture):
    """How many messages of media began and were not completed, by the port of the sender and of the receiver."""
    counts = collections.Counter()
    for ((_, client), (_, server)), steps in media_seeds.connections(capture).items():
        for side, ends in enumerate(((client, server), (server, client))):
            data = b"".join(payload for of, payload in steps if of == side)
            counts[ends] += sum(body is None and kind in (8, 9) for kind, _, body in media_seeds.messages(data))
    return counts


def main():
    words = [word for word in sys.argv[1:] if word != "-v"]
    folders = [pathlib.Path(word) for word in words] or sorted(path.parent for path in FOLDERS.glob("*/capture.pcap.gz"))
    compared, wrong = collections.Counter(), 0
    for folder in folders:
        capture = str(folder / "capture.pcap.gz")
        closed = rows(capture, "--closed")
        ends = {(row["local_port"], row["remote_port"]) for row in closed}
        every = closed + [row for row in rows(capture, "-a") if (row["local_port"], row["remote_port"]) not in ends]
        begun = unfinished(capture)
        servers = {(row["app"], row["local_port"]) for row in every if row.get(f"{row['app']}.role") == "server"}
        for app, port in sorted(servers):
            if app == "rtmp":
                # The header of each message has it; one without type has that of the message before.
                theirs = counted(capture, "rtmpt", port, ["rtmpt.header.format"])
            else:
                theirs = counted(capture, "rtsp", port, ["rtsp.method", "rtsp.status"])
            for row in every:
                here, there = row["local_port"], row["remote_port"]
                if row["app"] != app or here != port or row.get("rtmp.handshake_kind") == "encrypted" or row.get("rtmpt.requests") is not None:
                    continue
                if app == "rtmp":
                    ways = [(here, there, "sent"), (there, here, "received")]
                    pairs = [(f"messages {way}", theirs[source, target, "rtmpt.header.format"] + begun[source, target], row[f"rtmp.messages_{way}"] + row[f"rtmp.media_messages_{way}"])
                             for source, target, way in ways]
                else:
                    pairs = [("requests", theirs[here, there, "rtsp.method"] + theirs[there, here, "rtsp.method"], row["rtsp.requests"]),
                             ("answers", theirs[here, there, "rtsp.status"] + theirs[there, here, "rtsp.status"], row["rtsp.answers"])]
                for what, count, ours in pairs:
                    compared[app] += 1
                    if count != ours or "-v" in sys.argv:
                        print(f"{folder.name} {app} {here} to {there} {what}: tshark {count}, conns {ours}")
                    wrong += count != ours
    print(f"{dict(compared)} counts compared, {wrong} differ")
    assert compared["rtmp"] and compared["rtsp"], "nothing was compared"
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
