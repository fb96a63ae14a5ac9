"""Asks a media server's three interfaces as its users do; prints what came back.

usage: ems.py HTTP_PORT JSON_PORT TEXT_PORT
"""

import json
import socket
import sys

import pyems
from pyems.utils import EvoStreamException

LIST = "listConnections excludeNonNetworkProtocols=0"


def with_pyems(port):
    api = pyems.Api(f"http://127.0.0.1:{port}")

    def ask(command, **parameters):
        try:
            return api.protocol.execute(command, **parameters)
        except EvoStreamException as error:
            return {"EvoStreamException": str(error)}

    ids = ask("listConnectionsIds")
    return {
        "listConnections": ask("listConnections", excludeNonNetworkProtocols=0),
        "networkOnly": ask("listConnections", excludeNonNetworkProtocols=1),
        "listConnectionsIds": ids,
        "getConnectionInfo": [ask("getConnectionInfo", id=one) for one in ids or []],
        "unknownId": ask("getConnectionInfo", id=999_999_999),
        "noId": ask("getConnectionInfo"),
        "getConnectionsCount": ask("getConnectionsCount"),
        "getExtendedConnectionCounters": ask("getExtendedConnectionCounters"),
        "resetMaxFdCounters": ask("resetMaxFdCounters"),
        "resetTotalFdCounters": ask("resetTotalFdCounters"),
        "help": ask("help"),
        # A method of the library's own, of a command that is a media server's alone.
        "shutdownServer": ask("shutdownServer"),
    }


def exactly(stream, size):
    got = stream.read(size)
    if len(got) != size:
        raise EOFError(f"{len(got)} bytes instead of {size}")
    return got


def with_prefix(port):
    """Four bytes of length before each answer, as the shipped configuration has it."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        stream = connection.makefile("rwb")
        answers = []
        for line in (LIST, "LISTCONNECTIONSIDS commandId=77", "nonsense", "quit"):
            stream.write(line.encode() + b"\r\n")
            stream.flush()
            length = int.from_bytes(exactly(stream, 4), "big")
            answer = exactly(stream, length)
            if not answer.endswith(b"}\r\n\r\n"):
                raise ValueError(f"no end of an answer: {answer!r}")
            answers.append(json.loads(answer))
        return {"answers": answers, "rest": stream.read().decode()}


def with_text(port):
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(f"{LIST}\nnonsense\nquit\n".encode())
        return connection.makefile("rb").read().decode()


def main():
    http, lines, text = map(int, sys.argv[1:4])
    results = {"pyems": with_pyems(http), "lines": with_prefix(lines), "text": with_text(text)}
    json.dump(results, sys.stdout)


main()
