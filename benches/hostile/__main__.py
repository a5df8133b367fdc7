"""A calm bot beside a hostile one: `make hostile [ONLY=kinds] [NEW=binary]`.

For each kind of attack a server is started in a new workspace with two bots. A visitor asks the calm one fifty times a second, first
alone, then while the hostile bot, its author or its clients attack, then after it. Then the server is killed and started again. The table
says how long the visitor waited, and what became of the calm bot's events. Linux only; standard library only.
"""
import argparse
import asyncio
import fnmatch
import json
import os
import pathlib
import resource
import shutil
import signal
import sys
import time

import figures
import kinds
from served import ROOT, Asking, NotServing, Served, Watch, accounting, calm_in_log, workspace
from called import Upstream
from client import Client
from loads import Attack

# How long the visitor asks before anything counts, and how long an attack's last events may take before the after phase begins.
WARM, SETTLE = 2, 3


def arguments():
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--new", required=True, type=pathlib.Path, help="the binary")
    parser.add_argument("--only", help="kinds, with commas; `kvs-*` is all that begin so")
    parser.add_argument("--seconds", type=float, default=10, help="how long each phase lasts (default 10)")
    parser.add_argument("--table", type=pathlib.Path, help="a page whose table gets the rows, such as docs/hostile.md")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "target/hostile", help="where servers keep their files")
    parser.add_argument("--keep", action="store_true", help="keep the folders of kinds that do not hold, with their logs")
    parser.add_argument("--list", action="store_true", help="name the kinds and end")
    return parser.parse_args()


def chosen(names):
    """The kinds that are asked for."""
    rows = kinds.every()
    patterns = names.split(",") if names else ["*"]
    for pattern in patterns:
        if not fnmatch.filter([row.name for row in rows], pattern):
            raise SystemExit(f"there is no kind {pattern!r}; there are {', '.join(row.name for row in rows)}")
    return [row for row in rows if any(fnmatch.fnmatch(row.name, pattern) for pattern in patterns)]


def place(folder, kind):
    """The files of a run of that kind."""
    files = workspace() | kind.workspace() | {"botpress.config.json": json.dumps(kind.settings)}
    for path, text in files.items():
        path = folder / "workspace" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


async def phases(kind, served, seconds, outcome):
    """Attacks, and gives the moments between which the visitor was alone, beside the attack and after it."""
    async with Upstream() as upstream:
        client = Client(served.port, outcome.token)
        attack = Attack(client, served.folder / "workspace", upstream)
        if kind.before:
            await run_for(kind.before(attack), kind.before_seconds or seconds)
            await quiet(served)
        outcome.asking, watch = Asking(served, outcome.token), Watch(served)
        try:
            await asyncio.sleep(WARM)
            begun, log = time.monotonic(), served.log_bytes()
            await asyncio.sleep(seconds)
            watch.most()
            used, machine = served.account.seconds(), accounting.Machine.now()
            attacked, log = time.monotonic(), served.log_bytes()
            await run_for(kind.load(attack), seconds)
            outcome.machine.span(machine, served.account.seconds() - used, 0)
            over, outcome.log_rate = time.monotonic(), (served.log_bytes() - log) / seconds
            await asyncio.sleep(SETTLE)
            outcome.memory = watch.most()
            settled = time.monotonic()
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(watch.close)
            outcome.tally = client.tally
        return (begun, attacked), (attacked, over), (settled, time.monotonic())


async def quiet(served, patience=60):
    """Waits until all that was prepared is done."""
    begun = time.monotonic()
    while time.monotonic() - begun < patience:
        queue = (await asyncio.to_thread(served.status) or {}).get("queue", {})
        if not queue.get("waiting", 1) and not queue.get("inFlight", 0):
            return
        await asyncio.sleep(0.05)


async def run_for(load, seconds):
    """Runs a load that long, and says where it went wrong by itself."""
    task = asyncio.ensure_future(load)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if done:
        task.result()
        await asyncio.sleep(0)
    # Until it ends: `wait_for` of older Pythons loses a cancellation that comes with the answer.
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)


def measure(kind, binary, folder, seconds):
    """One run of one kind."""
    outcome = figures.Outcome(kind)
    outcome.asking, outcome.machine = None, accounting.Machine()
    place(folder, kind)
    served = Served(binary, folder, kind.development)
    try:
        outcome.token = served.token()
        moments = asyncio.run(phases(kind, served, seconds, outcome))
        requests = outcome.asking.stop()
        outcome.alone, outcome.beside, outcome.after = (figures.Phase(requests, *moment) for moment in moments)
        outcome.stands, outcome.others = served.stands(), outcome.machine.shares()[0]
        outcome.counters = (served.status() or {}).get("queue", {})
    finally:
        if outcome.asking:
            outcome.asking.kill()
        served.stop()
    outcome.ran, outcome.again, outcome.ended = calm_in_log(folder / "log")
    try:
        again = Served(binary, folder, kind.development)
        outcome.starts_again = again.to_serving
        again.stop()
    except NotServing:
        outcome.starts_again = None
    return outcome


def say(text=""):
    """Prints a line at once."""
    print(text, flush=True)


def report(outcome, took):
    """A few lines for people, when a kind is over."""
    cells = outcome.cells()
    say(f"{outcome.kind.name:28} {'; '.join(outcome.faults()) or 'holds'}")
    say(f"    alone {cells[2]}   beside {cells[3]}   after {cells[4]} ms   {took:.0f} s")
    say(f"    others used {outcome.others:.0%} of the processors, load average {os.getloadavg()[0]:.1f}")
    say(f"    server/all {cells[6]} MB   log {cells[7]} KB/s   attacker's requests by status {outcome.tally}   "
        f"queue {({name: value for name, value in outcome.counters.items() if value and isinstance(value, (int, float))})}")
    for message in outcome.ended[:3]:
        say(f"    of the calm bot: {message[:200]}")


def main():
    """Measures, prints and keeps."""
    asked = arguments()
    rows = chosen(asked.only)
    if asked.list:
        return say("\n".join(f"{row.name:28} {row.shared}" for row in rows))
    if not os.access(asked.new, os.X_OK):
        raise SystemExit(f"{asked.new} is no program")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("ended from outside"))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    outcomes, root = [], asked.folder / str(os.getpid())
    for kind in rows:
        begun, folder = time.monotonic(), root / kind.name
        folder.mkdir(parents=True)
        try:
            outcome = measure(kind, asked.new.resolve(), folder, asked.seconds)
        except Exception as error:  # One kind that cannot be measured must not cost the others their figures.
            outcome = figures.Outcome(kind)
            outcome.trouble = f"NOT MEASURED: {type(error).__name__}: {error}"[:300]
        outcomes.append(outcome)
        report(outcome, time.monotonic() - begun)
        if not asked.keep or not outcome.faults():
            shutil.rmtree(folder, ignore_errors=True)
        if asked.table:
            names = [row.name for row in kinds.every()]
            asked.table.write_text(figures.merged(asked.table.read_text(), [outcome], names))
    shutil.rmtree(root, ignore_errors=not asked.keep) if not asked.keep else None
    bad = sorted((outcome for outcome in outcomes if outcome.faults()), key=lambda outcome: -outcome.badness())
    say(f"\n{len(outcomes) - len(bad)} of {len(outcomes)} kinds hold; worst first, of the others:\n")
    say(figures.table([figures.row(outcome.cells()) for outcome in bad]))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
