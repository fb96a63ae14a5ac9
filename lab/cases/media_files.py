#!/usr/bin/env python3
"""The files that a media server writes are entries without a carrier.

Cause: nginx with Debian's RTMP module records what is published and writes it as HLS; ffmpeg publishes two streams. An agent runs from before.
Oracle: the folders that nginx writes to, and its configuration.
Right: each stream has one entry for its recording and one for its segments, with path, kind, name, and the process; segments that follow each other stay one entry; `excludeNonNetworkProtocols=1` leaves all of them out.
"""
import json, os, subprocess, tempfile

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
CONFIGURATION = """load_module modules/ngx_rtmp_module.so;
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:1935; application live {{ live on; record all; record_path {folder}/rec; hls on; hls_path {folder}/hls; hls_fragment 1s; }} }} }}
"""
NAMES = ["north", "south2"]


def ask(place, command):
    ran = subprocess.run([CONNS, "--agent", place, "call", "--ems-streams", "port == 1935", command], capture_output=True, text=True)
    assert ran.returncode in (0, 3), ran.stderr
    return json.loads(ran.stdout)["data"] or []


def files(place):
    """The settings of each entry without a carrier, by kind and name of the stream."""
    found = {}
    for entry in ask(place, "listConnections excludeNonNetworkProtocols=0"):
        if entry["carrier"] is None:
            [key] = [key for key in entry if key.endswith("Settings")]
            assert (key, entry[key]["localStreamName"]) not in found, f"two entries of {key} {entry[key]['localStreamName']}"
            found[key, entry[key]["localStreamName"]] = entry
    return found


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in ("rec", "hls"):
                os.mkdir(f"{folder}/{name}")
            with open(f"{folder}/nginx.conf", "w") as file:
                file.write(CONFIGURATION.format(folder=folder))
            media = f"{folder}/media.flv"
            subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10", "-t", "60", "-c:v", "libx264", "-g", "10", media], check=True)
            place = f"unix:{folder}/agent.sock"
            open(f"{folder}/empty.toml", "w").close()
            processes.append(subprocess.Popen([CONNS, "serve", "--config", f"{folder}/empty.toml", "--listen", place]))
            until("the agent answers", lambda: subprocess.run([CONNS, "--agent", place], capture_output=True).returncode in (0, 3))
            nginx = subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf"])
            processes.append(nginx)
            until("nginx listens", lambda: os.path.exists(f"{folder}/nginx.pid"))
            for name in NAMES:
                words = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", media, "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:1935/live/{name}"]
                processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL))
            until("segments follow each other", lambda: all(sum(file.startswith(f"{name}-") for file in os.listdir(f"{folder}/hls")) > 2 for name in NAMES))
            expected = {("hlsSettings", name) for name in NAMES}
            seen = until("segments are entries", lambda: expected <= set(files(place)) and files(place))
            recordings = {key: entry for key, entry in seen.items() if key[0] == "recordSettings"}
            assert len(recordings) == len(NAMES), f"recordings: {sorted(recordings)}"
            for (_, name), entry in recordings.items():
                settings = entry["recordSettings"]
                assert os.path.exists(settings["pathToFile"]) and settings["pathToFile"].startswith(f"{folder}/rec/"), settings
                assert settings["type"] == "flv" and any(name.startswith(one) for one in NAMES), settings
            for name in NAMES:
                entry = seen["hlsSettings", name]
                assert entry["hlsSettings"]["targetFolder"] == f"{folder}/hls", entry["hlsSettings"]
                [stream] = entry["stack"][-1]["streams"]
                assert stream["type"] == "OFHLS" and stream["name"] == name and stream["inStreamUniqueId"], stream
                assert stream["video"]["codec"] == "VH264" and stream["video"]["width"] == 160, stream
                with open(f"/proc/{nginx.pid}/task/{nginx.pid}/children") as children:
                    workers = children.read().split()
                assert str(stream["processId"]) in workers, (stream["processId"], workers)
            assert set(expected) <= set(files(place)), "segments became entries of their own"
            carriers = [entry["carrier"] for entry in ask(place, "listConnections excludeNonNetworkProtocols=1")]
            assert carriers and None not in carriers, carriers
            print(f"{len(seen)} entries of files, each once: {sorted(seen)}")
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait(20)


main()
