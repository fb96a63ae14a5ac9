#!/usr/bin/env python3
"""Records corpus/procfs: files of /proc of processes started by this script, and of a kernel thread.

Run as root: `python3 fuzz/record/processes.py [CORPUS/procfs]`. It starts itself again in a fresh
control group namespace, and its processes have an empty environment and `/` as their folder, so no name of the
machine gets in. Needs python 3.6 only, to run on old kernels too. What a kernel refuses is printed and omitted.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

INSIDE = "recorder-inside"
PTRACE_TRACEME = 0
CONTAINER = "0123456789abcdef" * 4

# Process names: any 15 bytes.
NAMES = {
    "plain": b"nginx",
    "spaces": b"web content  x",
    "parentheses": b"a) (b",
    "only-closing": b"))))",
    "forged": b"x) R 1 1 1 0 -1",
    "newline": b"two\nlines\n",
    "tab-and-escape": b"\t\x1b[31m\\",
    "not-utf8": b"\xff\xfe\x80",
    "cut-character": "aaaaaaaaaaaaa\u00e9\u00e9".encode(),
    "empty": b"\n",
}

# Arguments; the first is the name.
COMMANDS = {
    "arguments": [b"nginx", b"-g", b"daemon off;"],
    "title": [b"nginx: worker process", b"", b"", b""],
    "empty-arguments": [b"sleep", b"", b"", b"x", b""],
    "newline": [b"sh", b"-c", b"read line\n:"],
    "not-utf8": [b"sleep", b"\xff\xfe", "gr\u00f6\u00dfe".encode()],
    "long": [b"java"] + [b"-Dproperty.%d=value" % n for n in range(60)],
}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../corpus/procfs")
    folder = os.path.abspath(folder)
    if os.environ.get(INSIDE) is None:
        os.execvpe("unshare", ["unshare", "--cgroup", sys.executable, os.path.abspath(__file__), folder],
                   {**os.environ, INSIDE: "1"})
    os.chdir("/")
    corpus = Corpus(folder, "linux-" + ".".join(os.uname().release.split(".")[:2]))

    for name, comm in NAMES.items():
        with Process(name=comm) as pid:
            corpus.keep("stat", name, "/proc/%d/stat" % pid)
            if name in ("plain", "newline"):
                corpus.keep("status", name, "/proc/%d/status" % pid)
    for name, arguments in COMMANDS.items():
        with Process(arguments) as pid:
            corpus.keep("cmdline", name, "/proc/%d/cmdline" % pid)
    with Process([b"sleep"], ids=(1000, 1001, 1002)) as pid:
        corpus.keep("status", "three-uids", "/proc/%d/status" % pid)
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    time.sleep(0.1)
    for file in ("stat", "status", "cmdline"):
        corpus.keep(file, "zombie", "/proc/%d/%s" % (zombie, file))
    os.waitpid(zombie, 0)
    for file in ("stat", "status", "cmdline", "cgroup"):
        corpus.keep(file, "kernel-thread", "/proc/2/" + file)

    with Process([b"sleep"]) as pid:
        corpus.keep("cgroup", "root", "/proc/%d/cgroup" % pid)
    groups = {
        "unit": "system.slice/nginx.service",
        "docker": "system.slice/docker-%s.scope" % CONTAINER,
        "kubernetes": "kubepods.slice/kubepods-burstable.slice/cri-containerd-%s.scope" % CONTAINER,
        "user": "user.slice/user-1000.slice/user@1000.service/app.slice/app:foot.scope",
        "colon-and-spaces": "odd.slice/a: b:c.service",
        "newline": "odd.slice/two\nlines.service",
    }
    for name, group in groups.items():
        for version, hierarchy in hierarchies():
            attempt("control group %s-%s" % (name, version),
                    lambda: grouped(corpus, "%s-%s" % (name, version), hierarchy, group))

    links(corpus)
    corpus.keep("boot", "stat", "/proc/stat")


class Corpus:
    def __init__(self, folder, kernel):
        self.folder = folder
        self.kernel = kernel

    def keep(self, file, name, path):
        with open(path, "rb") as opened:
            self.keep_bytes(file, name, opened.read())

    def keep_bytes(self, file, name, content):
        assert len(content) <= 4096, (file, name)
        folder = os.path.join(self.folder, file, self.kernel)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as opened:
            opened.write(content)


class Process:
    """A process that has been given arguments, a name, users or a control group, and ends with the block."""

    def __init__(self, arguments=None, name=None, ids=None, group=None):
        self.arguments = arguments
        self.name = name
        self.ids = ids
        self.group = group

    def __enter__(self):
        self.pid = os.fork()
        if self.pid == 0:
            self.live()
            os._exit(1)
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "the process could not be prepared"
        return self.pid

    def live(self):
        if self.group:
            write(os.path.join(self.group, "cgroup.procs"), b"0")
        if self.ids:
            os.setgroups([])
            os.setresuid(*self.ids)
        if self.name is not None:
            write("/proc/self/comm", self.name)
        if self.arguments is None:
            os.kill(os.getpid(), signal.SIGSTOP)
        # A traced process stops in execve(2), before it reads its arguments.
        ctypes.CDLL(None).ptrace(PTRACE_TRACEME, 0, 0, 0)
        os.execve("/bin/true", self.arguments, {})

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def hierarchies():
    """Hierarchies in which a control group can be created without changing a limit: version 2, and systemd's of version 1."""
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            _, place, kind, options = line.split()[:4]
            if kind == "cgroup2":
                yield "v2", place
            elif kind == "cgroup" and "name=systemd" in options:
                yield "v1", place


def grouped(corpus, name, hierarchy, group):
    made = []
    path = hierarchy
    try:
        for part in group.split("/"):
            path = os.path.join(path, part)
            if not os.path.isdir(path):
                os.mkdir(path)
                made.append(path)
        with Process([b"sleep"], group=path) as pid:
            corpus.keep("cgroup", name, "/proc/%d/cgroup" % pid)
    finally:
        time.sleep(0.05)
        for path in reversed(made):
            os.rmdir(path)


def links(corpus):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        # The directory has a random name, short enough not to be cut.
        odd = os.path.join(folder, "socket:[1]")
        opened = {
            "socket": socket.socket(),
            "socket-unix": socket.socketpair()[0],
            "pipe": os.fdopen(os.pipe()[0]),
            "device": open("/dev/null"),
            "file-called-socket": open(odd, "w"),
            "namespace": open("/proc/self/ns/net"),
            "event": attempt("epoll", select.epoll),
        }
        os.chdir(folder)
        deleted = open("socket:[2]", "w")
        os.remove("socket:[2]")
        opened["deleted"] = deleted
        for name, one in opened.items():
            if one is not None:
                content = os.readlink(b"/proc/self/fd/%d" % one.fileno())
                content = content.replace(folder.encode(), b"/tmp/folder")
                corpus.keep_bytes("link", name, content)
        os.chdir("/")


def write(path, content):
    with open(path, "wb", buffering=0) as opened:
        opened.write(content)


def attempt(what, do):
    try:
        return do()
    except (OSError, subprocess.CalledProcessError) as error:
        print("omitted: %s: %s" % (what, error), file=sys.stderr)
        return None


if __name__ == "__main__":
    main()
