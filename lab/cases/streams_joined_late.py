#!/usr/bin/env python3
"""`conns streams` finds streams that began before it: by the headers of their chunks.

Cause: ffmpeg publishes to nginx with Debian's RTMP module, and another one plays; only then `conns streams` is started, without an agent.
Oracle: what ffmpeg was started with.
Right: one publisher and one player at the server's end, with the codecs; what only the begin has (name, size, age) is null, and `began_before` is true. Once ffmpeg publishes again, an agent that runs has the name and the size too.
"""
import json, os, subprocess, tempfile

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
CONFIGURATION = """load_module modules/ngx_rtmp_module.so;
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:1935; application live {{ live on; }} }} }}
"""
URL = "rtmp://127.0.0.1:1935/live/cam"


def streams(*words):
    ran = subprocess.run([CONNS, "streams", "-o", "json", *words], capture_output=True, text=True)
    assert ran.returncode in (0, 3), ran.stderr
    return json.loads(ran.stdout)["streams"]


def both(*words):
    """The only stream, once it has a publisher and a player whose codecs are known."""
    found = streams(*words)
    if len(found) != 1 or not found[0]["publishers"] or not found[0]["players"]:
        return None
    ends = found[0]["publishers"] + found[0]["players"]
    return found[0] if all(end["video_codec"] and end["audio_codec"] for end in ends) else None


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    processes = []
    with tempfile.TemporaryDirectory() as folder:

        def start(*words):
            processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            return processes[-1]

        try:
            with open(f"{folder}/nginx.conf", "w") as file:
                file.write(CONFIGURATION.format(folder=folder))
            media = f"{folder}/media.flv"
            subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=frequency=440", "-t", "60",
                            "-c:v", "libx264", "-g", "50", "-c:a", "aac", media], check=True)
            start("nginx", "-c", f"{folder}/nginx.conf")
            until("nginx listens", lambda: os.path.exists(f"{folder}/nginx.pid"))
            publisher = start("ffmpeg", "-re", "-stream_loop", "-1", "-i", media, "-c", "copy", "-f", "flv", URL)
            played = f"{folder}/played.flv"
            start("ffmpeg", "-i", URL, "-c", "copy", played)
            until("media is played", lambda: os.path.exists(played) and os.path.getsize(played) > 50_000)
            late = until("both ends are found", lambda: both("--for", "3s"))
            ends = late["publishers"] + late["players"]
            assert (late["name"], late["viewers"], len(ends)) == ("", 1, 2), late
            for end in ends:
                assert (end["video_codec"], end["audio_codec"], end["process"], end["began_before"]) == ("h264", "aac", "nginx", True), end
                assert (end["name"], end["width"], end["since_us"]) == (None, None, None), end

            place = f"unix:{folder}/agent.sock"
            open(f"{folder}/empty.toml", "w").close()
            start(CONNS, "serve", "--config", f"{folder}/empty.toml", "--listen", place)
            until("the agent answers", lambda: subprocess.run([CONNS, "--agent", place], capture_output=True).returncode in (0, 3))
            publisher.terminate()
            publisher.wait(20)
            start("ffmpeg", "-re", "-stream_loop", "-1", "-i", media, "-c", "copy", "-f", "flv", URL)

            def named():
                of_name = [one for one in streams("--agent", place) if one["name"] == "cam" and one["publishers"]]
                return of_name and of_name[0]["publishers"][0]["width"] and of_name[0]["publishers"][0]

            seen = until("the agent has what was published anew", named)
            assert (seen["width"], seen["height"], seen["began_before"]) == (320, 180, False), seen
            print("late: codecs of both ends, no name and no size; anew: cam, 320x180")
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait(20)


main()
