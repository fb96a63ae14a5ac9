#!/usr/bin/env python3
"""What `conns` shows of live RTMP is what the servers and clients themselves count.

Cause: two nginx with Debian's RTMP module. To A publish ffmpeg (H.264 and AAC, audio only, video only, H.264 with B-frames) and gstreamer; from it play
ffmpeg, rtmpdump and gstreamer. A pushes everything to B, and B pulls what is played there. An agent runs from before. Then the publishers are stopped.
Oracle: each server's own /stat, the kernel's bytes, and ffprobe's packets of the files that were sent.
Right: names, clients, codecs, sizes, profile, level, bytes in and out and the software of each client are equal, as rows and as `listStreams`.
"""
import collections, json, os, shutil, signal, subprocess, sys, tempfile, time, urllib.request, xml.etree.ElementTree

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
# How long the publishers are stopped at a time: players wait for longer.
STOPPED_S = 45
SECONDS = 100
PROFILES = {"Baseline": 66, "Main": 77, "High": 100}
# nginx keeps this much of the name of a client's software.
SOFTWARE = 31
# What each side sends before nginx counts: a version, and twice 1536 bytes.
HANDSHAKE = 1 + 2 * 1536
A, B = 1935, 1936
STAT = {A: 8080, B: 8081}
MEDIA = {
    "both": ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=10", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100",
             "-c:v", "libx264", "-profile:v", "baseline", "-g", "20", "-c:a", "aac", "-ac", "1"],
    # Neither is a multiple of 16.
    "bframes": ["-f", "lavfi", "-i", "testsrc=size=322x182:rate=25", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
                "-c:v", "libx264", "-profile:v", "high", "-bf", "3", "-g", "50", "-c:a", "aac", "-ac", "2"],
    "audio": ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-c:a", "aac"],
    "video": ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=10", "-c:v", "libx264", "-profile:v", "main", "-g", "20"],
}
CONFIGURATION = """load_module modules/ngx_rtmp_module.so;
worker_processes 1; daemon off; pid {folder}/{port}.pid; error_log {folder}/{port}.log;
events {{ worker_connections 512; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; {applications} }} }}
http {{ access_log off; client_body_temp_path {folder}/{port}.b; proxy_temp_path {folder}/{port}.p; fastcgi_temp_path {folder}/{port}.f;
uwsgi_temp_path {folder}/{port}.u; scgi_temp_path {folder}/{port}.s; server {{ listen 127.0.0.1:{stat}; location /stat {{ rtmp_stat all; }} }} }}
"""
APPLICATIONS = {
    A: f"application live {{ live on; push rtmp://127.0.0.1:{B}/pushed; }}",
    B: f"application pushed {{ live on; }} application pulled {{ live on; pull rtmp://127.0.0.1:{A}/live; }}",
}


class Running:
    """Processes of this test, which end with it."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []

    def start(self, *words):
        with open(f"{self.folder}/{len(self.processes)}.log", "wb") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def log(self, process):
        return f"{self.folder}/{self.processes.index(process)}.log"

    def end(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def stat(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{STAT[port]}/stat", timeout=10) as answer:
            return xml.etree.ElementTree.parse(answer).getroot()
    except OSError:
        return None


def streams_of(root):
    """Each stream of a server by application and name."""
    for application in root.iter("application"):
        for stream in application.iter("stream"):
            yield (application.findtext("name"), stream.findtext("name")), stream


def worker(port):
    """The process that has the sockets of a server."""
    return int(stat(port).findtext("pid"))


class Asked:
    def __init__(self, place):
        self.place = place

    def rows(self, pid):
        """The connections of a process that speak RTMP."""
        words = [CONNS, "--agent", self.place, "-o", "jsonl", "--columns", "all", f"pid == {pid} and app == rtmp"]
        ran = subprocess.run(words, capture_output=True, text=True)
        # 3: something of the whole machine is incomplete.
        assert ran.returncode in (0, 3), ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def call(self, pid, command):
        chosen = f"pid == {pid} and not local_port in (8080, 8081)"
        ran = subprocess.run([CONNS, "--agent", self.place, "call", "--ems-streams", chosen, command], capture_output=True, text=True)
        assert ran.returncode in (0, 3), ran.stderr
        answer = json.loads(ran.stdout)
        assert answer["status"] == "SUCCESS", answer
        return answer["data"]


def application(row, stream):
    """The application of the server that a stream is of; what it opened itself carries the other server's."""
    if row["rtmp.role"] == "client":
        return "pulled" if stream["direction"] == "in" else "live"
    return row["rtmp.app"]


def compare(asked, port, differ):
    """Compares a server's own statistics with what is shown of it."""
    root, pid = stat(port), worker(port)
    rows = asked.rows(pid)

    def equal(what, theirs, ours):
        if theirs != ours:
            differ.append(f"{port} {what}: nginx {theirs!r}, conns {ours!r}")

    ours = collections.defaultdict(lambda: {"in": [], "out": [], "software": []})
    for row in rows:
        equal(f"{row['local_port']} to {row['remote_port']} bytes that were not decoded", 0, row["app_gap_bytes"])
        for stream in row["rtmp.streams"] or []:
            one = ours[application(row, stream), stream["name"]]
            one[stream["direction"]].append(stream)
            if row["rtmp.role"] == "server":
                one["software"].append(row["rtmp.user_agent"][:SOFTWARE])
    theirs = dict(streams_of(root))
    equal("streams", sorted(theirs), sorted(ours))
    for key, stream in theirs.items():
        mine = ours[key]
        what = "/".join(key)
        inputs, outputs = mine["in"], mine["out"]
        equal(f"{what} clients", int(stream.findtext("nclients")), len(inputs) + len(outputs))
        equal(f"{what} publishers", 1, len(inputs))
        # What is dropped of a stream that is played, and what waits to be sent, counts as offered, and is not sent.
        moved = lambda one, kind: one[f"{kind}_bytes"] - one[f"{kind}_dropped_bytes"] - (one[f"{kind}_unsent_bytes"] or 0)
        total = lambda streams: sum(moved(one, kind) for one in streams for kind in ("audio", "video"))
        equal(f"{what} bytes in", int(stream.findtext("bytes_in")), total(inputs))
        equal(f"{what} bytes out", int(stream.findtext("bytes_out")), total(outputs))
        # A relay of the server has no software of its own in /stat.
        software = [client.findtext("flashver")[:SOFTWARE] for client in stream.iter("client") if client.findtext("flashver")]
        if not any(row["rtmp.role"] == "client" for row in rows):
            equal(f"{what} software", sorted(software), sorted(mine["software"]))
        video, audio = stream.find("meta/video"), stream.find("meta/audio")
        for one in inputs:
            if video is not None and video.findtext("codec"):
                picture = [int(video.findtext("width")), int(video.findtext("height"))]
                equal(f"{what} size", picture, [one["width"], one["height"]])
                equal(f"{what} codec", video.findtext("codec").lower(), (one["video_codec"] or "").lower().replace(".", ""))
                equal(f"{what} profile", PROFILES[video.findtext("profile")], one["profile"])
                equal(f"{what} level", round(10 * float(video.findtext("level"))), one["level"])
            # Where there is none, /stat has the codec of number 0.
            if audio is not None and audio.findtext("codec") not in (None, "Uncompressed"):
                equal(f"{what} audio codec", audio.findtext("codec").lower(), (one["audio_codec"] or "").lower())
    for key, name in (("bytes_in", "bytes_in"), ("bytes_out", "bytes_out")):
        equal(key, int(root.findtext(key)), sum(row[name] - HANDSHAKE for row in rows))

    # The same as a media server would list it.
    listed = asked.call(pid, "listStreams") or []
    kinds = collections.Counter(one["type"] for one in listed)
    clients = sum(int(stream.findtext("nclients")) for stream in theirs.values())
    equal("listStreams", {"INR": len(theirs), "ONR": clients - len(theirs)}, dict(kinds))
    inputs = {one["uniqueId"]: one for one in listed if one["type"] == "INR"}
    for one in listed:
        if one["type"] == "ONR":
            equal(f"listStreams {one['name']} has an input", True, one["inStreamUniqueId"] in inputs)
        else:
            key = next((key for key in theirs if key[1] == one["name"] and key in ours), None)
            equal(f"listStreams {one['name']} bytes in", True, key is None or any(
                one["audio"]["bytesCount"] + one["video"]["bytesCount"] == int(stream.findtext("bytes_in")) for (_, name), stream in theirs.items() if name == one["name"]))
    names = sorted(one["name"] for one in asked.call(pid, "listInboundStreamNames") or [])
    equal("listInboundStreamNames", sorted(name for _, name in theirs), names)
    equal("clientsConnected", clients - len(theirs), asked.call(pid, "clientsConnected")["outboundCount"])
    entries = asked.call(pid, "listConnections excludeNonNetworkProtocols=0") or []
    carried = sorted((entry["carrier"]["rx"], entry["carrier"]["tx"]) for entry in entries)
    equal("listConnections rx, tx", sorted((row["bytes_in"], row["bytes_out"]) for row in rows), carried)
    relays = [entry for entry in entries if entry["stack"][-1]["type"] == "OR"]
    kind, uri = ("pushSettings", "targetUri") if port == A else ("pullSettings", "uri")
    equal("relays", {kind: len(relays)}, dict(collections.Counter(key for entry in relays for key in entry if key.endswith("Settings"))))
    for relay in relays:
        target = relay.get(kind, {}).get(uri, {})
        equal("relay host, port", ("127.0.0.1", B if port == A else A), (target.get("host"), target.get("port")))


def frames(folder, name, stream, differ):
    """What was published is the beginning of the file, by ffprobe's packets."""
    words = ["ffprobe", "-v", "error", "-show_streams", "-show_packets", "-of", "json", f"{folder}/{name}.flv"]
    probed = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    for kind, tag in (("video", 5), ("audio", 2)):
        described = [one for one in probed["streams"] if one["codec_type"] == kind]
        if not described:
            continue
        # The decoder configuration is a message as well, and no frame.
        messages = [tag + int(described[0]["extradata_size"])] + [tag + int(one["size"]) for one in probed["packets"] if one["codec_type"] == kind]
        count = stream[f"{kind}_frames"]
        expected = sum(messages[:count + 1])
        if stream[f"{kind}_bytes"] != expected or count < 2:
            differ.append(f"{name} {kind}: {count} messages have {expected} bytes by ffprobe, {stream[f'{kind}_bytes']} by conns")
        if kind == "video":
            keys = sum("K" in one["flags"] for one in [one for one in probed["packets"] if one["codec_type"] == "video"][:count])
            if keys != stream["key_frames"]:
                differ.append(f"{name}: {keys} key frames by ffprobe, {stream['key_frames']} by conns")


def compared():
    """Runs everything; whether nothing differs."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    running = Running(folder)
    try:
        for name, words in MEDIA.items():
            subprocess.run(["ffmpeg", "-v", "error", *words, "-pix_fmt", "yuv420p", "-t", str(SECONDS), f"{folder}/{name}.flv"], check=True)
        place = f"unix:{folder}/agent.sock"
        open(f"{folder}/empty.toml", "w").close()
        # What it counts is compared, not whether a busy machine leaves it time: payload that it did not get is a difference as well.
        agent = running.start("nice", "-n", "-15", CONNS, "serve", "--config", f"{folder}/empty.toml", "--interval", "200ms", "--listen", place)
        until("the agent is ready", lambda: "ready" in open(running.log(agent)).read())
        for port in (B, A):
            with open(f"{folder}/{port}.conf", "w") as file:
                file.write(CONFIGURATION.format(folder=folder, port=port, stat=STAT[port], applications=APPLICATIONS[port]))
            running.start("nginx", "-c", f"{folder}/{port}.conf")
            until(f"the server of {port} answers", lambda: stat(port) is not None)
        asked = Asked(place)
        url = lambda port, path: f"rtmp://127.0.0.1:{port}/{path}"
        publishers = [running.start("ffmpeg", "-v", "error", "-re", "-i", f"{folder}/{name}.flv", "-c", "copy", "-f", "flv", url(A, f"live/{name}")) for name in MEDIA]
        publishers.append(running.start("gst-launch-1.0", "-q", "filesrc", f"location={folder}/both.flv", "!", "flvdemux", "name=d", "d.video", "!", "queue", "!", "h264parse",
                                        "!", "flvmux", "streamable=true", "!", "identity", "sync=true", "!", "rtmp2sink", f"location={url(A, 'live/gst')}"))
        names = sorted([*MEDIA, "gst"])
        until("all are published at both", lambda: all(
            sorted(name for (app, name), stream in streams_of(stat(port)) if app == of and stream.find("publishing") is not None) == names
            for port, of in ((A, "live"), (B, "pushed"))))
        for name in ("both", "video"):
            running.start("ffmpeg", "-v", "error", "-i", url(A, f"live/{name}"), "-c", "copy", "-f", "null", "-")
        running.start("rtmpdump", "-q", "-v", "-m", "120", "-r", url(A, "live/bframes"), "-o", "/dev/null")
        running.start("gst-launch-1.0", "-q", "rtmp2src", f"location={url(A, 'live/audio')}", "!", "fakesink")
        running.start("rtmpdump", "-q", "-v", "-m", "120", "-r", url(B, "pushed/both"), "-o", "/dev/null")
        running.start("rtmpdump", "-q", "-v", "-m", "120", "-r", url(B, "pulled/bframes"), "-o", "/dev/null")
        until("all players get something", lambda: len([
            1 for port in (A, B) for _, stream in streams_of(stat(port)) if int(stream.findtext("bytes_out")) > 20_000 and int(stream.findtext("nclients")) > 1]) >= 6)
        def differences():
            differ = []
            for port in (A, B):
                compare(asked, port, differ)
            for row in asked.rows(worker(A)):
                for stream in row["rtmp.streams"] or []:
                    if stream["direction"] == "in" and stream["name"] in MEDIA:
                        frames(folder, stream["name"], stream, differ)
            return differ

        # What moves cannot be compared at one moment.
        for publisher in publishers:
            assert publisher.poll() is None, publisher.args
            publisher.send_signal(signal.SIGSTOP)
        end = time.monotonic() + STOPPED_S
        while (differ := differences()) and time.monotonic() < end:
            time.sleep(0.5)
        for one in differ:
            print(one)
        print(f"{len(names)} publishers, 6 players, push and pull: {len(differ)} differ")
        return not differ
    finally:
        running.end()
        if "KEEP" not in os.environ:
            shutil.rmtree(folder)


def main():
    # A publisher may be stopped inside of a message, of which nginx counts nothing: then once more.
    sys.exit(not (compared() or compared()))


if __name__ == "__main__":
    main()
