#!/usr/bin/env python3
"""Sockets have the interface they are bound to by name, and listeners of one and of both families are distinguished. Run as root.

Cause: two namespaces with a pair of veth devices; a connection over link-local addresses, sockets bound to a device
(SO_BINDTODEVICE) of TCP and UDP, an interface that is renamed and one that is removed; listeners on 0.0.0.0, on :: with and
without IPV6_V6ONLY.
Oracle: `ss` for addresses, zones and wildcards, and for what `dev` selects; if_nametoindex(3).
Right: netlink, programs in the kernel and agents show each end as `ss` does (which shows no zone of remote ends), and select
the same; an interface without a name is shown by its index. An agent that may not enter a namespace made after its start reports
that the names in it are missing.
"""
import json, os, re, socket, subprocess, sys, tempfile, time

from waiting import until

CONNS = os.environ.get("CONNS", "conns")
OTHER, NEW = f"lab-{os.getpid()}-8-zones", f"lab-{os.getpid()}-9-zones"
DEADLINE = 30
wrong = []


def run(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True).stdout


def inside(namespace, text):
    """Runs Python in a namespace until its standard input is closed."""
    code = "import socket, sys\n" + text + "\nprint('ready', flush=True)\nsys.stdin.read()"
    process = subprocess.Popen(["ip", "netns", "exec", namespace, sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "ready\n":
        sys.exit("the other namespace has no sockets")
    return process


def link_local(name, *place):
    def read():
        found = re.findall(r"inet6 (fe80::[0-9a-f:]+)/64 scope link *$", run("ip", *place, "-6", "addr", "show", "dev", name), re.M)
        return found and found[0]
    return until(f"{name} has a link-local address", read, DEADLINE)


def listener(family, address, device=None, only=None):
    made = socket.socket(family)
    if device:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if only is not None:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    made.bind(address)
    made.listen(5)
    return made


def udp(family, address, device=None, only=None):
    made = socket.socket(family, socket.SOCK_DGRAM)
    if device:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if only is not None:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    made.bind(address)
    return made


def ss_ends(*words):
    """The local ends by `ss`, its zone moved into the brackets."""
    rows = [line.split() for line in run("ss", "-Htuan", *words).splitlines()]
    return sorted(re.sub(r"^\[(.*)\]%([^:]+):", r"[\1%\2]:", row[4]) for row in rows)


def conns(*words):
    return run(CONNS, "-a", "-H", *words)


def conns_ends(*words):
    return sorted(conns("--columns", "local", *words).split())


def records(*words):
    return [json.loads(line) for line in run(CONNS, "-a", "-o", "jsonl", *words).splitlines()]


run("ip", "netns", "add", OTHER)
processes, agents = [], []
try:
    for words in (
        "link set lo up",
        f"link add front0 type veth peer name back0 netns {OTHER}",
        "link add old0 type veth peer name old1",
        "link set old0 up",
        "link set front0 up",
    ):
        run("ip", *words.split())
    run("ip", "-n", OTHER, "link", "set", "lo", "up")
    run("ip", "-n", OTHER, "link", "set", "back0", "up")
    mine, its = link_local("front0"), link_local("back0", "-n", OTHER)
    index = socket.if_nametoindex("front0")
    old_index = socket.if_nametoindex("old0")
    processes.append(inside(OTHER, f"""
a = socket.socket(socket.AF_INET6)
a.bind(('{its}', 7301, 0, socket.if_nametoindex('back0')))
a.listen(5)
b = socket.socket()
b.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lo')
b.bind(('127.0.0.1', 7302))
b.listen(5)
"""))
    four, six = socket.AF_INET, socket.AF_INET6
    client = socket.create_connection((f"{its}%front0", 7301))
    held = [
        client,
        listener(four, ("0.0.0.0", 7310)),
        listener(six, ("::", 7311), only=1),
        listener(six, ("::", 7312), only=0),
        listener(four, ("127.0.0.1", 7313), "lo"),
        listener(six, (mine, 7314, 0, index)),
        listener(six, ("::", 7315), "front0", only=0),
        listener(six, ("::", 7316), "front0", only=1),
        listener(four, ("0.0.0.0", 7317), "front0"),
        udp(four, ("0.0.0.0", 7320)),
        udp(six, ("::", 7321), only=1),
        udp(six, ("::", 7322), only=0),
        udp(four, ("127.0.0.1", 7323), "lo"),
        udp(six, (mine, 7324, 0, index)),
    ]
    held.append(listener(four, ("0.0.0.0", 7318), "old0"))
    config = tempfile.NamedTemporaryFile(suffix=".toml")

    def agent(*more):
        place = tempfile.mkdtemp() + "/s"
        agents.append(subprocess.Popen([CONNS, "serve", "--config", config.name, "--listen", f"unix:{place}", *more], stderr=subprocess.DEVNULL))
        until("the agent listens", lambda: os.path.exists(place), DEADLINE)
        return ["--agent", f"unix:{place}"]

    inode = os.stat("/proc/self/ns/net").st_ino
    other_inode = os.stat(f"/run/netns/{OTHER}").st_ino
    mine_only = f"netns_inode == {inode}"
    # The second one has dropped the privilege to enter namespaces, and reads the names in those of its start.
    sources = {"netlink": ["--source", "kernel"], "agent": agent("--follow-namespaces"), "confined agent": agent()}
    loaded = not re.search(r"ebpf-tables +no", run(CONNS, "abilities", check=False))
    if loaded:
        sources["programs"] = ["--source", "ebpf"]
    print("sources:", ", ".join(sources))

    def selects(condition, *ss):
        """`conns` and `ss` show the same ends for a filter."""
        expected = ss_ends(*(ss or condition.split()))
        for name, source in sources.items():
            found = []
            end = time.time() + DEADLINE
            while time.time() < end:
                found = conns_ends(*source, f"{mine_only} and ({condition})" if condition else mine_only)
                if found == expected:
                    break
                # Only the agent is behind.
                if "agent" not in name:
                    break
                time.sleep(0.2)
            if found != expected:
                wrong.append(f"{name}, {condition or 'all'}: {found}, ss shows {expected}")
        return expected

    # All of them, with zones and wildcards.
    every = selects("")
    for end in (f"[{mine}%front0]:7314", "127.0.0.1%lo:7313", "*%front0:7315", "[::%front0]:7316", "0.0.0.0%front0:7317", "0.0.0.0:7310", "[::]:7311", "*:7312", "[::]:7321", "*:7322"):
        if end not in every:
            wrong.append(f"ss does not show {end}: {every}")
    # What `dev` selects.
    for condition in ("dev = front0", "dev == lo", f"dev = {index}"):
        if not selects(condition):
            wrong.append(f"ss selects nothing with {condition}")
    # Both print it, and both find it by what is printed.
    for name, source in sources.items():
        for text, port in ((f"{mine}%front0 and 7314", 7314), (f"[{mine}%front0]:7314", 7314), (f"[{mine}]%front0:7314", 7314), (f"{mine}%{index}:7324", 7324), ("127.0.0.1%lo:7313", 7313), ("*%front0:7317", 7317), ("[::]:7311", 7311)):
            found = {row["local_port"] for row in records(*source, f"{mine_only} and ({text})")}
            if found != {port}:
                wrong.append(f"{name}: {text} finds {found}")
        if records(*source, f"{mine_only} and {mine}%lo"):
            wrong.append(f"{name}: {mine}%lo finds something")
        # The kernel sets it for one that is bound to an address, too (`__inet6_bind`, net/ipv6/af_inet6.c).
        only = {row["local_port"]: row.get("ipv6_only") for row in records(*source, mine_only)}
        expected = {7311: True, 7312: False, 7315: False, 7316: True, 7321: True, 7322: False, 7314: True, 7310: None, 7313: None}
        if {port: only.get(port) for port in expected} != expected:
            wrong.append(f"{name}: ipv6_only is {only}")
        # The connection: both ends have the zone, in each namespace that of its own.
        rows = records(*source, f"netns_inode in ({inode}, {other_inode}) and established and port == 7301")
        shown = {(row["netns_inode"], row.get("interface"), row.get("interface_index")) for row in rows}
        back = int(run("ip", "netns", "exec", OTHER, "cat", "/sys/class/net/back0/ifindex"))
        if shown != {(inode, "front0", index), (other_inode, "back0", back)} and shown != {(inode, "front0", index)}:
            wrong.append(f"{name}: the connection is at {shown}")
        if not any(row["netns_inode"] == inode for row in rows):
            wrong.append(f"{name}: the connection is missing")
        ends = conns("--columns", "local,remote", *source, f"netns_inode == {inode} and remote_port == 7301").split()
        if ends != [f"[{mine}%front0]:{client.getsockname()[1]}", f"[{its}%front0]:7301"]:
            wrong.append(f"{name}: the ends of the connection are {ends}")
        rows = records(*source, f"netns_inode == {other_inode} and local_port in (7301, 7302) and state listen")
        shown = sorted((row["local_port"], row.get("interface")) for row in rows)
        if shown != [(7301, "back0"), (7302, "lo")]:
            wrong.append(f"{name}: the interfaces of the other namespace are {shown}")
    # A namespace that is made after the start.
    run("ip", "netns", "add", NEW)
    run("ip", "-n", NEW, "link", "set", "lo", "up")
    processes.append(inside(NEW, """
a = socket.socket()
a.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lo')
a.bind(('127.0.0.1', 7319))
a.listen(5)
"""))
    new_inode = os.stat(f"/run/netns/{NEW}").st_ino

    def new_row(source):
        text = run(CONNS, "-a", "-o", "json", *source, f"netns_inode == {new_inode}", check=False)
        answer = json.loads(text) if text.startswith("{") else {"connections": []}
        rows = [(row.get("interface"), row.get("interface_index")) for row in answer["connections"]]
        lost = any(f"names of interfaces in network namespace net:[{new_inode}]" in json.dumps(loss) for loss in answer.get("losses", []))
        return rows, lost

    for name, source in sources.items():
        is_confined = name == "confined agent"
        if is_confined and not loaded:
            # Over netlink it has no sockets of that namespace, which is another loss.
            continue
        expected = ([(None if is_confined else "lo", 1)], is_confined)
        end = time.time() + DEADLINE
        while new_row(source) != expected and time.time() < end:
            time.sleep(0.2)
        if new_row(source) != expected:
            wrong.append(f"{name}: a new namespace has {new_row(source)} and not {expected}")
    # Renamed, as the agents run; and removed.
    run("ip", "link", "set", "old0", "down")
    run("ip", "link", "set", "old0", "name", "later0")
    if not selects("dev = later0"):
        wrong.append("ss does not know the new name")
    run("ip", "link", "del", "later0")
    for name, source in sources.items():
        def unnamed():
            rows = records(*source, f"{mine_only} and local_port == 7318")
            found = [(row.get("interface"), row.get("interface_index")) for row in rows]
            return found == [(None, old_index)]
        end = time.time() + DEADLINE
        while not unnamed() and time.time() < end:
            time.sleep(0.2)
        if not unnamed():
            wrong.append(f"{name}: the removed interface is shown as {records(*source, f'{mine_only} and local_port == 7318')}")
        found = conns("--columns", "local,interface", *source, f"{mine_only} and dev = {old_index}").split()
        if found != [f"0.0.0.0%{old_index}:7318", str(old_index)]:
            wrong.append(f"{name}: the removed interface is printed as {found}")
    # The agents keep no namespace that nothing else uses: with it the other end of its veth pair is removed.
    for process in processes:
        process.communicate("")
    run("ip", "netns", "del", OTHER)
    run("ip", "netns", "del", NEW)
    end = time.time() + DEADLINE
    while "front0" in run("ip", "-o", "link") and time.time() < end:
        time.sleep(0.2)
    if "front0" in run("ip", "-o", "link"):
        wrong.append("an agent keeps the other namespace")
    print("\n".join(wrong) or "right")
finally:
    for process in agents:
        process.terminate()
        process.wait()
    for process in processes:
        process.kill()
    for namespace in (OTHER, NEW):
        run("ip", "netns", "del", namespace, check=False)
sys.exit(bool(wrong))
