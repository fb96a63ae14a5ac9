#!/usr/bin/env python3
"""What `conns` answers of the packets of a media server is what the server itself answered.

usage: ems_recordings.py [-v] [FOLDER...]     $CONNS is the binary; default: every folder of corpus/ems-captures

Cause: a recording (capture.pcap.gz) of an EvoStream Media Server and its clients, replayed to the moment of each answer of the server.
Oracle: those answers (answers.jsonl), and the bytes of each connection as counted here.
Right: the same entries, and every value equal, but for what packets cannot show. Such an exception is a rule computed from the recording
(`EXCEPTIONS`), and is counted in the table. Elements are created within 2 ms, in the median. No name, size or order of a recording is known here.
"""
import bisect, collections, json, os, pathlib, statistics, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "fuzz/record"))
import recorded

CONNS = os.environ.get("CONNS", "conns")
FOLDERS = pathlib.Path(__file__).resolve().parents[2] / "corpus/ems-captures"
LIST = "listConnections excludeNonNetworkProtocols=0"
MAX_MEDIAN_MS = 2
# The command lines of the server.
CLI = {1112, 1222, 7777}
STREAM = ("type", "typeNumeric", "name", "bandwidth", "connectionType", "ingestPoint", "streamAlias", "canDropFrames", "tcUrl", "swfUrl", "pageUrl", "userAgent",
          "serverAgent", "ip", "port", "nearIp", "nearPort", "farIp", "farPort")
COUNTS = ("packetsCount", "bytesCount", "droppedPacketsCount", "droppedBytesCount")
PICTURE = ("width", "height", "profile", "level")
ENCRYPTED = {"ISSL", "OSSL", "RE"}

# Why a value may differ. Each is decided by `Entry` from the packets and the server's answer.
EXCEPTIONS = {
    "encrypted": "inside of TLS or RC4",
    "unread": "the peer stopped to read: the server sent more than is on the wire, which has exactly what conns shows",
    "unprocessed": "the server has not read all that is on the wire, which has exactly what conns shows",
    "unplayed": "the name that a server has for what it pulls, or receives as FLV, is on the wire only if it is played",
    "random": "the server's name of a transport stream has a random part",
    "silent": "a socket without a packet so far",
    "bound": "when a UDP socket was bound or closed is not on the wire, but that the receiver of a transport stream was bound before",
}


class Wire:
    """The payload of each TCP connection of a capture, by time."""

    def __init__(self, path):
        self.sent = collections.defaultdict(lambda: ([], []))
        self.datagrams = collections.defaultdict(list)
        for packet in recorded.packets(path):
            if packet.is_udp:
                self.datagrams[packet.target[1]].append(packet.at_us)
        for packet in recorded.data(path):
            ends = packet.source[1], packet.target[1]
            if packet.flags & recorded.SYN:
                self.sent[ends] = ([], [])
                continue
            times, sums = self.sent[ends]
            times.append(packet.at_us)
            sums.append((sums[-1] if sums else 0) + len(packet.payload))

    def bytes(self, source, target, until):
        times, sums = self.sent[source, target]
        count = bisect.bisect_right(times, until)
        return sums[count - 1] if count else 0


class Entry:
    """Why values of an entry may differ: the exceptions that hold for it."""

    def __init__(self, theirs, ours, wire, at):
        # The listing of the streams has no bytes of the carrier by which it could be seen what the server has read.
        self.wire = wire
        carrier, mine = theirs["carrier"], ours["carrier"]
        tags = {element["type"] for element in theirs["stack"]}
        self.reasons = set()
        # Behind TLS and in a tunnel of HTTP elements are created with the first bytes inside.
        self.is_late_above = bool(tags & (ENCRYPTED | {"IH4R"}))
        if tags & ENCRYPTED:
            self.reasons.add("encrypted")
        if "tx" in carrier:
            sent = wire.bytes(carrier["nearPort"], carrier["farPort"], at)
            received = wire.bytes(carrier["farPort"], carrier["nearPort"], at)
            if carrier["tx"] > sent == mine.get("tx"):
                self.reasons.add("unread")
            if carrier["rx"] < received == mine.get("rx"):
                self.reasons.add("unprocessed")

    @classmethod
    def of_stream(cls, entry, wire):
        """What holds for a transport stream, besides what holds for its connection."""
        new = cls.__new__(cls)
        new.wire, new.reasons = wire, (entry.reasons if entry else set()) | {"random"}
        return new

    def just_received(self, stream, at):
        """Whether a packet of the connection of a stream came within the last 2 ms: the server may not have read it."""
        ends = stream["farPort"], stream["nearPort"]
        return self.wire.bytes(*ends, at) != self.wire.bytes(*ends, at - 2000)

    def reason(self, candidates):
        return next((reason for reason in candidates if reason in self.reasons), None)


def candidates(field, stream):
    """Which exceptions could hold for a field; `stream` is the server's stream that it is of."""
    name = field.rsplit(".", 1)[-1]
    is_output = stream is not None and stream["type"].startswith("O")
    if field in ("carrier.tx", "stack.txInvokes"):
        return {"unread", "encrypted"} if field.startswith("stack") else {"unread"}
    if field == "carrier.rx":
        return {"unprocessed"}
    if field == "stack.rxInvokes":
        return {"unprocessed", "encrypted"}
    if field in ("stack.userAgent", "stack.serverAgent", "stack.keys", "number of streams"):
        return {"encrypted"}
    if name in COUNTS:
        return set() if is_output else {"unprocessed"}
    if name == "name" and not is_output:
        return {"random"} if stream["type"] == "INTS" else {"unplayed"}
    return set()


class Tally:
    def __init__(self):
        self.rows = collections.defaultdict(lambda: [0, 0, 0, 0, []])
        self.excepted = collections.Counter()
        self.late = {}
        self.answers = self.writers = 0
        # The inputs of a recording that are played at any time.
        self.played = set()

    def same(self, field, theirs, ours, where, entry=None, stream=None):
        row = self.rows[field]
        row[0] += 1
        if type(theirs) in (int, float) and type(ours) in (int, float):
            row[3] = max(row[3], abs(theirs - ours))
        if theirs == ours:
            row[1] += 1
            return
        reason = entry and entry.reason(candidates(field, stream))
        if reason:
            row[2] += 1
            self.excepted[reason] += 1
        else:
            row[4].append(f"{where}: server {theirs!r}, conns {ours!r}")

    def created(self, what, theirs, ours, key):
        # One connection is polled several times: its time counts once.
        self.late.setdefault((what, key, theirs["creationTimestamp"]), abs(ours["creationTimestamp"] - theirs["creationTimestamp"]))

    def stream(self, theirs, ours, where, entry, key):
        def same(field, a, b):
            self.same(field, a, b, where, entry, theirs)

        is_named_on_wire = theirs["type"] != "INLFLV" and theirs["connectionType"] != 1
        if entry and not is_named_on_wire and theirs["uniqueId"] not in self.played:
            entry.reasons.add("unplayed")
        for name in STREAM:
            same(f"stream.{name}", theirs.get(name), ours.get(name))
        same("stream.keys", list(theirs), list(ours))
        if theirs["farPort"]:
            self.created("stream", theirs, ours, key)
        up = round(ours["queryTimestamp"] - ours["creationTimestamp"], 3)
        same("stream.upTime", round(ours["upTime"], 3), up)
        for track in ("audio", "video"):
            a, b = theirs[track], ours[track]
            same(f"{track}.keys", list(a), list(b))
            for name in ("codec", "codecNumeric", *COUNTS):
                same(f"{theirs['type']} {track}.{name}", a[name], b[name])
            # Of other codecs the server shows what is in its memory.
            for name in PICTURE if a["codec"] == "VH264" else ():
                same(f"video.{name}", a[name], b[name])

    def entry(self, theirs, ours, where, entry, key):
        def same(field, a, b):
            self.same(field, a, b, where, entry)

        same("entry.keys", list(theirs), list(ours))
        same("carrier.keys", list(theirs["carrier"]), list(ours["carrier"]))
        for name in ("type", "nearIP", "nearPort", "farIP", "farPort", "rx", "tx"):
            if name in theirs["carrier"]:
                same(f"carrier.{name}", theirs["carrier"][name], ours["carrier"].get(name))
        same("stack types", [e["type"] for e in theirs["stack"]], [e["type"] for e in ours["stack"]])
        for a, b in zip(theirs["stack"], ours["stack"]):
            same("stack.keys", list(a), list(b))
            if theirs["carrier"]["type"] == "IOHT_TCP_CARRIER" and (not entry.is_late_above or a["type"] == "TCP"):
                self.created(a["type"], a, b, key)
            for name in ("rxInvokes", "txInvokes", "userAgent", "serverAgent"):
                if name in a or name in b:
                    same(f"stack.{name}", a.get(name), b.get(name))
            mine, real = b.get("streams") or [], a.get("streams") or []
            same("number of streams", len(real), len(mine))
            for number, (x, y) in enumerate(zip(real, mine)):
                self.stream(x, y, where, entry, (*key, number))
        for name in ("pullSettings", "pushSettings"):
            if name in theirs and name in ours:
                same(f"{name}.keys", list(theirs[name]), list(ours[name]))

    def links(self, theirs, ours, unseen, where):
        """Which outputs are of which input: the ids are the server's own, so they are replaced by ends and number."""
        def named(streams):
            count, names = collections.Counter(), {}
            for stream in streams:
                ends = (stream["nearPort"], stream["farPort"])
                names[stream["uniqueId"]] = (*ends, count[ends])
                count[ends] += 1
            return names

        def graph(streams):
            names = named(streams)
            for stream in streams:
                inputs = names.get(stream.get("inStreamUniqueId"))
                outputs = {names.get(one) for one in stream.get("outStreamsUniqueIds") or () if one not in unseen}
                yield names[stream["uniqueId"]], (inputs, sorted(filter(None, outputs)))

        mine, real = dict(graph(ours)), dict(graph(theirs))
        for name, links in real.items():
            self.same("links", links, mine.get(name), where)


def moment(line):
    for entry in line["answer"]["data"] or []:
        element = entry["stack"][0] if "stack" in entry else entry
        return round(element["queryTimestamp"] * 1000)
    return line["t1_us"]


def ask(folder, at, chosen, command):
    words = [CONNS, "call", "--read", str(folder / "capture.pcap.gz"), "--until", str(at), "--ems-streams", chosen, command]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ran.returncode in (0, 3), ran
    answer = json.loads(ran.stdout)
    assert answer["status"] == "SUCCESS", answer
    return answer


def key(entry):
    carrier = entry["carrier"]
    return carrier["type"], carrier["nearPort"], carrier.get("farIP"), carrier.get("farPort")


def is_ordered(entry):
    tags = {element["type"] for element in entry["stack"]}
    return entry["carrier"] is not None and "UDP" not in tags and not tags & {"ISSL", "OSSL"}


def sockets(folder, with_cli):
    """The filter of the sockets of the server."""
    terms = []
    for words, owner in json.loads((folder / "who.json").read_text()).items():
        protocol, near, *far = [word.rsplit(":", 1)[-1] for word in words.split() if word != "->"]
        if owner == "server" and (with_cli or int(near) not in CLI):
            terms.append(f"(proto == {protocol} and local_port == {near}" + (f" and remote_port == {far[0]})" if far else ")"))
    return " or ".join(terms) or "local_port == 1935"


def recording(folder, tally):
    wire = Wire(folder / "capture.pcap.gz")
    chosen = sockets(folder, with_cli=False)
    listed = None
    entries = {}
    lines = [json.loads(text) for text in (folder / "answers.jsonl").read_text().splitlines()]
    streams = [stream for line in lines if line.get("command") == "listStreams" for stream in line["answer"]["data"] or ()]
    tally.played = {stream.get("inStreamUniqueId") for stream in streams}
    for line in lines:
        command = line.get("command")
        where = f"{folder.name} {line.get('moment', '')}"
        if command == LIST:
            tally.answers += 1
            at = moment(line)
            listed = line["answer"]["data"] or []
            answer = ask(folder, at, chosen, command)
            tally.same("description, status", *[(one["description"], one["status"]) for one in (line["answer"], answer)], where)
            tally.same("null if nothing is listed", answer["data"] is None, answer["data"] is None or not answer["data"], where)
            ours = collections.defaultdict(list)
            for entry in answer["data"] or []:
                ours[key(entry)].append(entry)
            # By the id of the last element: behind TLS the server makes it when it has decrypted the first bytes.
            tally.same("order", *[[key(entry) for entry in data if is_ordered(entry) and key(entry) in ours] for data in (listed, answer["data"] or [])], where)
            entries = {}
            for entry in listed:
                if entry["carrier"] is None:
                    tally.writers += 1
                elif ours[key(entry)]:
                    mine = ours[key(entry)].pop(0)
                    ends = entry["carrier"]["nearPort"], entry["carrier"].get("farPort", 0)
                    entries[ends] = Entry(entry, mine, wire, at)
                    tally.entry(entry, mine, where, entries[ends], (folder.name, *key(entry)))
                else:
                    silent = "farPort" not in entry["carrier"] and not any(time <= at for time in wire.datagrams[entry["carrier"]["nearPort"]])
                    row = tally.rows["listed"]
                    row[0] += 1
                    row[2] += silent
                    tally.excepted["silent"] += silent
                    if not silent:
                        row[4].append(f"{where} {key(entry)}: not listed by conns")
            tally.same("invented", 0, sum(len(rest) for rest in ours.values()), where)
        elif command == "listStreams" and listed is not None:
            tally.answers += 1
            at = moment(line)
            answer = ask(folder, at, chosen, command)
            unseen = {s["uniqueId"] for e in listed if e["carrier"] is None for s in e["stack"][-1].get("streams") or ()}
            theirs = [stream for stream in line["answer"]["data"] or [] if stream["uniqueId"] not in unseen]
            ours = answer["data"] or []
            # A stream of an encrypted connection is unknown.
            def visible(stream):
                entry = entries.get((stream["nearPort"], stream["farPort"]))
                return not entry or "encrypted" not in entry.reasons
            theirs, ours = [[stream for stream in streams if visible(stream)] for streams in (theirs, ours)]
            ends = lambda stream: (stream["nearPort"], stream["farPort"])
            tally.same("listStreams", *[sorted(map(ends, streams)) for streams in (theirs, ours)], where)
            by_ends = collections.defaultdict(list)
            for stream in ours:
                by_ends[ends(stream)].append(stream)
            for number, stream in enumerate(theirs):
                if by_ends[ends(stream)]:
                    entry = entries.get(ends(stream))
                    if stream["type"] == "INTS":
                        # Its entry has no list of streams.
                        entry = Entry.of_stream(entry, wire)
                    if entry and stream["farPort"] and entry.just_received(stream, at):
                        entry.reasons.add("unprocessed")
                    tally.stream(stream, by_ends[ends(stream)].pop(0), where, entry, (folder.name, ends(stream), number))
            tally.links(theirs, ours, unseen, where)
        elif command == "getConnectionsCount":
            tally.answers += 1
            count = ask(folder, line["t0_us"], sockets(folder, with_cli=True), command)["data"]["count"]
            theirs = line["answer"]["data"]["count"]
            tally.same("getConnectionsCount", theirs, count, where, Datagrams(folder, wire, line["t0_us"], theirs - count))


class Datagrams:
    """Why the number of sockets may differ: those of UDP that were bound and have no packet yet, or were closed since."""

    def __init__(self, folder, wire, at, missing):
        ports = [int(words.rsplit(":", 1)[1]) for words, owner in json.loads((folder / "who.json").read_text()).items()
                 if owner == "server" and words.startswith("udp")]
        active = sum(any(time <= at for time in wire.datagrams[port]) for port in ports)
        self.holds = -active <= missing <= len(ports) - active

    def reason(self, _):
        return "bound" if self.holds else None


def main():
    words = [word for word in sys.argv[1:] if word != "-v"]
    folders = [pathlib.Path(word) for word in words] or sorted(path.parent for path in FOLDERS.glob("*/capture.pcap.gz"))
    assert folders, f"no recordings in {FOLDERS}"
    tally = Tally()
    for folder in folders:
        recording(folder, tally)
    wrong = 0
    print(f"{'field':36} {'compared':>8} {'equal':>8} {'excepted':>8} {'share':>9}  largest difference")
    for field, (count, equal, excepted, largest, differ) in sorted(tally.rows.items(), key=lambda row: row[1][1] / row[1][0]):
        print(f"{field:36} {count:8} {equal:8} {excepted:8} {100 * equal / count:7.2f} %  {largest:g}")
        wrong += len(differ)
        for one in differ if "-v" in sys.argv else differ[:3]:
            print(f"      {one}")
    for reason, count in tally.excepted.items():
        print(f"excepted {count}: {EXCEPTIONS[reason]}")
    by_type = collections.defaultdict(list)
    for (what, *_), late in tally.late.items():
        by_type[what].append(late)
        by_type["all"].append(late)
    for what, late in sorted(by_type.items()):
        median = statistics.median(late)
        print(f"creation of {what:8} median {median:.2f} ms off, largest {max(late):.2f} ms ({len(late)})")
        if what == "all" and median > MAX_MEDIAN_MS:
            wrong += 1
    count, equal = [sum(row[at] for row in tally.rows.values()) for at in (0, 1)]
    print(f"{tally.answers} answers of {len(folders)} recordings: {equal} of {count} values equal, {sum(tally.excepted.values())} excepted, {wrong} differ; "
          f"{tally.writers} entries without a socket are not compared")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
