#!/usr/bin/env python3
"""All 28 fields of `conns link connections --json` are those of the path, the sockets and the peer.

Causes: a transfer at a fixed rate over the lab's path of 100 ms and 1 % loss; rates and method are changed meanwhile; seven transfers are queued;
the receiver is restarted; destinations with a closed port, with a port that a firewall drops, and with another key.
Oracle: the path, `ss -uanmp` of the sender's namespace, the kernel's counter of its device, getServerInfo of the receiver, the clock.
Right: every field has the value that the oracle has, and is null exactly where nothing is known yet; a snapshot is taken once a second; a
new rate holds within 5 % over five seconds.
"""
import json, time

from link_hosts import LabPath, Scratch, PORT, content, udp_sockets
from waiting import until

RTT_MS, LOSS_PERCENT = 100, 1
FIELDS = """connectionId destinationIP destinationPort destinationPublicKey encryptedConnectionState encryptionEnabled lastDestinationServerId
lastDestinationServerUid lastError lastErrorMessage lastRecvTime lastSendTime numTransfersQueued rateControllerActive rateControlMethod relayIP
relayPort roundTripTimeMs senderIP senderPort sendRate sendRateAverage sendRateAverageWindow sendRateMax sendRateMin snapshotTime
socketRecvBufferSize socketSendBufferSize""".split()
# Not known before the first connection.
UNKNOWN = """lastDestinationServerId lastDestinationServerUid lastError lastErrorMessage lastRecvTime lastSendTime relayIP relayPort roundTripTimeMs
senderIP senderPort sendRateAverage sendRateAverageWindow sendRateMax socketRecvBufferSize socketSendBufferSize""".split()
MAX_RUNNING = 4
# A busy machine is late; a wrong unit or clock is off by far more.
LATE_US = 3_000_000


class Case:
    def __init__(self, scratch):
        self.path = scratch.keep(LabPath(RTT_MS, LOSS_PERCENT, 100))
        self.sender, self.receiver = scratch.host("sender", self.path.a), scratch.host("receiver", self.path.b)
        self.scratch = scratch
        self.receiver.serve(f"{LabPath.B}:{PORT}", "--allow", self.sender.key)
        self.sender.serve(f"{LabPath.A}:{PORT}")
        self.address = f"{self.receiver.key}@{LabPath.B}:{PORT}"

    def connections(self):
        ran = self.sender.run("connections", "--json")
        assert ran.returncode == 0, ran.stderr
        return {(one["destinationPort"], one["destinationPublicKey"]): one for one in json.loads(ran.stdout)}

    def connection(self):
        return self.connections()[PORT, self.receiver.key]

    def later(self, than):
        """The first snapshot after one, or after a change."""
        return until("there is a further snapshot", lambda: (now := self.connection())["snapshotTime"] > than and now, 10, 0.1)

    def snapshot_times(self, count):
        """The times of this number of snapshots, one after the other."""
        times = []
        def enough():
            at = self.sender.call("send.getConnections")[0]["snapshotTime"]
            if at not in times:
                times.append(at)
            return len(times) == count
        until(f"{count} snapshots are taken", enough, 30, 0.05)
        return times

    def file(self, name, length):
        path = self.scratch.folder / name
        path.write_bytes(content(length, name))
        return path

    def set(self, *words):
        ran = self.sender.run("set", self.address, *words, "--json")
        assert ran.returncode == 0, ran.stderr
        return int(time.time() * 1e6)

    def measured(self, seconds=5):
        """IP bits a second that left, and the recent rates meanwhile."""
        before, begin = self.path.a.sent_bytes(self.path.device), time.monotonic()
        recent = []
        while time.monotonic() < begin + seconds:
            time.sleep(0.5)
            recent.append(self.sender.call("send.getConnections")[0]["sendRateAverageWindow"] * 1000)
        sent = self.path.a.sent_bytes(self.path.device) - before
        # The first ones may be of a second that began before.
        return sent * 8 / (time.monotonic() - begin), recent[4:]

    def sends(self, rate):
        """A rate is held for five seconds. A busy machine sends less in some of them, and never more."""
        windows = []
        for _ in range(5):
            measured, recent = self.measured()
            windows.append(f"{measured / 1e6:.2f}")
            assert measured < rate * 1.05, f"{windows} Mbit/s left at a rate of {rate / 1e6:.0f} Mbit/s"
            if near(measured, rate, 0.05):
                mean = sum(recent) / len(recent)
                assert near(mean, measured, 0.06), f"sendRateAverageWindow was {recent} while {measured:.0f} bit/s left"
                return
        raise AssertionError(f"{windows} Mbit/s left at a rate of {rate / 1e6:.0f} Mbit/s")


def near(value, expected, share):
    return abs(value - expected) <= expected * share


def check_new(case):
    """A destination that was created and never connected to."""
    assert case.sender.call("send.getConnections") == []
    case.sender.call("send.createDestination", destinationAddress=LabPath.B, destinationPort=PORT, destinationPublicKey=case.receiver.key)
    new = case.connection()
    assert sorted(new) == sorted(FIELDS), sorted(new)
    nulls = [name for name in FIELDS if new[name] is None]
    assert sorted(nulls) == sorted(UNKNOWN), nulls
    assert new["destinationIP"] == LabPath.B and new["encryptedConnectionState"] == "disconnected", new
    assert new["encryptionEnabled"] is True and new["numTransfersQueued"] == 0, new
    assert new["rateControllerActive"] is True and new["rateControlMethod"] == "low" and new["sendRate"] == 0 and new["sendRateMin"] == 0, new


def check_running(case):
    """A transfer at 20 Mbit/s."""
    transfer = case.sender.send_detached(case.file("large", 100 << 20), case.address, "--method", "fixed", "--rate", "20Mbit/s")
    until("a part of the file is durable", lambda: case.sender.transfer(transfer)["bytesDurable"] > 0, 60, 0.1)
    case.sends(20e6)
    first = case.connection()
    times = case.snapshot_times(5)
    assert near((times[-1] - times[0]) / (len(times) - 1), 1e6, 0.1), times
    third = case.connection()
    now_us = time.time() * 1e6
    for name in FIELDS:
        assert (third[name] is None) == (name in ("lastError", "lastErrorMessage", "relayIP", "relayPort", "sendRateMax")), (name, third)
    # The path.
    assert RTT_MS <= third["roundTripTimeMs"] < RTT_MS + 60, third
    destination = case.sender.call("send.getDestinations")[0]
    assert LOSS_PERCENT / 3 < destination["lossPercent"] < LOSS_PERCENT * 2.5, destination
    # The socket.
    sockets = [one for one in udp_sockets(case.path.a) if one["peer"] == (LabPath.B, str(PORT))]
    assert len(sockets) == 1 and sockets[0]["pid"] == case.sender.server.pid, sockets
    assert sockets[0]["local"] == (third["senderIP"], str(third["senderPort"])), (sockets, third)
    assert third["senderIP"] == LabPath.A, third
    assert (third["socketRecvBufferSize"], third["socketSendBufferSize"]) == (sockets[0]["rb"], sockets[0]["tb"]), (sockets, third)
    # The peer.
    info = case.receiver.call("getServerInfo")
    assert third["lastDestinationServerId"] == info["serverId"], (third, info)
    assert third["lastDestinationServerUid"] == info["serverUid"], (third, info)
    assert third["destinationPublicKey"] == info["publicKey"] == case.receiver.key, (third, info)
    assert (third["destinationIP"], third["destinationPort"]) == (LabPath.B, PORT), third
    # The clock.
    for name in ("snapshotTime", "lastSendTime", "lastRecvTime"):
        assert 0 <= now_us - third[name] < LATE_US, (name, third[name], now_us)
    # What was configured.
    assert third["encryptedConnectionState"] == "connected" and third["encryptionEnabled"] is True, third
    assert third["sendRate"] == 20_000 and third["sendRateMin"] == 0 and third["numTransfersQueued"] == 0, third
    assert third["rateControllerActive"] is False and third["rateControlMethod"] == "fixed", third
    assert near(third["sendRateAverage"], 20_000, 0.2), third
    assert third["connectionId"] == first["connectionId"] == destination["connectionId"], (third, destination)
    return transfer, third


def check_changes(case):
    case.set("--rate", "40Mbit/s")
    case.sends(40e6)
    assert case.connection()["sendRate"] == 40_000
    case.set("--method", "fair", "--max", "12Mbit/s", "--min", "1Mbit/s")
    rate, _ = case.measured()
    # Not more than the bound; the rest of what was in flight is within the five seconds.
    assert 12e6 * 0.7 < rate < 12e6 * 1.06, f"{rate / 1e6:.2f} Mbit/s left with a bound of 12 Mbit/s"
    now = case.connection()
    assert now["rateControllerActive"] is True and now["rateControlMethod"] == "fair", now
    assert now["sendRateMax"] == 12_000 and now["sendRateMin"] == 1_000 and now["sendRate"] == 40_000, now
    refused = case.sender.run("set", case.address, "--min", "20Mbit/s")
    assert refused.returncode == 1 and "the least rate is above the greatest" in refused.stderr, refused


def check_queue(case):
    small = case.file("small", 1 << 20)
    more = [case.sender.send_detached(small, case.address, "--to", f"copy-{number}") for number in range(6)]
    at = case.later(int(time.time() * 1e6))
    running = [one for one in case.sender.transfers() if one["status"] == "inProgress"]
    assert len(running) == MAX_RUNNING and at["numTransfersQueued"] == 7 - MAX_RUNNING, (running, at)
    return more


def check_restart(case, before, transfers):
    case.receiver.kill()
    case.receiver.restart()
    case.set("--method", "fixed", "--rate", "80Mbit/s", "--max", "90Mbit/s")
    after = until("another launch of the receiver is seen",
                  lambda: (now := case.connection())["lastDestinationServerId"] != before["lastDestinationServerId"] and now, 60)
    assert after["lastDestinationServerUid"] == before["lastDestinationServerUid"], (before, after)
    assert after["lastDestinationServerId"] == case.receiver.call("getServerInfo")["serverId"], after
    for transfer in transfers:
        record = case.sender.ended(transfer)
        assert record["status"] == "complete", record
    end = case.later(int(time.time() * 1e6))
    assert end["sendRateAverage"] is None and end["numTransfersQueued"] == 0, end
    assert end["lastError"] is None and end["lastErrorMessage"] is None, end


def check_errors(case):
    """Three destinations that cannot be reached, at once."""
    case.path.b.nft(f"add table inet hole; add chain inet hole in {{ type filter hook input priority 0; }}; add rule inet hole in udp dport {PORT + 2} drop")
    small = case.file("lost", 1000)
    other = case.scratch.host("another", case.path.b)
    wanted = {
        (PORT + 1, case.receiver.key): ("unreachable", "refused"),
        (PORT + 2, case.receiver.key): ("timeout", "no answer from"),
        (PORT, other.key): ("notAuthorized", "another key than the destination names"),
    }
    for port, key in wanted:
        case.sender.send_detached(small, f"{key}@{LabPath.B}:{port}")
    for at, (error, words) in wanted.items():
        found = until(f"{at} has an error", lambda: (now := case.connections()[at])["lastError"] and now, 60)
        assert found["lastError"] == error and words in found["lastErrorMessage"], found
        assert found["lastDestinationServerId"] is None and found["lastDestinationServerUid"] is None, found
        assert found["encryptedConnectionState"] in ("disconnected", "negotiating") and found["lastSendTime"] is not None, found
        assert (found["lastRecvTime"] is None) == (error != "notAuthorized"), found
        assert found["relayIP"] is None and found["sendRateMax"] is None, found
        assert sorted(found) == sorted(FIELDS)


def main():
    with Scratch() as scratch:
        case = Case(scratch)
        check_new(case)
        transfer, before = check_running(case)
        check_changes(case)
        more = check_queue(case)
        check_restart(case, before, [transfer, *more])
        check_errors(case)
        print(f"{len(FIELDS)} fields as the path, ss, the peer and the clock have them; 0 differ")


main()
