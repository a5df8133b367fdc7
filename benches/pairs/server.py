"""A server of one of the builds, and the load that drives it."""
import contextlib
import http.client
import json
import resource
import shutil
import socket
import subprocess
import time

import accounting
import workspaces

# How long a server may take to answer and to stop, in seconds. Only a broken one does.
PATIENCE = 60


class Failed(Exception):
    """A server or its load that did not do what was asked."""


class NotServing(Failed):
    """A server that ends before it serves, or does not come to serve."""


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A process that serves on a port, with its account."""

    def __init__(self, command, port, folder):
        self.port, self.folder = port, folder
        self.account = accounting.account()
        self.log = open(folder / "log", "ab")
        self.begun = time.monotonic()
        # A session of its own: a key pressed on the terminal ends the benchmark, which then ends this.
        self.child = subprocess.Popen(
            ["sh", "-c", self.account.shell() + 'exec "$@"', "sh", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
        )
        self.account.started(self.child.pid)

    def until(self, ready):
        """Seconds from its start until it is ready."""
        while True:
            if self.child.poll() is not None or time.monotonic() - self.begun > PATIENCE:
                raise NotServing(f"does not serve: {self.said()}")
            if ready():
                return time.monotonic() - self.begun
            time.sleep(0.001)

    def said(self):
        """The end of its log."""
        self.log.flush()
        return " | ".join((self.folder / "log").read_text(errors="replace").splitlines()[-4:])

    def stop(self):
        """Ends it with all that it has started, at once: nobody needs what it would still do."""
        self.child.kill()
        self.child.wait()
        self.account.end()
        self.log.close()


class Nudge(Process):
    """`nudge run-server` in a folder, as soon as it says that it is well (`answers`)."""

    def __init__(self, binary, folder, *options):
        self.binary, port = binary, free_port()
        command = [binary, "run-server", "--dir", folder / "workspace", *options, "--port", port]
        super().__init__(command, port, folder)
        try:
            self.to_serving = self.until(self.answers)
        except BaseException:
            self.stop()
            raise


class Server(Nudge):
    """The same as it is measured: `--production`."""

    def __init__(self, binary, folder):
        super().__init__(binary, folder, "--production")

    def answers(self):
        """Whether it says that it is well."""
        try:
            return self.get("/status")[0] == 200
        except OSError:
            return False

    def get(self, path):
        """Status and text, over a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def metrics(self):
        """All counters by name; one with labels is the sum of its series."""
        counters = {}
        for line in self.get("/metrics")[1].splitlines():
            name, _, value = line.rpartition(" ")
            if name and not line.startswith("#"):
                name = name.partition("{")[0]
                counters[name] = counters.get(name, 0.0) + float(value)
        return counters

    def server_seconds(self):
        """Processor time of the server process alone."""
        of = accounting.stat(self.child.pid)
        return of["used"] / accounting.TICK if of else 0.0

    def pss(self):
        """Proportional memory of all processes, in bytes."""
        return accounting.pss(self.account.pids())


class Talk:
    """One user's connection for `converse`."""

    def __init__(self, server, bot):
        self.bot = bot
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def say(self, user, text):
        """The texts that are answered."""
        body = json.dumps({"type": "text", "text": text})
        headers = {"content-type": "application/json"}
        try:
            self.connection.request("POST", f"/api/v1/bots/{self.bot}/converse/{user}", body, headers)
            answer = self.connection.getresponse()
            answered = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.connection.close()
            return [f"({error})"]
        return [reply.get("text") for reply in answered.get("responses", [])]

    def close(self):
        """Closes the connection."""
        self.connection.close()


class Bench:
    """What all measurements share: where files lie, the load generator, and what the machine did meanwhile."""

    def __init__(self, load, folder):
        self.load_binary, self.folder, self.number = load, folder, 0
        self.machine = accounting.Machine()
        # Loads that run.
        self.running = set()
        self.loads = {"seconds": 0.0, "requests": 0}
        self.how = None

    @contextlib.contextmanager
    def serve(self, binary, files):
        """A server over these files, for as long as the block runs."""
        with self.place(files) as folder:
            server = Server(binary, folder)
            try:
                self.how = server.account.how
                yield server
            finally:
                server.stop()

    @contextlib.contextmanager
    def place(self, files):
        """A folder with these files in `workspace`, for as long as the block runs."""
        self.number += 1
        folder = self.folder / str(self.number)
        (folder / "workspace").mkdir(parents=True)
        workspaces.write(folder / "workspace", files)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def begin(self, process, **options):
        """Starts a load: options are those of `nudge bench`."""
        command = [self.load_binary, "bench", "--json", "--url", f"http://127.0.0.1:{process.port}"]
        for name, values in options.items():
            for value in values if isinstance(values, list) else [values]:
                command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        accounting.LOADS.add(child.pid)
        self.running.add(child)
        return child

    def end(self, child):
        """Ends a load, if it still runs."""
        if child.poll() is None:
            child.kill()
            child.wait()
        for pipe in (child.stdout, child.stderr):
            pipe.close()
        accounting.LOADS.discard(child.pid)
        self.running.discard(child)

    def close(self):
        """Ends what runs, and removes the files."""
        for child in list(self.running):
            self.end(child)
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, child, seconds):
        """What a load prints when it is over, which it must be after that many seconds."""
        try:
            out, error = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"the load is not over after {seconds:.0f} s") from None
        finally:
            self.end(child)
        if child.returncode != 0:
            raise Failed(f"the load failed: {error.decode().strip()[-300:]}")
        return json.loads(out)

    def run(self, process, **options):
        """Runs a load to its end. Gives what it printed, with the processor time of the server's processes an event."""
        before, begin = process.account.seconds(), self.machine.now()
        own, alone = self.of_children(), accounting.stat(process.child.pid)["used"]
        patience = float(options.get("seconds", 0)) + float(options.get("drain", 60)) + PATIENCE
        result = self.finish(self.begin(process, **options), patience)
        used, load = process.account.seconds() - before, self.of_children() - own
        self.machine.span(begin, used, load)
        if isinstance(process, Server) and result.get("processed", 0) is None:
            raise Failed("/metrics no longer shows the counters that `nudge bench` reads (src/cli/bench/report.rs)")
        events = result.get("processed") or result.get("answered") or 0
        # A hook that does nothing is fast.
        if not {"kind", "once"} & options.keys() and result.get("replies") is not None and result["replies"] < 0.9 * events:
            raise Failed(f"{events} events were processed, and only {result['replies']} replies committed")
        if events:
            self.loads["seconds"] += load
            self.loads["requests"] += events
            result["cpu"] = used / events
            result["server"] = (accounting.stat(process.child.pid)["used"] - alone) / accounting.TICK / events
            result["rate"] = events / result["draining"]
        return result

    @staticmethod
    def of_children():
        """Processor time of the loads that are over."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime
