#!/usr/bin/env python3
"""A process has the container that its control group names, as container managers name them. Run as root.

Cause: control groups (v2, or v1 of pids) with the paths of Docker, BuildKit, LXC and systemd-nspawn below one of the test, and a
process with a listener in each. The managers themselves are not run: a group of the same name is the same to the kernel.
Oracle: the names that the test gave; /proc/PID/cgroup.
Right: each listener has the container of its process, and that of a process outside has none; `container == NAME` finds it.
"""
import json, os, subprocess, sys

CONNS = os.environ.get("CONNS", "conns")
ID, BUILDKIT = "3d1a2f8c9be0471d52c6a7f0e94b18d35a6c7f1e0b92d84c3f5a61e7d0829b4c", "j3qhlw2ubcs2q8yszpydpstku"
PATHS = {
    f"system.slice/docker-{ID}.scope": ID,
    f"docker/buildkit/{BUILDKIT}": BUILDKIT,
    "lxc.payload.web/system.slice/nginx.service": "web",
    "lxc/101/ns": "101",
    r"machine.slice/machine-my\x2dweb.scope/payload": "my-web",
    "machine.slice/systemd-nspawn@db.service/payload/init.scope": "db",
    "lxc.monitor.web": None,
    "machine.slice/systemd-nspawn@db.service/supervisor": None,
    "plain.service": None,
}
LISTEN = "import socket,sys; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(1); print(s.getsockname()[1],flush=True); sys.stdin.read()"


def mount():
    """The tree of version 2, else of the controller of pids."""
    with open("/proc/mounts") as mounts:
        trees = [line.split() for line in mounts]
    for kind, option in (("cgroup2", ""), ("cgroup", "pids")):
        for _, place, found, options, *_ in trees:
            if found == kind and (not option or option in options.split(",")):
                return place
    print("skipped: no tree of control groups is mounted")
    sys.exit(0)


root = os.path.join(mount(), f"conns-lab-{os.getpid()}")
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
processes, wrong = [], []
try:
    for path, container in PATHS.items():
        group = os.path.join(root, path)
        os.makedirs(group, exist_ok=True)
        process = subprocess.Popen([sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        port = int(process.stdout.readline())
        with open(os.path.join(group, "cgroup.procs"), "w") as procs:
            procs.write(str(process.pid))
        with open(f"/proc/{process.pid}/cgroup") as groups:
            if path not in groups.read():
                sys.exit(f"the process is not in {path}")

        def listed(condition):
            text = subprocess.run([CONNS, "-l", "-o", "jsonl", "--netns", "self", condition], capture_output=True, text=True).stdout
            return [json.loads(line) for line in text.splitlines()]

        rows = listed(f"local_port == {port}")
        shown = [row.get("container") for row in rows]
        if shown != [container]:
            wrong.append(f"{path}: {shown} and not {container}")
        if container and port not in [row["local_port"] for row in listed(f"container == '{container}'")]:
            wrong.append(f"{path}: container == {container} does not find it")
    print("\n".join(wrong) or "right")
finally:
    for process in processes:
        process.communicate("")
    for place, _, _ in os.walk(root, topdown=False):
        os.rmdir(place)
sys.exit(bool(wrong))
