#!/usr/bin/env python3
"""A transfer of `conns link` survives kills, a path that carries nothing, a full disk, a source that changes, and two senders of one file.

Causes: rounds with a seed. Each sends one file, or a folder of a long file and many short ones, over a lossy path, directly or through a relay, and has
one to three faults: kill -9 of the sender (its server, or `conns link send` that serves itself), of the receiver, of the relay, of all three; nothing
arrives for a while on either side; no space at the receiver until a file is removed; the source is written again; two hosts send the same file.
Oracle: the files themselves with b3sum, the receiver's folder, and the counter of the device that the sender sends through.
Right: after what was killed is started again with the same command line, the transfer completes without further help; all files have the hashes of
the sources; no part file is left; and the sender has sent at most the file, and for each fault a checkpoint of a second and what was in flight.

    link_faults.py                        each fault once, files of some MB, the path carries nothing for seconds
    link_faults.py --rounds 200 --seed 1  that many, the path carries nothing for a minute
"""
import argparse, collections, os, random, subprocess, sys, time

from link_hosts import LabPath, Namespace, Scratch, PORT, RELAY_PORT, content, in_private_mounts
from waiting import until

RTT_MS, LOSS, PATH_MBIT, QUEUE_MS = 20, 0.5, 200, 100
# What the sender may send: kept below what the path carries, so that the bytes of a second are known.
RATE_MBIT = 80
RATE = RATE_MBIT * 125_000
FAST_MBIT = 160
# Headers of IP, UDP and QUIC, chunk headers, acknowledgements, and what the path loses.
OVERHEAD = 1.08
# A checkpoint is due each second, and takes time itself; then what was in flight, and chunks of which a part was sent.
FOR_A_FAULT = int(RATE * (1.5 + (RTT_MS + QUEUE_MS) / 1000)) + (8 << 20)
# The sender connects again: handshake, manifest, the greatest retransmission.
SMALL = 2 << 20
TMPFS_BYTES = 48 << 20
MB = 1e6


def hashes(path):
    """The BLAKE3 hash of each file of a path, and its folders."""
    found = subprocess.run(["find", ".", "-type", "f", "-exec", "b3sum", "{}", "+"] if path.is_dir() else ["b3sum", "--no-names", path],
                           cwd=path if path.is_dir() else None, check=True, capture_output=True).stdout
    folders = sorted(os.path.relpath(at, path) for at, _, _ in os.walk(path))
    return sorted(found.splitlines()), folders


class Rounds:
    def __init__(self, scratch, seed, is_long):
        self.seed = seed
        self.random = random.Random(seed)
        self.is_long = is_long
        self.scratch = scratch
        self.path = scratch.keep(LabPath(RTT_MS, LOSS, PATH_MBIT, QUEUE_MS))
        self.relay_net = scratch.keep(Namespace())
        self.path.a.join(self.relay_net, "to-relay", "to-sender", "10.99.0.1", "10.99.0.2")
        self.path.a.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.relay_net.run("ip", "route", "add", "default", "via", "10.99.0.1")
        self.path.b.run("ip", "route", "add", "10.99.0.0/24", "via", LabPath.A)
        self.relay = scratch.host("relay", self.relay_net)
        # One sender has a server; the other one serves itself while it sends.
        self.sender, self.command = scratch.host("sender", self.path.a), scratch.host("command", self.path.a)
        self.receiver, self.small = scratch.host("receiver", self.path.b), scratch.host("small", self.path.b)
        scratch.mount(self.small.inbox, TMPFS_BYTES)
        allow = ["--allow", self.sender.key, "--allow", self.command.key]
        self.relay.relay(f"10.99.0.2:{RELAY_PORT}", "--allow", self.receiver.key)
        self.relay_name = f"{self.relay.key}@10.99.0.2"
        self.receiver.serve(f"{LabPath.B}:{PORT}", *allow, "--relay", self.relay_name)
        self.small.serve(f"{LabPath.B}:{PORT + 10}", *allow)
        self.sender.serve(f"{LabPath.A}:{PORT}")
        self.faults = {
            "kill sender": self.kill_sender,
            "kill command": self.kill_command,
            "kill receiver": self.kill_receiver,
            "kill relay": self.kill_relay,
            "kill all": self.kill_all,
            "black path": self.black_path,
            "no space": self.no_space,
            "source changes": self.source_changes,
            "two senders": self.two_senders,
        }

    # Each round sends `self.file`, which the receiver writes to `self.target`; `self.length` is that of all its files.

    def new_file(self, number, kind):
        self.at = self.small if kind == "no space" else self.receiver
        self.file = self.scratch.folder / f"file-{number}"
        self.target = self.at.inbox / self.file.name
        self.count = self.allowed = 0
        least = 12 << 20
        if kind == "source changes":
            # Longer than the 64 MiB that are read ahead, and what was sent before the change.
            least = (100 if self.is_long else 70) << 20
        length = self.random.randrange(least, least + ((28 if self.is_long else 8) << 20))
        if self.random.random() < 0.65 or kind in ("no space", "source changes"):
            self.file.write_bytes(content(length, self.random.random()))
            self.length = length
            return
        (self.file / "deep/er").mkdir(parents=True)
        (self.file / "empty").mkdir()
        (self.file / "long").write_bytes(content(length // 2, self.random.random()))
        rest = self.length = length // 2
        for index in range(3000):
            size = min(self.random.choice([0, 1, 100, 5000, 20_000, 200_000]), rest)
            path = os.fsencode(self.file / "deep" / f"er/{index}") + self.random.choice([b"", b"\xff"])
            with open(path, "wb") as file:
                file.write(content(size, index))
            rest -= size
            self.length += size

    def words(self, is_relayed=False, mbit=RATE_MBIT):
        port = PORT if self.at is self.receiver else PORT + 10
        where = ["--relay", self.relay_name, self.at.key] if is_relayed else [f"{self.at.key}@{LabPath.B}:{port}"]
        return [self.file, *where, "--max", f"{mbit}Mbit/s"]

    def reach(self, host, transfer, share, later=0.9):
        """Waits until a share of the file is durable, and then for a part of a second, so that a fault is at any time of a checkpoint."""
        def reached():
            record = host.transfer(transfer)
            return not record["processing"] or record["bytesDurable"] >= share * self.length
        until(f"{share:.0%} of the file are durable", reached, self.patience, 0.05)
        time.sleep(self.random.uniform(0, later))
        self.count += 1

    def shares(self):
        """Where the faults of a round are."""
        return sorted(self.random.uniform(0, 0.95) for _ in range(self.random.choice([1, 1, 2, 3]) if self.is_long else 1))

    @property
    def patience(self):
        return 400 if self.is_long else 150

    def complete(self, host, transfer):
        record = host.ended(transfer, self.patience)
        assert record["status"] == "complete", record

    def queue(self, is_relayed=False, mbit=RATE_MBIT):
        return self.sender.send_detached(*self.words(is_relayed, mbit))

    def kill_sender(self):
        transfer = self.queue(self.random.random() < 0.3 and self.is_long)
        for share in self.shares():
            self.reach(self.sender, transfer, share)
            self.sender.kill()
            self.sender.restart()
        self.complete(self.sender, transfer)

    def kill_command(self):
        words = ["send", *self.words(), "--quiet"]
        for share in self.shares():
            run = self.command.start(*words)
            try:
                until(f"{share:.0%} of the file are durable", lambda: self.command_reached(run, share), self.patience, 0.05)
                time.sleep(self.random.uniform(0, 0.9))
            finally:
                run.kill()
                run.wait()
            self.count += 1
            if self.target.exists():
                break
        is_complete = self.target.exists()
        again = self.command.run(*words, seconds=self.patience)
        # Between the end of the transfer and that of the command there is a moment.
        is_refused = is_complete and "exists (overwrite is `never`)" in again.stderr
        assert again.returncode == 0 or is_refused, again.stderr

    def command_reached(self, run, share):
        if run.poll() is not None:
            return True
        try:
            return self.command.has_server() and any(one["bytesDurable"] >= share * self.length for one in self.command.transfers() if one["processing"])
        except (OSError, ValueError):
            # It ended meanwhile.
            return False

    def kill_receiver(self):
        transfer = self.queue(self.random.random() < 0.3 and self.is_long)
        for share in self.shares():
            self.reach(self.sender, transfer, share)
            self.receiver.kill()
            if self.random.random() < 0.3:
                time.sleep(self.random.uniform(0, 5))
            self.receiver.restart()
            # The receiver resets connections that it does not know; without that, only the idle timeout of 30 s ends one.
            until("the sender has connected again", lambda: self.is_connected_again(transfer), 20)
        self.complete(self.sender, transfer)

    def is_connected_again(self, transfer):
        launch = self.receiver.call("getServerInfo")["serverId"]
        connections = self.sender.call("send.getConnections")
        return not self.sender.transfer(transfer)["processing"] or any(one["lastDestinationServerId"] == launch for one in connections)

    def kill_relay(self):
        transfer = self.queue(is_relayed=True)
        for share in self.shares():
            self.reach(self.sender, transfer, share)
            self.relay.kill()
            self.relay.restart()
        self.complete(self.sender, transfer)

    def kill_all(self):
        transfer = self.queue(is_relayed=True)
        for share in self.shares():
            self.reach(self.sender, transfer, share)
            hosts = [self.sender, self.receiver, self.relay]
            self.random.shuffle(hosts)
            for host in hosts:
                host.kill()
            self.random.shuffle(hosts)
            for host in hosts:
                host.restart()
        self.complete(self.sender, transfer)

    def black_path(self):
        transfer = self.queue(self.random.random() < 0.3 and self.is_long)
        self.reach(self.sender, transfer, self.random.uniform(0, 0.9))
        for net in (self.path.a, self.path.b):
            net.drop_inbound()
        time.sleep(60 if self.is_long else 4)
        for net in (self.path.a, self.path.b):
            net.accept_inbound()
        self.complete(self.sender, transfer)

    def no_space(self):
        other = self.small.inbox / "other"
        other.write_bytes(bytes(TMPFS_BYTES - self.random.randrange(2 << 20, 8 << 20)))
        transfer = self.queue()
        until("the receiver has no space", lambda: self.no_space_of(transfer), self.patience)
        self.count += 1
        other.unlink()
        self.complete(self.sender, transfer)

    def no_space_of(self, transfer):
        record = self.sender.transfer(transfer)
        assert record["processing"], record
        return record if "space" in (record["errorMessage"] or "") else None

    def source_changes(self):
        transfer = self.queue(mbit=FAST_MBIT)
        self.reach(self.sender, transfer, self.random.uniform(0, 0.1) if self.is_long else 0, later=0)
        # What was sent of the old content is sent again.
        self.allowed = self.length * OVERHEAD
        length = self.length + self.random.choice([0, 1, 1 << 20, -(1 << 20)])
        with open(self.file, "r+b") as file:
            file.write(content(length, self.random.random()))
            file.truncate(length)
        self.complete(self.sender, transfer)
        self.length = self.file.stat().st_size

    def two_senders(self):
        words = ["send", *self.words(), "--quiet", "--overwrite", "always"]
        run = self.command.start(*words)
        transfer = self.sender.send_detached(*self.words(), "--overwrite", "always")
        self.allowed = self.length * OVERHEAD
        try:
            assert run.wait(self.patience) == 0, self.command.errors("send")
        finally:
            run.kill()
            run.wait()
        self.complete(self.sender, transfer)

    def play(self, number, kind):
        # Of its own for each round, so that none depends on the time that others took.
        self.random = random.Random(f"{self.seed} {number}")
        self.new_file(number, kind)
        devices = [self.path.device, "to-relay"]
        before = [self.path.a.sent_bytes(device) for device in devices]
        start = time.monotonic()
        try:
            self.faults[kind]()
            seconds = time.monotonic() - start
            assert hashes(self.target) == hashes(self.file), "the hash of the target differs"
            until("no part file is left", lambda: not self.receiver.parts() + self.small.parts(), 30)
            sent = [self.path.a.sent_bytes(device) - one for device, one in zip(devices, before)]
            # Through the relay, the same bytes leave by both devices.
            sent = max(sent)
            length = self.length
            bound = length * OVERHEAD + self.count * FOR_A_FAULT + SMALL + self.allowed
            assert sent <= bound, f"{sent} bytes were sent of a file of {length} with {self.count} faults; at most {bound:.0f} are right"
            return seconds, sent, length, bound
        finally:
            subprocess.run(["rm", "-rf", self.file, self.target, self.small.inbox / "other"], check=True)

    def repair(self):
        """After a round that failed: nothing of it is left."""
        for net in (self.path.a, self.path.b):
            if "black" in net.run("nft", "list", "tables").stdout:
                net.accept_inbound()
        for host in (self.relay, self.receiver, self.small, self.sender):
            host.kill()
            host.restart()
        for record in self.sender.transfers():
            if record["processing"]:
                self.sender.call("send.cancelTransfer", transferId=record["transferId"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="a fault")
    flags = parser.parse_args()
    is_long = flags.rounds is not None
    with Scratch() as scratch:
        rounds = Rounds(scratch, flags.seed, is_long)
        kinds = [flags.only] if flags.only else list(rounds.faults)
        chosen = [rounds.random.choice(kinds) for _ in range(flags.rounds)] if is_long else kinds
        played, wrong = collections.defaultdict(list), []
        for number, kind in enumerate(chosen):
            try:
                result = rounds.play(number, kind)
                played[kind].append(result)
                print(f"{number:3} {kind:14} {result[0]:5.1f} s; {result[1] / MB:.1f} MB sent of {result[2] / MB:.1f}, at most {result[3] / MB:.1f} are right", flush=True)
            except (AssertionError, OSError, SystemExit, subprocess.SubprocessError) as error:
                wrong.append(f"round {number} of seed {flags.seed}, {kind}: {error}")
                print(f"WRONG {wrong[-1]}", flush=True)
                for host in scratch.hosts:
                    print(f"  {host.name}: {host.state()}", flush=True)
                rounds.repair()
        for kind, results in sorted(played.items()):
            seconds = max(result[0] for result in results)
            times = max(sent / length for _, sent, length, _ in results)
            share = max(sent / bound for _, sent, _, bound in results)
            print(f"{kind}: {len(results)} rounds, up to {seconds:.0f} s; sent at most {times:.2f} times the file, {share:.0%} of what is right")
        print(f"{len(chosen)} rounds of seed {flags.seed}; {len(wrong)} wrong")
        sys.exit(bool(wrong))


in_private_mounts()
main()
