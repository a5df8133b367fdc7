"""A server with a calm and a hostile bot, the visitor of the calm one, and what is looked at meanwhile."""
import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE.parent / "pairs"))

import accounting  # noqa: E402  (of the other benchmark)
from server import NotServing, Nudge  # noqa: E402

# The visitor asks so often, over so many connections.
RATE, CONNECTIONS = 50, 8
PAGE = os.sysconf("SC_PAGE_SIZE")
INCOMING = "hooks/before_incoming_middleware"
# Says which events of the calm bot ran, so that one that ran twice is noticed.
RAN = "console.log('ran ' + event.id)\n"


def workspace():
    """The two bots, before anything of a kind: the calm one has the third documented hook."""
    documented = (ROOT / "tests/snippets/3.js").read_text()
    return {
        "bots/calm/bot.config.json": "{}",
        f"bots/calm/{INCOMING}/proactive.js": documented,
        f"bots/calm/{INCOMING}/ran.js": RAN,
        "bots/hostile/bot.config.json": "{}",
    }


class Served(Nudge):
    """A server whose log is JSON."""

    def __init__(self, binary, folder, development):
        self.development = development
        super().__init__(binary, folder, "--log", "json", *([] if development else ["--production"]))

    def answers(self):
        """Whether it says that it is well."""
        return bool(self.status(patience=1))

    def status(self, patience=10):
        """What `/status` says, or nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            connection.request("GET", "/status")
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def stands(self):
        """Whether the process that was started still runs and answers."""
        return self.child.poll() is None and bool(self.status())

    def token(self):
        """A token for both bots."""
        command = [self.binary, "token", "--dir", self.folder / "workspace"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def log_bytes(self):
        """How long its log is."""
        return (self.folder / "log").stat().st_size


class Watch:
    """Looks at the memory once a second: the most since the last time it was asked."""

    def __init__(self, served):
        self.served, self.over = served, threading.Event()
        self.server = self.all = 0
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(1):
            pids = self.served.account.pids()
            fields = accounting.read(f"/proc/{self.served.child.pid}/statm").split()
            self.server = max(self.server, int(fields[1]) * PAGE if fields else 0)
            self.all = max(self.all, accounting.pss(pids))

    def most(self):
        """Bytes of the server process and of all processes, and begins anew."""
        found = (self.server, self.all)
        self.server = self.all = 0
        return found

    def close(self):
        """Stops looking."""
        self.over.set()
        self.thread.join()


class Asking:
    """The visitor's process."""

    def __init__(self, served, token):
        command = [sys.executable, "-B", HERE / "visitor.py", str(served.port), str(RATE), str(CONNECTIONS)]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"VISITOR_TOKEN": token})
        accounting.LOADS.add(self.child.pid)

    def stop(self):
        """All requests: when each was due, how long it took, and what came of it."""
        out, _ = self.child.communicate(timeout=60)
        accounting.LOADS.discard(self.child.pid)
        rows = (line.split() for line in out.decode().splitlines())
        return [(float(due), float(took), came) for due, took, came in rows]

    def kill(self):
        """Ends it, if it still runs."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        accounting.LOADS.discard(self.child.pid)


def calm_in_log(path, start=0):
    """What the log says of the calm bot from that byte on: how many of its events ran again, and how many entries say that one ended."""
    ran, again, ended = set(), 0, []
    with open(path, "rb") as log:
        log.seek(start)
        for line in log:
            if b'"calm"' not in line:
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            message = str(entry.get("message", ""))
            if message.startswith("ran "):
                again += message in ran
                ran.add(message)
            elif entry.get("bot") == "calm" and entry.get("level") in ("error", "warn", "ERROR", "WARN"):
                ended.append(message)
    return len(ran), again, ended


__all__ = ["Asking", "INCOMING", "NotServing", "ROOT", "Served", "Watch", "accounting", "calm_in_log", "workspace"]
