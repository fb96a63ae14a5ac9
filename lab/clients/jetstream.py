"""Asks a JetStream port with jsonrpcclient, over HTTP and in lines; prints what it made of the answers.

usage: jetstream.py PORT
"""

import json
import socket
import sys

import jsonrpcclient
import requests


def calls():
    return [
        jsonrpcclient.request("getConnections"),
        jsonrpcclient.request("send.getConnections", params={"limit": 10}),
        jsonrpcclient.request("getServerInfo"),
        jsonrpcclient.request("getConnection", params=["nobody"]),
        jsonrpcclient.request("getNothing"),
        jsonrpcclient.request_uuid("getConnections"),
    ]


def shown(call, answer):
    parsed = jsonrpcclient.parse(answer)
    if parsed.id != call["id"]:
        raise ValueError(f"the id {call['id']!r} came back as {parsed.id!r}")
    if isinstance(parsed, jsonrpcclient.Ok):
        return {"result": parsed.result}
    return {"code": parsed.code, "message": parsed.message}


def main():
    port = int(sys.argv[1])

    def post(message):
        return requests.post(f"http://127.0.0.1:{port}/", json=message, timeout=30)

    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        stream = connection.makefile("rw")

        def line(message):
            stream.write(json.dumps(message) + "\n")
            stream.flush()
            return json.loads(stream.readline())

        note = jsonrpcclient.notification("getConnections")
        silent = post(note)
        stream.write(json.dumps(note) + "\n")
        batch = calls()
        results = {
            "http": [shown(call, post(call).json()) for call in calls()],
            # The notification before has no answer: were there one, the ids would not fit.
            "lines": [shown(call, line(call)) for call in calls()],
            "batch_http": list(map(shown, batch, post(batch).json())),
            "batch_lines": list(map(shown, batch, line(batch))),
            "notification": [silent.status_code, silent.text],
        }
    json.dump(results, sys.stdout)


main()
