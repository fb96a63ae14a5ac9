#!/usr/bin/env python3
"""Codecs, sizes, profiles and levels of MPEG transport streams are those that ffprobe reads.

Cause: ffmpeg encodes H.264 and H.265 of sizes that are cropped and are not, with 4:2:0, 4:2:2 and 4:4:4, of 8 and 10 bits; each stream is sent
over UDP, captured by tcpdump, and read from the capture file.
Oracle: ffprobe on the stream that was sent.
Right: codec, width, height, profile and level of the video are those of ffprobe, and its frames but the last, which nothing ends; of AAC the
codec and the frames but those of the last packet; the timestamps of both are less than 150 ms apart, as those of the file are.
"""
import json, os, socket, subprocess, tempfile

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
DATAGRAM = 7 * 188
PORT = 9100
# Of pcap, and of each of its packets with those of Ethernet, IPv4 and UDP.
FILE_HEADER, HEADERS = 24, 16 + 14 + 20 + 8
H264 = ("libx264", "-preset", "ultrafast", "-profile:v")
H265 = ("libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-profile:v")
STREAMS = [
    ("320x180", "yuv420p", *H264, "baseline"),
    ("322x182", "yuv420p", *H264, "high"),
    ("318x178", "yuv422p10le", *H264, "high422"),
    ("318x182", "yuv420p", *H265, "main"),
    ("640x360", "yuv420p10le", *H265, "main10"),
    ("322x242", "yuv422p10le", *H265, "main422-10"),
    ("178x100", "yuv444p", *H265, "main444-8"),
]
# Their numbers in ITU-T H.264 annex A and H.265 annex A, by ffprobe's names.
PROFILES = {
    "h264": {"Constrained Baseline": 66, "Baseline": 66, "Main": 77, "High": 100, "High 4:2:2": 122, "High 4:2:2 Intra": 122},
    "hevc": {"Main": 1, "Main 10": 2, "Rext": 4},
}
MAX_DRIFT_US = 150_000


def run(*words):
    ran = subprocess.run(words, capture_output=True)
    assert ran.returncode == 0, (words, ran.stderr)
    return ran.stdout


def capture(place, media):
    """Sends the stream, one datagram after the other was received, into a file of tcpdump."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", PORT))
    dump = subprocess.Popen(["tcpdump", "-i", "lo", "-U", "-s", "2000", "-B", "8192", "-w", place, "udp", "port", str(PORT)], stderr=subprocess.PIPE, text=True)
    while "listening on" not in (line := dump.stderr.readline()):
        assert line, "tcpdump has ended"
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for at in range(0, len(media), DATAGRAM):
        sender.sendto(media[at:at + DATAGRAM], receiver.getsockname())
        receiver.recv(65536)
    datagrams = -(-len(media) // DATAGRAM)
    until("all datagrams are in the file", lambda: os.path.getsize(place) == FILE_HEADER + datagrams * HEADERS + len(media))
    dump.terminate()
    dump.wait()


def main():
    run("ip", "link", "set", "lo", "up")
    differ = 0
    with tempfile.TemporaryDirectory() as folder:
        for size, pixels, encoder, *options in STREAMS:
            media, place = f"{folder}/media.ts", f"{folder}/media.pcap"
            run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc=size={size}:rate=25", "-f", "lavfi", "-i", "sine=frequency=440", "-t", "2",
                "-pix_fmt", pixels, "-c:v", encoder, *options, "-bf", "0", "-c:a", "aac", "-f", "mpegts", media)
            capture(place, open(media, "rb").read())
            entries = "stream=codec_name,width,height,profile,level,nb_read_packets"
            video, audio = json.loads(run("ffprobe", "-v", "error", "-count_packets", "-show_entries", entries, "-of", "json", media))["streams"]
            asked = run(CONNS, "--read", place, "-o", "json", "--columns", "ts.streams,ts.packets", f"local_port == {PORT}")
            row, = json.loads(asked)["connections"]
            stream, = row["ts.streams"]
            wanted = {
                "video_codec": video["codec_name"], "width": video["width"], "height": video["height"], "level": video["level"],
                "profile": PROFILES[video["codec_name"]][video["profile"]], "video_frames": int(video["nb_read_packets"]) - 1,
                "audio_codec": audio["codec_name"],
            }
            wrong = {key: (stream[key], value) for key, value in wanted.items() if stream[key] != value}
            # A packet of audio has the frames of up to half a second.
            if not 0 <= int(audio["nb_read_packets"]) - stream["audio_frames"] <= 22:
                wrong["audio_frames"] = (stream["audio_frames"], audio["nb_read_packets"])
            if stream["drift_us"] > MAX_DRIFT_US:
                wrong["drift_us"] = (stream["drift_us"], MAX_DRIFT_US)
            differ += len(wrong)
            print(f"{video['codec_name']} {video['profile']} {size}: {'differs: ' + str(wrong) if wrong else 'right'}")
    print(f"{len(STREAMS)} streams, {differ} differ")
    assert not differ


main()
