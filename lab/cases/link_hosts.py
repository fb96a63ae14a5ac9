"""Hosts of link servers, as the cases of `conns link` use them: a network namespace, a state folder, a runtime folder and a key each."""
import json, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading
from pathlib import Path

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
# Beside conns, unless the runner of the cases names it.
LAB = os.environ.get("CONNS_LAB") or str(Path(shutil.which(CONNS) or CONNS).resolve().with_name("conns-lab"))
PORT = 8886
RELAY_PORT = 8887
MBIT = 125_000


class Net:
    """A network namespace: its file, and what ip calls it, a name or the pid of a process in it."""

    def __init__(self, file, name):
        self.file, self.name = file, str(name)

    def words(self, *words):
        return ["nsenter", f"--net={self.file}", *(word if isinstance(word, bytes) else str(word) for word in words)]

    def run(self, *words, check=True, **more):
        ran = subprocess.run(self.words(*words), capture_output=True, text=True, **more)
        assert not check or ran.returncode == 0, f"{words}: {ran.stderr}"
        return ran

    def join(self, other, device, other_device, address, other_address):
        """Joins two namespaces by a pair of devices, with an IPv4 address each."""
        self.run("ip", "link", "add", device, "type", "veth", "peer", "name", other_device)
        self.run("ip", "link", "set", other_device, "netns", other.name)
        for net, name, at in [(self, device, address), (other, other_device, other_address)]:
            net.run("ip", "address", "add", f"{at}/24", "dev", name)
            net.run("ip", "link", "set", name, "up")

    def nft(self, rules):
        self.run("nft", "-f", "-", input=rules)

    def drop_inbound(self):
        """Drops all that arrives. A rule for what is sent would be an error of the sender's socket, and not a black path."""
        self.nft("add table inet black; add chain inet black in { type filter hook input priority -300; policy drop; };"
                 "add chain inet black over { type filter hook forward priority -300; policy drop; }")

    def accept_inbound(self):
        self.nft("delete table inet black")

    def statistics(self, device):
        """The kernel's counters of a device."""
        shown = json.loads(self.run("ip", "-j", "-s", "link", "show", "dev", device).stdout)
        return shown[0]["stats64"]

    def sent_bytes(self, device):
        return self.statistics(device)["tx"]["bytes"]


class Namespace(Net):
    """A new namespace, which ends with this process."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo made && exec cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "made\n", "no network namespace"
        super().__init__(f"/proc/{self.process.pid}/ns/net", self.process.pid)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


class LabPath:
    """The lab's path between two namespaces: 10.77.0.1 in `a`, 10.77.0.2 in `b`. Rates are those of IP packets."""

    A, B = "10.77.0.1", "10.77.0.2"

    def __init__(self, rtt_ms, loss=0, rate=100, queue_ms=100):
        words = ["--rtt-ms", rtt_ms, "--loss", loss, "--rate", rate, "--queue-ms", queue_ms]
        self.process = subprocess.Popen([LAB, "path", *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        names = self.process.stdout.readline().split()
        assert len(names) == 2, f"{LAB} has made no path"
        self.a, self.b = (Net(f"/run/netns/{name}", name) for name in names)
        # A full pipe would block it.
        threading.Thread(target=lambda: [None for _ in self.process.stdout], daemon=True).start()
        devices = json.loads(self.a.run("ip", "-j", "address").stdout)
        self.device = next(one["ifname"] for one in devices if any(at.get("local") == self.A for at in one["addr_info"]))

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


class Host:
    """A host with a key. Its servers are started with the same words again after a kill."""

    def __init__(self, folder, name, net):
        self.folder, self.name, self.net = Path(folder) / name, name, net
        self.key_file = self.folder / "key"
        self.inbox = self.folder / "in"
        self.inbox.mkdir(parents=True)
        self.env = dict(os.environ, XDG_STATE_HOME=str(self.folder / "state"), XDG_RUNTIME_DIR=str(self.folder / "run"))
        self.key = subprocess.run([CONNS, "link", "keygen", "--out", self.key_file], check=True, capture_output=True, text=True).stdout.strip()
        self.server = None
        self.server_words = None

    def words(self, command, *more):
        return self.net.words(CONNS, "link", command, "--key", self.key_file, *more)

    def run(self, command, *more, seconds=120):
        """Runs a command to its end."""
        return subprocess.run(self.words(command, *more), env=self.env, capture_output=True, text=True, timeout=seconds)

    def start(self, command, *more):
        """Starts a command, whose standard error is in `errors`."""
        with open(self.folder / f"{command}.errors", "ab") as errors:
            return subprocess.Popen(self.words(command, *more), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)

    def errors(self, command):
        return (self.folder / f"{command}.errors").read_text(errors="replace")

    def start_server(self, *words):
        """Starts `serve` or `relay`, and waits until it is ready."""
        self.server_words = words
        self.server = self.start(*words)
        line = self.server.stdout.readline()
        assert line, f"{self.name}: {words} did not start: {self.errors(words[0])}"
        return line

    def serve(self, listen, *more):
        return self.start_server("serve", "--listen", listen, "--folder", self.inbox, *more)

    def relay(self, listen, *more):
        return self.start_server("relay", "--listen", listen, *more)

    def kill(self):
        self.server.kill()
        self.server.wait()

    def restart(self):
        return self.start_server(*self.server_words)

    def end(self):
        if self.server and self.server.poll() is None:
            self.server.terminate()
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def has_server(self):
        """Whether a server of this key listens at its unix socket."""
        for path in (self.folder / "run/conns/link").glob("*.sock"):
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(str(path)) == 0
        return False

    def state(self):
        """What a failed case shows: standard error and the queue."""
        shown = [f"{path.name}: {path.read_text(errors='replace')[-600:]}" for path in self.folder.glob("*.errors") if path.stat().st_size]
        if self.has_server() and not (self.server_words or ("",))[0] == "relay":
            shown += [str(self.call("send.getConnections")), *(str(one) for one in self.transfers() if one["processing"])]
        return "; ".join(shown + [f"parts {self.parts()}"])

    def exchange(self, line, seconds=60):
        """Sends a line of bytes to the unix socket, and returns the bytes of the answer; empty if it closed."""
        paths = list((self.folder / "run/conns/link").glob("*.sock"))
        assert len(paths) == 1, paths
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(seconds)
            client.connect(str(paths[0]))
            client.sendall(line + b"\n")
            with client.makefile("rb") as answer:
                return answer.readline()

    def call(self, method, **parameters):
        """The result of a call, or its error as `{"error": …}`."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = json.loads(self.exchange(json.dumps(request).encode()))
        return answer["result"] if "result" in answer else {"error": answer["error"]}

    def connection(self):
        """The only connection, as `conns link connections --json` prints it."""
        ran = self.run("connections", "--json")
        assert ran.returncode == 0, ran.stderr
        connections = json.loads(ran.stdout)
        assert len(connections) == 1, connections
        return connections[0]

    def transfers(self):
        answer = self.call("send.getTransfers")
        return answer["transfers"] if isinstance(answer, dict) else answer

    def transfer(self, transfer_id):
        return self.call("send.getTransfer", transferId=transfer_id)

    def send_detached(self, *words):
        """Queues at the running server; returns the id of the transfer."""
        ran = self.run("send", *words, "--detach", "--json")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)["transferId"]

    def ended(self, transfer_id, seconds=120):
        """Waits for the end of a transfer, and returns its record."""
        def has_ended():
            record = self.transfer(transfer_id)
            return record if "error" in record or not record["processing"] else None
        return until(f"transfer {transfer_id} of {self.name} ends", has_ended, seconds)

    def parts(self):
        """The part files that are left."""
        return [str(path) for path in self.inbox.rglob(".conns-*.part")]


def content(length, seed):
    """Bytes that do not repeat."""
    import random
    return random.Random(seed).randbytes(length)


def b3sum(path):
    return subprocess.run(["b3sum", "--no-names", path], check=True, capture_output=True, text=True).stdout.strip()


def udp_sockets(net):
    """The UDP sockets of a namespace as `ss` shows them, with the sizes of their buffers: dictionaries by name of `skmem`, and both ends."""
    found = []
    for line in net.run("ss", "-H", "-u", "-a", "-n", "-m", "-O", "-p").stdout.splitlines():
        words = line.split()
        memory = next(word for word in words if word.startswith("skmem:"))
        numbers = dict(re.fullmatch(r"([a-z]+)(\d+)", part).groups() for part in memory[7:-1].split(","))
        owner = re.search(r"pid=(\d+)", line)
        ends = [word.rsplit(":", 1) for word in words[3:5]]
        found.append({"local": tuple(ends[0]), "peer": tuple(ends[1]), "pid": owner and int(owner[1]),
                      **{name: int(number) for name, number in numbers.items()}})
    return found


def udp_ports(net):
    return sorted(int(one["local"][1]) for one in udp_sockets(net))


def in_private_mounts():
    """Runs the script again in a mount namespace of its own, so that what it mounts ends with it."""
    if os.environ.get("LINK_CASE_MOUNTS") != "private":
        os.environ["LINK_CASE_MOUNTS"] = "private"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])


class Scratch:
    """A folder, hosts and namespaces that are removed at the end, whatever happens."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="link-case-"))
        self.closed = []
        self.hosts = []
        self.mounted = []
        # The runner ends a case that takes too long with this signal.
        signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __enter__(self):
        return self

    def keep(self, closed):
        """Closes it at the end."""
        self.closed.append(closed)
        return closed

    def mount(self, folder, size="50%"):
        """Mounts a file system in memory."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
        self.mounted.append(folder)

    def host(self, name, net):
        host = Host(self.folder, name, net)
        self.hosts.append(host)
        return host

    def __exit__(self, *_):
        for host in self.hosts:
            if host.server and host.server.poll() is None:
                host.kill()
        for one in reversed(self.closed):
            one.close()
        for mounted in self.mounted:
            subprocess.run(["umount", "--lazy", mounted], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
