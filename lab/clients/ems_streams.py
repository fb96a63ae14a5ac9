"""Replays a recorded media server on sockets of its own, and asks for its streams as users of the server do; prints what came back.

usage: ems_streams.py HTTP_PORT RECORDING MOMENT

Every connection of RTMP of the recording is opened anew, and carries what was recorded until the moment of an answer of the server. So an
agent has live what the server had.
"""

import json
import os
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "fuzz/record"))
import pyems
import recorded
from pyems.utils import EvoStreamException

RTMP = 1935
DEADLINE_S = 60


def recorded_streams(folder, moment):
    for line in map(json.loads, open(os.path.join(folder, "answers.jsonl"))):
        if line.get("command") == "listStreams" and line["moment"] == moment:
            return line["answer"]["data"]
    sys.exit(f"no such moment: {moment}")


def exactly(end, size):
    while size:
        size -= len(end.recv(size))


def replay(folder, until_us):
    """The open connections, both ends of each."""
    listener = socket.create_server(("127.0.0.1", RTMP))
    opened = {}
    for packet in recorded.data(os.path.join(folder, "capture.pcap.gz")):
        if packet.at_us > until_us:
            break
        is_client = packet.target[1] == RTMP
        if not is_client and packet.source[1] != RTMP:
            continue
        key = packet.source if is_client else packet.target
        if packet.flags & recorded.SYN:
            if is_client:
                client = socket.create_connection(("127.0.0.1", RTMP))
                opened[key] = (client, listener.accept()[0])
            continue
        sender, receiver = opened[key] if is_client else reversed(opened[key])
        sender.sendall(packet.payload)
        exactly(receiver, len(packet.payload))
    return [listener, opened]


def main():
    port, folder, moment = sys.argv[1:4]
    api = pyems.Api(f"http://127.0.0.1:{port}")

    def ask(command, **parameters):
        try:
            return api.protocol.execute(command, **parameters)
        except EvoStreamException as error:
            return {"EvoStreamException": str(error)}

    expected = recorded_streams(folder, moment)
    kept = replay(folder, round(expected[0]["queryTimestamp"] * 1000))

    def counted(streams):
        return sorted((one["type"], *(one[track]["bytesCount"] for track in ("audio", "video"))) for one in streams or [])

    end = time.monotonic() + DEADLINE_S
    while counted(ask("listStreams")) != counted(expected) and time.monotonic() < end:
        time.sleep(0.2)
    streams = ask("listStreams")
    results = {
        "recorded": expected,
        "listStreams": streams,
        "listStreamsIds": ask("listStreamsIds"),
        "getStreamInfo": [ask("getStreamInfo", id=one["uniqueId"]) for one in streams or []],
        "unknownStream": ask("getStreamInfo", id=999_999_999),
        "listInboundStreamNames": ask("listInboundStreamNames"),
        "clientsConnected": ask("clientsConnected"),
        "ofOneName": ask("clientsConnected", localStreamName="nothing"),
        "listConnections": ask("listConnections", excludeNonNetworkProtocols=0),
        "getConnectionsCount": ask("getConnectionsCount"),
    }
    json.dump(results, sys.stdout)
    del kept


main()
