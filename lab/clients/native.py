"""Reads the agent's metrics and its stream of changes with libraries made for such; prints what they made of it.

usage: native.py URL FILTER UPDATE_EVENT
Prints a line for each step of what the filter means; a line on standard input means that the next step was taken.
"""

import json
import sys

import requests
import sseclient
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as text_format


def metrics(url):
    # Without such a header the answer is in the text format, which the library reads too.
    text = requests.get(f"{url}/metrics", timeout=30)
    text.raise_for_status()
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4"), text.headers
    names = {sample.name for family in text_format(text.text) for sample in family.samples}
    assert {"conns_agent_samples_total", "conns_agent_build_info"} <= names, names
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    response = requests.get(f"{url}/metrics", headers=accept, timeout=30)
    response.raise_for_status()
    families = {}
    for family in text_string_to_metric_families(response.text):
        families[family.name] = {
            "type": family.type,
            "help": family.documentation,
            "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
        }
    return {"type": response.headers["content-type"], "families": families}


def stream(url, mean, **headers):
    ask = {"filter": mean, "fields": "local_port,remote_port", "updates": "false"}
    response = requests.get(
        f"{url}/api/v1/changes", params=ask, headers=headers, stream=True, timeout=30
    )
    response.raise_for_status()
    for event in sseclient.SSEClient(response).events():
        yield {"id": event.id, "event": event.event, "data": json.loads(event.data)}


def until(events, *names):
    """Events up to the first of one of these names."""
    seen = []
    for event in events:
        seen.append(event)
        if event["event"] in names:
            return seen
    raise EOFError(f"the stream ended after {seen}")


def step(name, received):
    print(json.dumps({name: received}), flush=True)
    sys.stdin.readline()


def events(url, mean, update):
    received = stream(url, mean)
    start = until(received, update)
    step("start", start)
    step("opened", until(received, "opened"))
    removed = until(received, "closed", "removed")
    resumed = until(stream(url, mean, **{"Last-Event-ID": start[-1]["id"]}), update)
    return {"removed": removed, "resumed": resumed}


def main():
    url, mean, update = sys.argv[1:4]
    results = {"metrics": metrics(url), "events": events(url, mean, update)}
    print(json.dumps(results), flush=True)


main()
