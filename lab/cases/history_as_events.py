#!/usr/bin/env python3
"""What ended and what failed is in the history exactly once, with the figures of its event; sums, exports and the past agree with it.

Cause: connections that close by FIN and RST from either end, attempts that are refused, and connections that stay open, while
`conns events` records; then the agent is killed, started again, loses its disk, and gets it back.
Oracle: the recorded events; the sockets that this program has open; Debian's sqlite3 on the exported CSV; DuckDB on the exported Parquet.
Right: all are equal.
"""
import atexit, json, os, signal, socket, struct, subprocess, sys, tempfile, time, urllib.request

import waiting

CONNS = os.environ.get("CONNS", "conns")
CLIENTS = os.environ.get("CONNS_CLIENTS") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../target/clients")
URL = "http://127.0.0.1:17991"
KEYS = ["local_addr", "local_port", "remote_addr", "remote_port", "process", "pid", "direction", "bytes_in", "bytes_out", "ended",
        "closed_by", "duration_us", "handshake_us", "first_use_us", "rtt_us", "min_rtt_us", "total_retrans", "data_segs_out", "opened_at_us",
        "closed_at_us", "verdict", "confidence_percent", "loss_percent", "user", "process_uid", "proto", "family"]


def conns(*arguments, fails=False):
    found = subprocess.run([CONNS, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert (found.returncode not in (0, 3)) == fails, (arguments, found.returncode, found.stderr)
    return found.stderr if fails else found.stdout


class Agent:
    def __init__(self, history, *more):
        self.folder = tempfile.TemporaryDirectory()
        self.config = os.path.join(self.folder.name, "empty.toml")
        open(self.config, "w").close()
        self.process = subprocess.Popen(
            [CONNS, "serve", "--config", self.config, "--listen", "http=" + URL.removeprefix("http://"), "--interval", "200ms",
             "--history-path", history, "--history-size", "64MiB", *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Where a check fails, too.
        atexit.register(self.process.kill)
        waiting.until("the agent answers", lambda: health() is not None)

    def end(self, by=signal.SIGTERM):
        self.process.send_signal(by)
        code = self.process.wait()
        assert code == (0 if by == signal.SIGTERM else -by), code


def health():
    try:
        with urllib.request.urlopen(URL + "/api/v1/health") as answer:
            return json.load(answer)
    except OSError:
        return None


def losses():
    return json.dumps(health() or {})


def sql(query, *source):
    return [list(row.values()) for row in json.loads(conns("sql", query, "-o", "json", *source))["rows"]]


def traffic(server, count):
    """Connections that end in several ways, and attempts that fail."""
    for i in range(count):
        client = socket.create_connection(server.getsockname())
        end, _ = server.accept()
        client.sendall(b"x" * (1 + 37 * i))
        end.recv(1 << 20)
        end.sendall(b"y" * (1 + 1000 * (i % 90)))
        client.recv(1 << 20)
        first, second = (client, end) if i % 2 else (end, client)
        if i % 5 == 0:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        second.close()
        if i % 10 == 0:
            refused = socket.socket()
            assert refused.connect_ex(("127.0.0.1", 9)) != 0
            refused.close()


def recorded(file):
    events = [json.loads(line) for line in open(file)]
    return {(event["netns_inode"], event["cookie"]): event for event in events if event["event"] in ("closed", "failed")}


def equal(table, events, history):
    """Rows of a table, each of which equals its event."""
    columns = [name for name in KEYS if table == "closed" or name not in
               ("bytes_in", "bytes_out", "closed_by", "handshake_us", "first_use_us", "rtt_us", "min_rtt_us", "data_segs_out", "verdict",
                "confidence_percent", "loss_percent")]
    rows = sql(f"select netns_inode, cookie, {', '.join(columns)} from {table}", "--history", history, "--limit", "1000000")
    seen = set()
    for row in rows:
        event = events.get((row[0], row[1]))
        # Connections of the agent itself, before events were recorded.
        if event is None:
            continue
        assert (row[0], row[1]) not in seen, f"twice: {row}"
        seen.add((row[0], row[1]))
        for name, value in zip(columns, row[2:]):
            assert event.get(name) == value, f"{table}: {name} is {value}, its event has {event.get(name)}"
    return seen


def listed_in_the_past(port, moment, ends, source):
    """Flags of lists work on the past: what ended since a moment, and what was there."""
    among = f"pid = {os.getpid()} and (local_port = {port} or remote_port = {port})"
    asked = lambda *flags: conns(*flags, among, *source)
    period = ["--closed", "--from", moment, "--to", "now"]
    closed = json.loads(asked(*period, "-o", "json", "--sort", "-local_port"))["connections"]
    assert {(row["local_port"], row["remote_port"]) for row in closed} == ends and len(closed) == len(ends), closed[:2]
    assert [row["local_port"] for row in closed] == sorted((row["local_port"] for row in closed), reverse=True), closed[:2]
    assert all(row["ended"] in ("fin", "rst-in", "rst-out") and row["closed_at_us"] for row in closed), closed[:2]
    assert len(asked(*period, "-o", "jsonl", "--limit", "3").splitlines()) == 3
    for flags in (period, ["--at", moment]):
        [group] = json.loads(asked(*flags, "--group-by", "pid", "-o", "json"))["groups"]
        assert (int(group["pid"]), group["connections"]) == (os.getpid(), len(ends)), group
    [listener] = json.loads(asked("--at", moment, "-l", "-o", "json"))["connections"]
    assert (listener["state"], listener["local_port"]) == ("LISTEN", port), listener
    assert len(json.loads(asked("--at", moment, "-a", "-o", "json"))["connections"]) == len(ends) + 1


def past(history, server):
    """Connections that are open are those of the moment, also once they are closed."""
    held = []
    for _ in range(20):
        client = socket.create_connection(server.getsockname())
        held += [client, server.accept()[0]]
        client.sendall(b"z" * 5000)
        held[-1].recv(1 << 20)
    ends = {(s.getsockname()[1], s.getpeername()[1]) for s in held}
    agent = Agent(history)
    open_rows = lambda: sql(f"select count(*) from samples where pid = {os.getpid()} and state = 'ESTAB'", "--history", history)[0][0]
    waiting.until("they are kept", lambda: open_rows() >= len(held))
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 1))
    time.sleep(1.2)
    for one in held:
        one.close()
    ports = ", ".join(str(port) for port, _ in ends)
    count = f"select count(*) from closed where local_port in ({ports}) and remote_port in ({ports})"
    waiting.until("their ends are kept", lambda: sql(count, "--history", history)[0][0] >= len(held))
    for source in (["--history", history], ["--agent", URL]):
        listed = json.loads(conns("--at", moment, f"pid = {os.getpid()}", "-o", "json", "--columns", "local_port,remote_port,bytes_in,bytes_out,process", *source))
        found = {(row["local_port"], row["remote_port"]) for row in listed["connections"]}
        assert found == ends, f"{source}: {sorted(found ^ ends)}"
        assert {(row["bytes_in"], row["bytes_out"]) for row in listed["connections"]} == {(0, 5000), (5000, 0)}, listed["connections"][:2]
        # Now there is none of them.
        now = json.loads(conns("--at", "now", f"pid = {os.getpid()}", "-o", "json", *source))
        assert not now["connections"], [row["local_port"] for row in now["connections"]]
        why = conns("why", "--from", "1m ago", f"pid = {os.getpid()}", "-a", *source)
        assert "127.0.0.1" in why, why
        ended = conns("events", "--since", "1m ago", "--to", "now", f"pid = {os.getpid()}", *source)
        assert len([line for line in ended.splitlines() if " closed " in line]) >= len(held), ended
        listed_in_the_past(server.getsockname()[1], moment, ends, source)
    reach = lambda *source: {table["name"]: table["from_us"] for table in json.loads(conns("history", "-o", "json", *source))["tables"]
                             if table["name"] in ("closed", "failed", "samples")}
    assert reach("--history", history) == reach("--agent", URL), (reach("--history", history), reach("--agent", URL))
    without = conns("--at", "2001-01-01", "--history", history, fails=True)
    assert "no agent sampled" in without, without
    agent.end()


def exported(history, directory):
    """Exports, as others read them."""
    csv, parquet, table = (os.path.join(directory, name) for name in ("closed.csv", "closed.parquet", "closed.db"))
    for file in (csv, parquet):
        conns("history", "export", "closed", file, "--history", history)
    names = conns("history", "export", "closed", "-", "--history", history).splitlines()[0].split(",")
    kinds = dict(sql_columns("closed"))
    declared = ", ".join(f'"{name}" {kinds[name]}' for name in names)
    empty = ", ".join(f'"{name}" = nullif("{name}", \'\')' for name in names)
    script = f"create table closed({declared});\n.mode csv\n.import --skip 1 {csv} closed\nupdate closed set {empty};\n"
    subprocess.run(["sqlite3", table], input=script, check=True, text=True)
    for query in ["select count(*), count(rtt_us), sum(bytes_in), sum(bytes_out), min(at_us), max(at_us) from closed",
                  "select ended, closed_by, count(*), sum(duration_us) from closed group by 1, 2 order by 1, 2",
                  "select id, remote_port, bytes_in from closed order by bytes_in desc, id limit 20"]:
        ours = sql(query, "--history", history)
        found = subprocess.run(["sqlite3", "-json", table, query], check=True, stdout=subprocess.PIPE, text=True).stdout
        theirs = [list(row.values()) for row in json.loads(found or "[]")]
        assert ours == theirs, f"{query}\nconns   {ours}\nsqlite3 {theirs}"
        program = "import duckdb, json, sys; print(json.dumps([list(row) for row in duckdb.sql(sys.argv[1]).fetchall()]))"
        found = subprocess.run([os.path.join(CLIENTS, "bin/python"), "-c", program, query.replace("from closed", f"from '{parquet}'")],
                               check=True, stdout=subprocess.PIPE, text=True).stdout
        theirs = json.loads(found)
        assert ours == theirs, f"{query}\nconns  {ours}\nDuckDB {theirs}"


def sql_columns(table):
    found = json.loads(conns("sql", "--tables", "-o", "json"))["rows"]
    return [(row["column"], row["type"]) for row in found if row["table"] == table]


def disks(directory):
    """A disk that is full, and one that cannot be written."""
    disk = os.path.join(directory, "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    try:
        history = os.path.join(disk, "history.db")
        server = socket.create_server(("127.0.0.1", 0))
        agent = Agent(history)
        count = lambda: sql("select count(*) from closed", "--history", history)[0][0]
        traffic(server, 20)
        before = waiting.until("rows are kept", lambda: (kept := count()) >= 40 and kept)
        oldest = lambda: sql("select min(at_us) from closed", "--history", history)[0][0]
        first = oldest()
        with open(os.path.join(disk, "filler"), "wb") as filler:
            try:
                while filler.write(b"x" * 65536):
                    filler.flush()
            except OSError:
                pass
        full = os.statvfs(disk)
        assert full.f_bavail == 0, full
        # Writes fail, or replace older rows; the agent goes on, and reports it as long as they fail.
        traffic(server, 200)
        waiting.until("the agent goes on", lambda: health() is not None)
        assert subprocess.run(["sqlite3", f"file:{history}?mode=ro", "pragma integrity_check"], stdout=subprocess.PIPE, text=True).stdout.strip() == "ok"
        os.remove(os.path.join(disk, "filler"))
        traffic(server, 20)
        waiting.until("it is written again", lambda: count() > before and "the history is not kept" not in losses())
        agent.end()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        agent = Agent(history)
        waiting.until("it reports that nothing is kept", lambda: "the history is not kept" in losses())
        agent.end()
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        # Two agents: the second has none.
        agent = Agent(history)
        second = subprocess.Popen([CONNS, "serve", "--config", agent.config, "--listen", "http=127.0.0.1:17992", "--history-path", history,
                                   "--history-size", "64MiB"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        line = second.stderr.readline()
        while "another agent" not in line:
            assert line, "the second agent does not report that the first one writes"
            line = second.stderr.readline()
        second.send_signal(signal.SIGTERM)
        # The signal may come before it handles signals.
        assert second.wait() in (0, -signal.SIGTERM)
        agent.end()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with tempfile.TemporaryDirectory() as directory:
    history = os.path.join(directory, "history.db")
    server = socket.create_server(("127.0.0.1", 0))
    agent = Agent(history)
    file = os.path.join(directory, "events.jsonl")
    recorder = subprocess.Popen([CONNS, "events", "--agent", URL, "--netns", str(os.stat("/proc/self/ns/net").st_ino), "-o", "jsonl", "--columns", "all"], stdout=open(file, "w"))
    atexit.register(recorder.kill)
    # It records from its first event on.
    waiting.until("events are recorded", lambda: (traffic(server, 1), os.path.getsize(file) > 0)[1])
    traffic(server, 300)
    complete = lambda: len([e for e in recorded(file).values() if e["event"] == "closed"]) >= 600
    waiting.until("the events are recorded", complete)
    last = sum(1 for _ in recorded(file))
    kept = lambda: sum(sql("select (select count(*) from closed) + (select count(*) from failed)", "--history", history)[0])
    waiting.until("they are kept", lambda: kept() >= last)
    recorder.send_signal(signal.SIGTERM)
    recorder.wait()
    time.sleep(1.5)
    events = recorded(file)
    seen = equal("closed", events, history) | equal("failed", events, history)
    missing = set(events) - seen
    assert not missing, f"{len(missing)} of {len(events)} events are not kept: {list(missing)[:3]}"
    failed = [event for event in events.values() if event["event"] == "failed"]
    assert len(failed) >= 30 and {event["ended"] for event in failed} == {"refused"}, failed[:2]
    assert {event["ended"] for event in events.values()} >= {"fin", "rst-in", "rst-out", "refused"}
    # Sums equal those over rows.
    over_rows = sql("select count(*), sum(bytes_in), sum(bytes_out), sum(ended = 'rst-out') from closed", "--history", history)[0]
    for table in ("hours", "days", "months"):
        sums = sql(f"select sum(connections), sum(bytes_in), sum(bytes_out), sum(ended_rst_out) from {table}", "--history", history)[0]
        assert sums == over_rows, f"{table}: {sums}, rows {over_rows}"
    # Killed, nothing of it is lost.
    rows = sql("select count(*) from closed", "--history", history)
    agent.end(signal.SIGKILL)
    assert sql("select count(*) from closed", "--history", history)[0][0] >= rows[0][0]
    past(history, server)
    assert sql("select count(*) from watched", "--history", history)[0][0] >= 2
    exported(history, directory)
    status = json.loads(conns("history", "--history", history, "-o", "json"))
    assert {table["name"] for table in status["tables"]} >= {"closed", "failed", "layers", "samples", "verdicts", "hours", "days", "months"}
    disks(directory)
