"""Processor time and memory of a server with everything that it starts, and of the machine around it.

A server forks processes that fork others, which die, are reaped by their parents or come to have another one. What all of them
have used is known to the kernel in two ways:

- a control group (version 2, or `cpuacct` of version 1) that the server is in before its first instruction: its counter holds
  what every process that was ever in it has used, alive, dead or not yet reaped;
- where no group can be made (an ordinary user without delegation): this process becomes the reaper of orphans. What each process
  has used and what it has reaped stands in its `stat`, so the sum over the living tree, and over what was reaped here, leaves out
  nothing but children whose parent ignores SIGCHLD (nudge does not).
"""
import ctypes
import itertools
import os
import pathlib
import resource
import signal
import time

TICK = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36
numbers = itertools.count()
# Children of this process that are none of the server's: the load.
LOADS = set()


def read(path):
    """The text of a file of /proc or of a group, or nothing if the process is gone."""
    try:
        return pathlib.Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stat(pid):
    """Parent, state, own ticks and ticks of reaped children of a process, or nothing if it is gone."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not fields:
        return None
    used, reaped = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return {"parent": int(fields[1]), "state": fields[0], "used": used, "reaped": reaped}


def pss(pids):
    """Proportional memory in bytes of these processes together: pages that they share count once."""
    total = 0
    for pid in pids:
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


class Group:
    """A control group that a process joins before it becomes the server."""

    how = "control group"

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def shell(self):
        """What a shell does before it becomes the server."""
        return f"echo $$ > '{self.folder}/cgroup.procs' && "

    def started(self, pid):
        """A group needs to be told nothing."""

    def pids(self):
        """All processes that live."""
        return [int(pid) for pid in read(self.folder / "cgroup.procs").split()]

    def seconds(self):
        """Processor time of all processes so far, the dead ones too."""
        if text := read(self.folder / "cpuacct.usage"):
            return int(text) / 1e9
        return int(read(self.folder / "cpu.stat").split()[1]) / 1e6

    def end(self):
        """Kills what is left, and removes the group."""
        deadline = time.monotonic() + 10
        while (pids := self.pids()) and time.monotonic() < deadline:
            for pid in pids:
                kill(pid)
            time.sleep(0.01)
        # The last ones may be zombies of a moment ago.
        while time.monotonic() < deadline:
            try:
                return self.folder.rmdir()
            except OSError:
                time.sleep(0.01)


class Tree:
    """The living descendants of the server, where no control group can be made."""

    how = "process tree"

    def __init__(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.server = None
        # Seconds of orphans that were reaped here.
        self.reaped = 0.0

    def shell(self):
        """A shell has nothing to do before it becomes the server."""
        return ""

    def started(self, pid):
        """The root of the tree."""
        self.server = pid

    def pids(self):
        """The server's descendants, and orphans of it, which are children of this process."""
        all_of_them = processes()
        found = [self.server] if self.server in all_of_them else []
        for pid, of in all_of_them.items():
            orphan = of["parent"] == os.getpid() and pid not in LOADS and pid != self.server
            if orphan and of["state"] == "Z":
                used = os.wait4(pid, os.WNOHANG)[2]
                self.reaped += used.ru_utime + used.ru_stime
            elif orphan:
                found.append(pid)
        for pid in found:
            found.extend(child for child, of in all_of_them.items() if of["parent"] == pid)
        return found

    def seconds(self):
        """Processor time of all processes so far, the dead and reaped ones too."""
        known = [of for pid in self.pids() if (of := stat(pid))]
        return self.reaped + sum(of["used"] + of["reaped"] for of in known) / TICK

    def end(self):
        """Kills what is left."""
        for _ in range(1000):
            pids = [pid for pid in self.pids() if (of := stat(pid)) and of["state"] != "Z"]
            if not pids:
                return
            for pid in pids:
                kill(pid)
            time.sleep(0.01)


def processes():
    """All processes, by id."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return {pid: of for pid in pids if (of := stat(pid))}


def kill(pid):
    """SIGKILL, if it still lives."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def places():
    """Folders in which a group of ours may be made, best first: where this process is, in each hierarchy that counts."""
    own = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in read("/proc/self/cgroup").splitlines()}
    for line in read("/proc/self/mounts").splitlines():
        _, folder, kind, options = line.split()[:4]
        if kind == "cgroup2":
            yield pathlib.Path(folder + own.get("", "/"))
        elif kind == "cgroup" and "cpuacct" in options.split(","):
            names = [name for name in own if "cpuacct" in name.split(",")]
            yield pathlib.Path(folder + (own[names[0]] if names else "/"))


def account():
    """A new account for one server."""
    for place in places():
        try:
            group = Group(place / f"nudge-pairs-{os.getpid()}-{next(numbers)}")
        except OSError:
            continue
        joined = os.system(f"({group.shell()} true) 2>/dev/null")
        if joined == 0:
            return group
        group.folder.rmdir()
    return Tree()


class Machine:
    """What the machine did in a stretch of time, beside what is measured: why figures may be worse than the builds are."""

    def __init__(self):
        self.spans = []

    @staticmethod
    def now():
        """Wall time, busy ticks and stolen ticks of all processors, and what this process and its load have used."""
        ticks = list(map(int, read("/proc/stat").splitlines()[0].split()[1:]))
        own = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "wall": time.monotonic(),
            "busy": sum(ticks[:3]) + sum(ticks[5:7]),
            "steal": ticks[7],
            "own": own.ru_utime + own.ru_stime,
        }

    def span(self, begin, of_servers, of_load):
        """Notes the time since `begin`, in which the server and the load used that many seconds."""
        end = self.now()
        seconds = (end["wall"] - begin["wall"]) * (os.cpu_count() or 1)
        busy = (end["busy"] - begin["busy"]) / TICK
        others = busy - of_servers - of_load - (end["own"] - begin["own"])
        self.spans.append((seconds, max(0.0, others), (end["steal"] - begin["steal"]) / TICK))

    def shares(self):
        """Shares of the processors that others used, and that were stolen from this machine, while it was measured."""
        seconds = sum(span[0] for span in self.spans) or 1.0
        return sum(span[1] for span in self.spans) / seconds, sum(span[2] for span in self.spans) / seconds
