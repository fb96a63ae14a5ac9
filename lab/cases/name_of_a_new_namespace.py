#!/usr/bin/env python3
"""An agent calls a new network namespace by its own name, though the kernel gave it the inode of one that is removed. Run as root.

Cause: `ip netns add old`, a listener in it, both end; `ip netns add new` gets the same inode; a listener in it. And: a
namespace that is named only after its first socket was seen (`ip netns attach`).
Oracle: `ls -i /run/netns`, and `conns -l` without an agent.
Right: the agent (with programs in the kernel, following namespaces) reports `new`, and `late` once it is named; `--netns new` finds it.
"""
import json, os, socket, subprocess, sys, tempfile, time

CONNS = os.environ.get("CONNS", "conns")
empty = tempfile.NamedTemporaryFile(suffix=".toml")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    agent_port = free.getsockname()[1]
agent = subprocess.Popen([CONNS, "serve", "--config", empty.name, "--follow-namespaces", "--listen", f"http=127.0.0.1:{agent_port}"], stderr=subprocess.DEVNULL)
time.sleep(4)
LISTEN = "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',%d)); s.listen(5); time.sleep(100)"
tag = f"b{os.getpid() % 10000}"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def inside(name, port):
    return subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", LISTEN % port])


def listed(port, *more):
    ran = subprocess.run([CONNS, "--agent", f"http://127.0.0.1:{agent_port}", "-l", "-o", "json", *more, f"local_port == {port}"], capture_output=True, text=True)
    rows = json.loads(ran.stdout)["connections"] if ran.stdout.startswith("{") else []
    return rows[0]["netns"] if rows else None


wrong = []
old, new, late = f"{tag}old", f"{tag}new", f"{tag}late"
ip("netns", "add", old)
ip("-n", old, "link", "set", "lo", "up")
process = inside(old, 23110)
time.sleep(4)
inode_old = os.stat(f"/run/netns/{old}").st_ino
print("agent:", listed(23110), "inode", inode_old)
process.kill(), process.wait()
ip("netns", "del", old)
time.sleep(3)
for attempt in range(40):
    name = f"{new}{attempt}"
    ip("netns", "add", name)
    if os.stat(f"/run/netns/{name}").st_ino == inode_old:
        break
    ip("netns", "del", name)
    time.sleep(1)
else:
    print("the kernel did not give the inode again; run it on a quieter machine")
    ip("netns", "add", name)
ip("-n", name, "link", "set", "lo", "up")
process = inside(name, 23111)
time.sleep(5)
reported = listed(23111)
print("agent:", reported, "; is", name)
if reported != name:
    wrong.append(f"called {reported}, is {name}")
if listed(23111, "--netns", name) != name:
    wrong.append(f"--netns {name} finds nothing")
process.kill(), process.wait()
ip("netns", "del", name)
process = subprocess.Popen(["unshare", "-n", sys.executable, "-c", LISTEN % 23112])
time.sleep(4)
first = listed(23112)
ip("netns", "attach", late, str(process.pid))
time.sleep(5)
reported = listed(23112)
print("agent:", first, "then", reported, "; is", late)
if reported != late:
    wrong.append(f"still called {reported}, is {late}")
process.kill(), process.wait()
ip("netns", "del", late)
agent.terminate(), agent.wait()
print("WRONG: " + "; ".join(wrong) if wrong else "right")
sys.exit(bool(wrong))
