"""What is measured: each function serves a workspace with one build and gives figures by name."""
import contextlib
import os
import socket
import threading
import time

import workspaces
from server import Failed, NotServing, Process, Talk
from upstream import Upstream

CONNECTIONS = 64
# Users at a time of all loads, so that each has as many conversations, however many bots they are spread over.
USERS = 1024


class Scale:
    """How long things take, in seconds, and how many there are."""

    def __init__(self, quick):
        self.rounds = 1 if quick else 3
        self.warm, self.load = (1, 1) if quick else (1, 2)
        # How long others speak while something happens to them, and how long files are saved.
        self.others, self.saves = (2, 2) if quick else (3, 3)
        # For rates: what a slow build has not done by then is not waited for, it counts as not done in this time.
        self.drain = 1
        # For events of which each counts.
        self.patience = 10
        self.bots = [2, 300] if quick else [2, 8, 50, 300]
        # Events that come at once: what it is called, how many, and with which settings. The last is measured once.
        self.crowds = [("wait_1000", 1000, {}), ("wait_free_1000", 1000, workspaces.MANY_CALLS)]
        if not quick:
            self.crowds.append(("wait_free_2000", 2000, workspaces.MANY_CALLS))

    def later(self):
        """What is measured in the rounds after the first."""
        self.crowds = self.crowds[:2]


def percentile(values, share):
    """The value below which that share lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-len(ordered) * share // 1) - 1))]


def idle(bench, binary, scale):
    """Start, memory at rest and conversations of the built-in welcome bot."""
    figures, starts, answers = {}, [], []
    for _ in range(2):
        with bench.serve(binary, {}) as server:
            starts.append(server.to_serving)
    with bench.serve(binary, {}) as server:
        starts.append(server.to_serving)
        with contextlib.closing(Talk(server, "welcome-bot")) as talk:
            talk.say("first", "Hey!")
            figures["first_answer_ms"] = (time.monotonic() - server.begun) * 1e3
    with bench.serve(binary, {}) as server:
        starts.append(server.to_serving)
        time.sleep(1.5)
        figures["idle_mb"] = server.pss() / 2**20
        figures["start_ms"] = percentile(starts, 0.5) * 1e3
        load = {"kind": "converse", "users": USERS, "drain": scale.drain}
        bench.run(server, connections=8, seconds=scale.warm, **load)
        for connections in [8, CONNECTIONS]:
            said = bench.run(server, connections=connections, seconds=scale.load, **load)
            figures[f"converse_{connections}"] = said["rate"]
            figures[f"converse_cpu_{connections}"] = said["cpu"] * 1e6
            figures[f"converse_p99_{connections}"] = said["p99"] / 1e3
    return figures


def one_bot(bench, binary, scale):
    """Events of the documented hook, and visitors who listen."""
    figures = {}
    with bench.serve(binary, workspaces.with_documented_hook(1)) as server:
        load = {"bot": "b0", "users": USERS, "drain": scale.drain}
        bench.run(server, connections=CONNECTIONS, seconds=scale.warm, **load)
        for connections in [8, CONNECTIONS]:
            said = bench.run(server, connections=connections, seconds=scale.load, **load)
            figures[f"events_{connections}"] = said["rate"]
            figures[f"cpu_{connections}"] = said["cpu"] * 1e6
            figures[f"cpu_server_{connections}"] = said["server"] * 1e6
            figures[f"p99_{connections}"] = said["p99"] / 1e3
        heard = bench.run(server, bot="b0", kind="visitors", connections=500, seconds=scale.others)
        figures["visitors_p50"], figures["visitors_p99"] = heard["p50"] / 1e3, heard["p99"] / 1e3
    return figures


def many_bots(bench, binary, scale):
    """Events of the documented hook for several bots in turn. `share`, of one bot, is made of it where rounds are compared."""
    figures = {}
    for count in scale.bots:
        with bench.serve(binary, workspaces.with_documented_hook(count)) as server:
            load = {"bot": workspaces.names(count), "users": USERS, "drain": scale.drain, "connections": CONNECTIONS}
            bench.run(server, seconds=scale.warm, **load)
            said = bench.run(server, seconds=scale.load, **load)
            figures[f"events_bots_{count}"] = said["rate"]
            figures[f"cpu_bots_{count}"] = said["cpu"] * 1e6
            figures[f"pss_bots_{count}_mb"] = server.pss() / 2**20
    return figures


def harm(before, after):
    """How many events were run again and processes killed, by all counters whose names say so."""
    words = ("again", "kill", "crash", "set_aside", "died", "dead")
    return sum(after[name] - before.get(name, 0.0) for name in after if any(word in name for word in words))


def crowd(bench, binary, scale):
    """Events that come at once, each of which waits for a call of a second; and what one that waits costs in memory."""
    figures = {}
    upstream = Upstream(seconds=1.0)
    with contextlib.closing(upstream):
        for name, count, settings in scale.crowds:
            with bench.serve(binary, workspaces.waiting(upstream.port, settings)) as server:
                load = {"bot": "b0", "connections": CONNECTIONS, "once": True, "drain": scale.patience}
                bench.run(server, users=8, **load)
                before = server.metrics()
                said = bench.run(server, users=count, **load)
                figures[f"{name}_s"] = said["draining"] - said["sending"]
                figures[f"{name}_lost"] = count - min(count, said["replies"])
                figures[f"{name}_harm"] = harm(before, server.metrics())
        with bench.serve(binary, workspaces.waiting(upstream.port, workspaces.MANY_CALLS)) as server:
            figures |= memory_of_waiting(bench, server, upstream, scale)
    return figures


def memory_of_waiting(bench, server, upstream, scale):
    """Holds the calls of a crowd until no more come, and looks at the memory then."""
    load = {"bot": "b0", "connections": CONNECTIONS, "once": True, "drain": scale.patience}
    bench.run(server, users=8, **load)
    idle_bytes = server.pss()
    upstream.hold()
    child = bench.begin(server, users=max(count for _, count, _ in scale.crowds), **load)
    held, since, begun = 0, time.monotonic(), time.monotonic()
    # No more come when there were none for half a second; hooks would give up after some seconds.
    while time.monotonic() - since < 0.5 and time.monotonic() - begun < 8 or not held and time.monotonic() - begun < 4:
        if len(upstream.held) > held:
            held, since = len(upstream.held), time.monotonic()
        time.sleep(0.02)
    peak = server.pss()
    # What the hooks would still say, nobody needs.
    bench.end(child)
    upstream.release()
    return {"waiting_at_once": held, "waiting_kb": (peak - idle_bytes) / 1024 / max(1, held)}


def working(bench, binary, scale):
    """A hook that computes and one that requires packages, each with a server of its own."""
    figures = {}
    for name, hook in workspaces.WORKING.items():
        with bench.serve(binary, workspaces.with_hook(hook)) as server:
            load = {"bot": "b0", "users": USERS, "connections": CONNECTIONS, "drain": scale.drain}
            bench.run(server, seconds=scale.warm, **load)
            said = bench.run(server, seconds=scale.load, **load)
            figures[name], figures[f"{name}_cpu"] = said["rate"], said["cpu"] * 1e6
    return figures


def fresh(bench, binary, scale):
    """The documented hook where each event has a realm of its own. A build that does not know that setting does not start."""
    try:
        with bench.serve(binary, workspaces.with_fresh_realms()) as server:
            load = {"bot": "b0", "users": USERS, "connections": CONNECTIONS, "drain": scale.drain}
            bench.run(server, seconds=scale.warm, **load)
            said = bench.run(server, seconds=scale.load, **load)
            return {"fresh": said["rate"], "fresh_cpu": said["cpu"] * 1e6}
    except NotServing:
        return {}


def hogs(bench, binary, scale):
    """How long others wait while some run `while (true) {}` one after the other."""
    figures = {}
    over = threading.Event()
    # Hogs are waited for when their server has been ended, and told before that it is over.
    with contextlib.ExitStack() as joined, bench.serve(binary, workspaces.with_hogs()) as server, told(over):
        others = {"kind": "converse", "bot": ["a", "b"], "users": 64, "connections": 8, "rate": 100, "drain": scale.drain}
        bench.run(server, seconds=1, **others)
        running = 0
        for count in [0, 4, 12]:
            for number in range(running, count):
                thread = threading.Thread(target=hog, args=(server, over, number))
                joined.callback(thread.join)
                thread.start()
            running = count
            said = bench.run(server, seconds=scale.others, **others)
            for name, value in [("p50", said["p50"]), ("p99", said["p99"]), ("worst", said["worst"])]:
                figures[f"hogs_{count}_{name}"] = value / 1e3
            figures[f"hogs_{count}_failed"] = said["refused"] + said["broken"]
    return figures


@contextlib.contextmanager
def told(over):
    """Says that it is over at the end of the block, however it ends."""
    try:
        yield
    finally:
        over.set()


def hog(server, over, number):
    """One hog after the other, until it is over."""
    with contextlib.closing(Talk(server, "a")) as talk:
        turn = 0
        while not over.is_set():
            turn += 1
            begun = time.monotonic()
            talk.say(f"hog-{number}-{turn}", "hog")
            # Where a server refuses, it must not be asked without pause.
            time.sleep(max(0.0, 0.02 - (time.monotonic() - begun)))


def saves_among_bots(bench, binary, scale):
    """Saves of one bot's hook among 300 bots."""
    return saves(bench, binary, scale, "saves_bots", workspaces.saved(300))


def saves_with_packages(bench, binary, scale):
    """Saves of one bot's hook among 30, where another hook of it requires 24 packages."""
    return saves(bench, binary, scale, "saves_packages", workspaces.with_packages(30))


def saves(bench, binary, scale, name, files):
    """Time until a save is in service, and how long other bots' users wait with and without saves."""
    with bench.serve(binary, files) as server:
        others = {
            "kind": "converse", "bot": workspaces.names(20)[1:], "users": 200, "connections": 8, "rate": 150,
            "drain": scale.drain,
        }
        bench.run(server, seconds=scale.warm, **others)
        quiet = bench.run(server, seconds=2, **others)
        before, begin, own = server.account.seconds(), bench.machine.now(), bench.of_children()
        child = bench.begin(server, seconds=scale.saves, **others)
        hook = next(path for path in files if path.endswith("/h.js"))
        took = save_often(server, server.folder / "workspace" / hook, scale.saves)
        said = bench.finish(child, scale.saves + scale.drain + 60)
        bench.machine.span(begin, server.account.seconds() - before, bench.of_children() - own)
    return {
        f"{name}_count": len(took),
        f"{name}_p50": percentile(took, 0.5) * 1e3,
        f"{name}_p99": percentile(took, 0.99) * 1e3,
        f"{name}_quiet_p99": quiet["p99"] / 1e3,
        f"{name}_others_p99": said["p99"] / 1e3,
        f"{name}_others_worst": said["worst"] / 1e3,
        f"{name}_others_by": said["p99"] / quiet["p99"],
    }


def save_often(server, path, lasting, most=100):
    """Saves a hook, each time that the last save is in service. Gives the seconds that each took."""
    took, begun = [], time.monotonic()
    with contextlib.closing(Talk(server, "b0")) as talk:
        for version in range(1, most + 1):
            beside = path.with_suffix(".new")
            beside.write_text(workspaces.versioned(version))
            os.replace(beside, path)
            saved = time.monotonic()
            while talk.say("editor", "x") != [f"version {version}"]:
                if time.monotonic() - saved > 30:
                    raise Failed("a save is not in service after 30 s")
                time.sleep(0.001)
            took.append(time.monotonic() - saved)
            if time.monotonic() - begun > lasting:
                break
    return took


def peer(bench, deno, script, scale):
    """The same events for the script of a peer, which stores them and has neither queue nor limits."""
    figures = {}
    with bench.place({}) as folder:
        process = Process([deno, "run", "-A", script, folder / "peer.db"], 8085, folder)
        try:
            process.until(lambda: listens(process.port))
            # A peer does not say which bots it has.
            load = {"users": USERS, "connections": CONNECTIONS, "bot": ["welcome-bot"]}
            bench.run(process, seconds=scale.warm, **load)
            for connections in [8, CONNECTIONS]:
                said = bench.run(process, seconds=scale.load, **load | {"connections": connections})
                figures[f"peer_{connections}"], figures[f"peer_cpu_{connections}"] = said["rate"], said["cpu"] * 1e6
        finally:
            process.stop()
    return figures


def listens(port):
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


ALL = [one_bot, many_bots, crowd, working, fresh, idle, hogs, saves_among_bots, saves_with_packages]
