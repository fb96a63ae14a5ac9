"""Asks a Monero node's port with the libraries Monero's users write with; prints what each of them returned.

usage: monero_rpc.py PORT [USER PASSWORD]
"""

import json
import sys

import jsonrpcclient
import requests
from monero.backends.jsonrpc.daemon import JSONRPCDaemon
from monero.backends.jsonrpc.exceptions import MethodNotFound, Unauthorized
from monerorpc.authproxy import AuthServiceProxy, JSONRPCException

METHOD = "get_connections"


def with_monero(port, user, password):
    daemon = JSONRPCDaemon(port=port, user=user, password=password)
    try:
        answer = daemon.raw_jsonrpc_request(METHOD)
    except (MethodNotFound, Unauthorized) as error:
        return {"error": type(error).__name__}
    try:
        unknown = daemon.raw_jsonrpc_request("get_nothing")
    except MethodNotFound as error:
        unknown = type(error).__name__
    return {"result": answer, "unknown": unknown}


def with_monerorpc(port, user, password):
    login = f"{user}:{password}@" if user else ""
    proxy = AuthServiceProxy(f"http://{login}127.0.0.1:{port}/json_rpc")
    try:
        answer = proxy.get_connections()
    except JSONRPCException as error:
        return {"error": error.message, "code": error.code}
    try:
        unknown = proxy.get_nothing()
    except JSONRPCException as error:
        unknown = error.code
    return {"result": answer, "unknown": unknown}


def with_jsonrpcclient(port, user, password):
    auth = requests.auth.HTTPDigestAuth(user, password) if user else None
    session = requests.Session()
    answers = []
    # Three times, so that with a login the second and third use the nonce of the first.
    for _ in range(3):
        call = jsonrpcclient.request(METHOD)
        response = session.post(
            f"http://127.0.0.1:{port}/json_rpc", json=call, auth=auth, timeout=30
        )
        if response.status_code != 200:
            return {"error": response.status_code}
        answer = jsonrpcclient.parse(response.json())
        if not isinstance(answer, jsonrpcclient.Ok) or answer.id != call["id"]:
            return {"error": str(answer)}
        answers.append(answer.result)
    return {"result": answers[-1], "asked": len(answers)}


def main():
    port = int(sys.argv[1])
    user, password = sys.argv[2:4] if len(sys.argv) > 2 else ("", "")
    clients = {
        "monero": with_monero,
        "python-monerorpc": with_monerorpc,
        "jsonrpcclient": with_jsonrpcclient,
    }
    results = {name: client(port, user, password) for name, client in clients.items()}
    json.dump(results, sys.stdout, default=float)


main()
