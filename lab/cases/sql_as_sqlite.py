#!/usr/bin/env python3
"""`conns sql` answers as Debian's sqlite3 does on the exported CSV, for a capture file and for sockets that are open here.

Cause: a recorded capture with connections in several states; and 40 connections and 3 listeners of this program.
Oracle: sqlite3, which imports `conns -a -o csv --columns all` and answers the same queries; and the sockets that are open.
Right: the rows are equal.
"""
import json, os, signal, socket, subprocess, sys, tempfile, urllib.error, urllib.request

import waiting

CONNS = os.environ.get("CONNS", "conns")
CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus/ems-captures")
HERE = ["--netns", "self"]
QUERIES = [
    "select state, count(*), sum(bytes_out), sum(bytes_in), min(rtt_us) from {t} group by state order by state",
    "select local, remote, bytes_out from {t} where bytes_out > (select avg(bytes_out) from {t}) order by 1, 2, 3",
    "select count(*), count(rtt_us), count(process), count(closed_by), max(age_us) from {t}",
    "select a.remote, b.bytes_in from {t} a join {t} b on a.local = b.remote and a.remote = b.local order by 1, 2 limit 50",
    "select proto, direction, count(distinct local_port) from {t} group by 1, 2 order by 1, 2",
]


def conns(*arguments):
    found = subprocess.run([CONNS, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # 3 is an answer of which a part could not be read.
    assert found.returncode in (0, 3), (arguments, found.returncode, found.stderr)
    return found.stdout


def sql(query, *source):
    return [list(row.values()) for row in json.loads(conns("sql", query, "-o", "json", *source))["rows"]]


def sqlite(database, query):
    found = subprocess.run(["sqlite3", "-json", database, query], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [list(row.values()) for row in json.loads(found or "[]")]


def recorded(folder, directory):
    """Whether both answer the same about one capture."""
    source = ["--read", os.path.join(CORPUS, folder, "capture.pcap.gz")]
    table, file = os.path.join(directory, folder + ".db"), os.path.join(directory, folder + ".csv")
    with open(file, "w") as out:
        out.write(conns("-a", "-o", "csv", "--columns", "all", *source))
    columns = sql("select key, type from fields", *source)
    kinds = {"text": "text", "address": "text", "endpoint": "text", "list": "text", "bool": "text", "rate": "real", "percent": "real"}
    declared = ", ".join(f'"{key}" {kinds.get(kind, "integer")}' for key, kind in columns)
    empty = ", ".join(f'"{key}" = nullif("{key}", \'\')' for key, _ in columns)
    script = f"create table t({declared});\n.mode csv\n.import --skip 1 {file} t\nupdate t set {empty};\n"
    subprocess.run(["sqlite3", table], input=script, check=True, text=True)
    for query in QUERIES:
        ours = sql(query.format(t="connections"), *source)
        theirs = sqlite(table, query.format(t="t"))
        assert ours == theirs, f"{folder}: {query}\nconns   {ours}\nsqlite3 {theirs}"
    assert sql("select count(*) from connections", *source)[0][0] > 0, folder


def live():
    listeners, ends = [], []
    for _ in range(3):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
    for i in range(40):
        listener = listeners[i % 3]
        end = socket.create_connection(listener.getsockname())
        ends += [end, listener.accept()[0]]
    ports = sorted(listener.getsockname()[1] for listener in listeners)
    found = sql(f"select local_port, process, pid from listeners where pid = {os.getpid()} order by 1", *HERE)
    name = open("/proc/self/comm").read().strip()
    assert found == [[port, name, os.getpid()] for port in ports], found
    found = sql("select local_port, count(*) from connections where direction = 'inbound' and state = 'ESTAB' group by 1 order by 1", *HERE)
    assert found == [[port, sum(1 for i in range(40) if listeners[i % 3].getsockname()[1] == port)] for port in ports], found
    found = sql(f"select sockets, connections, listeners from processes where pid = {os.getpid()}", *HERE)
    assert found == [[83, 80, 3]], found
    # Every owner is in the list, as JSON.
    found = sql("select distinct json_extract(o.value, '$.pid') from connections c, json_each(c.owners) o where c.state = 'ESTAB'", *HERE)
    assert found == [[os.getpid()]], found


def refused():
    for query in ["delete from connections", "attach 'x' as y", "select 1; select 2", "select nothing from connections", ""]:
        found = subprocess.run([CONNS, "sql", query], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert found.returncode == 2 and found.stderr and not found.stdout, (query, found)


def posted(query, url):
    """Status and answer of a query over HTTP."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url + "/api/v1/sql", query.encode())) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, None


def served(directory, ports, more=()):
    """An agent, confined as it is, answers the same over HTTP and to `--agent`."""
    url = "http://127.0.0.1:17990"
    config = os.path.join(directory, "empty.toml")
    open(config, "w").close()
    agent = subprocess.Popen([CONNS, "serve", "--config", config, "--listen", "http=127.0.0.1:17990", "--interval", "200ms", *more],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        status, _ = waiting.until("the agent answers", lambda: (found := posted("select 1", url))[0] and found)
        if more:
            assert status == 403, status
            return
        chosen = ", ".join(map(str, ports))
        query = f"select local_port, process from listeners where local_port in ({chosen}) order by 1"
        name = open("/proc/self/comm").read().strip()
        expected = [{"local_port": port, "process": name} for port in ports]
        rows = lambda: posted(query, url)[1]["rows"] == expected
        waiting.until(f"it lists {expected}", rows)
        assert sql(query, "--agent", url) == [list(row.values()) for row in expected]
        status, answer = posted("drop table listeners", url)
        assert (status, answer["error"]["code"]) == (400, "bad-sql"), answer
        status, answer = posted("with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c", url)
        assert (status, answer["error"]["code"]) == (400, "query-too-costly"), answer
    finally:
        agent.send_signal(signal.SIGTERM)
        assert agent.wait() == 0, agent.returncode


with tempfile.TemporaryDirectory() as directory:
    for folder in ["rtmp-publish-two-players", "rtmp-ipv6", "rtmp-failures"]:
        recorded(folder, directory)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
live()
refused()
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
ports = sorted(listener.getsockname()[1] for listener in listeners)
with tempfile.TemporaryDirectory() as directory:
    served(directory, ports)
    served(directory, ports, ["--history-sql=false"])
