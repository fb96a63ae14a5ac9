#!/usr/bin/env python3
"""Wrong keys, foreign clients, hostile names, sources that vanish or grow, and folders that cannot be written are named clearly, and the queue goes on.

Causes: each is made here, one after the other, between a sender and a receiver in one namespace.
Oracle: exit codes and messages; after each cause a further file to the same receiver, with b3sum.
Right: exit code 2 where the words of the command are wrong and 1 where there is no answer, with a message that names what failed and why; both
servers stay up, and the further file arrives.
"""
import json, os, random, signal, subprocess, sys, threading, time

from link_hosts import Namespace, Scratch, PORT, b3sum, content, in_private_mounts
from quic_initial import client_initial, closing_code
from waiting import until

HERE = "127.0.0.1"
TLS_NO_APPLICATION_PROTOCOL = 0x178
INVALID_PARAMETERS = -32602
# A foreign client: sends datagrams and prints what comes back within a time, in hexadecimal.
FOREIGN = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(float(sys.argv[2]))
for word in sys.argv[3:]:
    client.sendto(bytes.fromhex(word), ("127.0.0.1", int(sys.argv[1])))
try:
    while True:
        print(client.recv(65536).hex(), flush=True)
        client.settimeout(0.5)
except TimeoutError:
    pass
"""


class Case:
    def __init__(self, scratch):
        self.scratch = scratch
        self.net = scratch.keep(Namespace())
        self.sender, self.receiver = scratch.host("sender", self.net), scratch.host("receiver", self.net)
        # It has no server: each `send` is one.
        self.command, self.unknown = scratch.host("command", self.net), scratch.host("unknown", self.net)
        self.disk = self.receiver.inbox
        scratch.mount(self.disk)
        self.receiver.inbox = self.disk / "in"
        self.receiver.inbox.mkdir()
        self.receiver.serve(f"{HERE}:{PORT}", "--allow", self.sender.key, "--allow", self.command.key)
        self.sender.serve(f"{HERE}:{PORT + 1}")
        self.address = f"{self.receiver.key}@{HERE}:{PORT}"
        self.number = 0

    def file(self, length=100_000):
        self.number += 1
        path = self.scratch.folder / f"file-{self.number}"
        path.write_bytes(content(length, self.number))
        return path

    def goes_on(self, after):
        """A further file arrives at the same destination."""
        file = self.file()
        record = self.sender.ended(self.sender.send_detached(file, self.address), 60)
        assert record["status"] == "complete", f"after {after}: {record}"
        assert b3sum(self.receiver.inbox / file.name) == b3sum(file), after
        assert self.sender.server.poll() is None and self.receiver.server.poll() is None, after

    def refused(self, host, words, code, *texts):
        ran = host.run("send", *words, seconds=60)
        assert ran.returncode == code and all(text in ran.stderr for text in texts), f"{words}: {ran.returncode}, {ran.stderr}"
        assert ran.stderr.count("\n") <= 8 and len(ran.stderr) < 2000, ran.stderr

    def failed(self, transfer, *texts):
        record = self.sender.ended(transfer, 60)
        assert record["status"] == "error" and all(text in record["errorMessage"] for text in texts), record

    # The causes.

    def wrong_key(self):
        where = f"{self.unknown.key}@{HERE}:{PORT}"
        self.refused(self.command, [self.file(), where], 1, "another key than the destination names", "stays queued", "conns link cancel")
        self.sender.send_detached(self.file(), where)
        self.refused(self.command, [self.file(), f"{self.receiver.key[:-1]}@{HERE}"], 2, "not a public key")

    def key_that_is_not_allowed(self):
        self.refused(self.unknown, [self.file(), self.address], 1, "does not allow this sender's key", "--allow")

    def foreign_clients(self):
        draw = random.Random(5)
        garbage = [draw.randbytes(draw.randrange(1, 1473)) for _ in range(300)] + [b"", b"\x40", bytes(1472)]
        ran = self.net.run("python3", "-c", FOREIGN, PORT, 0.5, *(one.hex() for one in garbage))
        # QUIC answers a version that it does not know with those that it knows, and nothing else.
        assert all(int(line[2:10], 16) == 0 for line in ran.stdout.split()), ran.stdout
        ident = draw.randbytes(8)
        ran = self.net.run("python3", "-c", FOREIGN, PORT, 20, client_initial(b"h3", ident).hex())
        codes = [closing_code(bytes.fromhex(line), ident) for line in ran.stdout.split() if int(line[:2], 16) & 0xf0 == 0xc0]
        assert TLS_NO_APPLICATION_PROTOCOL in codes, (codes, ran.stdout)

    def long_name(self):
        file = self.scratch.folder / ("n" * 255)
        file.write_bytes(b"a name of 255 bytes")
        folder = "f" * 255
        record = self.sender.ended(self.sender.send_detached(file, self.address, "--to", folder), 60)
        assert record["status"] == "complete", record
        assert (self.receiver.inbox / folder / file.name).read_bytes() == file.read_bytes()

    def names_that_are_no_text(self):
        folder = self.scratch.folder / "folder"
        folder.mkdir()
        names = [b"\xff\xfe", b"\x80", "ü".encode("latin-1"), b"new\nline", b"-rf", b" ", b"\x1b[31m", b"a\\b"]
        for name in names:
            open(os.path.join(os.fsencode(folder), name), "wb").write(name)
        record = self.sender.ended(self.sender.send_detached(folder, self.address), 60)
        assert record["status"] == "complete", record
        arrived = os.fsencode(self.receiver.inbox / "folder")
        assert sorted(os.listdir(arrived)) == sorted(names), os.listdir(arrived)
        assert all(open(os.path.join(arrived, name), "rb").read() == name for name in names)
        ran = self.command.run("send", os.path.join(os.fsencode(folder), b"\xff\xfe"), self.address, seconds=60)
        assert ran.returncode == 0, ran.stderr
        assert open(os.path.join(os.fsencode(self.receiver.inbox), b"\xff\xfe"), "rb").read() == b"\xff\xfe"

    def hostile_names(self):
        source = str(self.file())
        for name, why in [("..", ". or .."), ("a/../../b", ". or .."), (".", ". or .."), ("/etc/x", "absolute"), ("a\0b", "NUL"), ("", "empty"),
                          ("a//b", "empty"), ("a/", "empty"), ("n" * 256, "256 bytes"), ("n/" * 32768 + "n", "more than 65536"), ("x" * 65537, "65537 bytes")]:
            error = self.sender.call("send.createManifest", mappings={name: source})["error"]
            text = json.dumps(error)
            assert error["code"] == INVALID_PARAMETERS and why in text, f"{name[:40]!r}: {text[:500]}"
            assert len(text) < 2000, f"{name[:40]!r}: the error has {len(text)} characters"
            if "\0" not in name and len(name) < 1000 and name not in ("", "a/"):
                self.refused(self.command, [source, self.address, "--to", name], 1, why)
        for line in [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"jsonrpc":"2.0","id":1,"method":"send.createManifest","params":{"mappings":{"a":"b"}}}',
                     b'{"jsonrpc":"2.0","id":1,"method":"send.getTransfer","params":{"transferId":"99999999999999999999"}}', bytes(1000)]:
            answer = self.sender.exchange(line) if line else b'{"error": 0}'
            assert "error" in json.loads(answer), (line[:80], answer[:200])

    def vanished_source(self):
        file, other = self.file(), self.file()
        destination = self.sender.call("send.getDestinations")[0]
        manifest = self.sender.call("send.createManifest", mappings={file.name: str(file)})["manifestId"]
        until("the manifest is complete", lambda: self.sender.call("send.getManifest", manifestId=manifest)["status"] == "complete", 30)
        file.unlink()
        destination = next(one["destinationId"] for one in self.sender.call("send.getDestinations") if one["destinationPublicKey"] == self.receiver.key)
        transfer = self.sender.call("send.createTransfer", manifestId=manifest, destinationId=destination)["transferId"]
        self.failed(transfer, "cannot read", file.name, "No such file")
        self.refused(self.command, [file, self.address], 1, "cannot send", file.name, "No such file")
        # A file that another one replaced is not sent as the one that was queued.
        manifest = self.sender.call("send.createManifest", mappings={other.name: str(other)})["manifestId"]
        until("the manifest is complete", lambda: self.sender.call("send.getManifest", manifestId=manifest)["status"] == "complete", 30)
        replaced = self.file(50_000)
        replaced.rename(other)
        transfer = self.sender.call("send.createTransfer", manifestId=manifest, destinationId=destination)["transferId"]
        record = self.sender.ended(transfer, 60)
        assert record["status"] == "complete" and b3sum(self.receiver.inbox / other.name) == b3sum(other), record

    def growing_source(self):
        file = self.file(4 << 20)
        stops = threading.Event()

        def grow():
            with open(file, "ab", buffering=0) as growing:
                while not stops.wait(0.01):
                    growing.write(b"more")

        grower = threading.Thread(target=grow)
        grower.start()
        try:
            transfer = self.sender.send_detached(file, self.address, "--max", "400Mbit/s")
            until("the change is seen", lambda: "changed while it was sent; it begins again" in (self.sender.transfer(transfer)["errorMessage"] or ""), 60)
            self.goes_on("a growing source that still grows")
        finally:
            stops.set()
            grower.join()
        record = self.sender.ended(transfer, 120)
        assert record["status"] == "complete" and b3sum(self.receiver.inbox / file.name) == b3sum(file), record

    def target_that_exists(self):
        file = self.file()
        (self.receiver.inbox / file.name).write_bytes(b"something else")
        self.refused(self.command, [file, self.address], 1, file.name, "exists (overwrite is `never`)")
        (self.receiver.inbox / "link").symlink_to("/etc")
        self.refused(self.command, [file, self.address, "--to", "link"], 1, "symbolic link")
        assert not os.path.exists(f"/etc/{file.name}")

    def read_only_target(self):
        subprocess.run(["mount", "-o", "remount,ro", self.disk], check=True)
        try:
            self.failed(self.sender.send_detached(self.file(), self.address), "Read-only file system")
        finally:
            subprocess.run(["mount", "-o", "remount,rw", self.disk], check=True)

    def removed_folder(self):
        file = self.file()
        subprocess.run(["rm", "-r", self.receiver.inbox], check=True)
        self.failed(self.sender.send_detached(file, self.address), "No such file or directory")
        self.receiver.inbox.mkdir()

    def closed_port(self):
        run = self.command.start("send", self.file(), f"{self.receiver.key}@{HERE}:{PORT + 9}")
        until("the attempts are reported", lambda: "next attempt in" in self.command.errors("send"), 60)
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 1, run.returncode
        errors = self.command.errors("send")
        assert "Connection refused" in errors and "interrupted; the transfer stays queued" in errors, errors

    def wrong_words(self):
        file = self.file()
        self.refused(self.command, [file], 2, "alone")
        self.refused(self.command, [file, "nonsense"], 2, "destination")
        self.refused(self.command, [file, self.receiver.key], 2, "names no host")
        self.refused(self.command, [file, self.address, "--rate", "fast"], 2, "expected a rate")
        self.refused(self.command, [file, file, self.address], 2, "two sources have the name")
        ran = self.command.run("queue")
        assert ran.returncode in (0, 1), ran


def main():
    with Scratch() as scratch:
        case = Case(scratch)
        case.goes_on("the start")
        causes = [case.wrong_words, case.wrong_key, case.key_that_is_not_allowed, case.foreign_clients, case.long_name, case.names_that_are_no_text,
                  case.hostile_names, case.vanished_source, case.growing_source, case.target_that_exists, case.read_only_target, case.removed_folder,
                  case.closed_port]
        wrong = []
        for cause in causes:
            name, begin = cause.__name__.replace("_", " "), time.monotonic()
            try:
                cause()
                case.goes_on(name)
                until("no part file is left", lambda: not case.receiver.parts(), 30)
            except (AssertionError, SystemExit, OSError) as error:
                wrong.append(f"{name}: {error}")
            print(f"{name}: {time.monotonic() - begin:.1f} s", flush=True)
        print("\n".join(wrong) or f"{len(causes)} causes; all are named, and the queue goes on")
        sys.exit(bool(wrong))


in_private_mounts()
main()
