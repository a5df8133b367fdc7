"""Two builds of nudge side by side, in turns, in one run: `make bench OLD=<an older binary>`.

Everything is measured from outside: over HTTP, with `nudge bench` of the newer build as the load for both, and out of /proc. Each
measurement is made with the old build and at once with the new one, and all of that in rounds, so that a busy machine is busy for
both. Linux only. Standard library only: nothing needs to be installed.
"""
import argparse
import os
import pathlib
import resource
import signal
import sys
import time

import measurements
import table
from server import Bench, Failed


def arguments():
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="pairs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", required=True, type=pathlib.Path, help="the older binary")
    parser.add_argument("--new", required=True, type=pathlib.Path, help="the newer binary")
    parser.add_argument("--load", type=pathlib.Path, help="whose `bench` is the load (default: the newer one's)")
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works, not to compare by")
    parser.add_argument("--rounds", type=int, help="how many rounds (default 3, with --quick 1)")
    parser.add_argument("--only", help="names of measurements, with commas: " + ",".join(of.__name__ for of in measurements.ALL))
    parser.add_argument("--name", help="what the history calls the older build (default: its file's name)")
    parser.add_argument("--folder", type=pathlib.Path, default=table.ROOT / "target/pairs", help="where servers keep their files")
    parser.add_argument("--deno", help="with --peer: also measure that script with this deno")
    parser.add_argument("--peer", type=pathlib.Path, help="a script that does the same work on port 8085")
    parser.add_argument("--no-history", action="store_true", help="do not write a line into docs/performance.md")
    asked = parser.parse_args()
    for binary in [asked.old, asked.new, asked.load or asked.new]:
        if not os.access(binary, os.X_OK):
            parser.error(f"{binary} is no program")
    if asked.peer and not asked.peer.exists() or bool(asked.peer) != bool(asked.deno):
        parser.error("--peer needs a script that exists, and --deno a path")
    return asked


def say(text=""):
    """Prints a line at once."""
    print(text, flush=True)


def chosen(asked):
    """The measurements that are asked for."""
    names = asked.only.split(",") if asked.only else [of.__name__ for of in measurements.ALL]
    known = {of.__name__: of for of in measurements.ALL}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"there is no measurement {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in names]


def measure(asked, bench, scale, failures):
    """All rounds: for each the figures of both builds."""
    rounds = []
    builds = {"old": asked.old.resolve(), "new": asked.new.resolve()}
    for number in range(asked.rounds or scale.rounds):
        found = {"old": {}, "new": {}}
        # Who comes second finds the machine in another state: measured twice with the same result, that was worth a tenth.
        turns = list(builds.items()) if number % 2 == 0 else list(reversed(builds.items()))
        for measurement in chosen(asked):
            for build, binary in turns:
                begun = time.monotonic()
                try:
                    found[build] |= measurement(bench, binary, scale)
                    state = ""
                except (Failed, OSError, ValueError, KeyError) as error:
                    state = f"  FAILED: {type(error).__name__}: {error}"
                    failures.append(f"round {number + 1}, {measurement.__name__}, {build}: {error}")
                took, load = time.monotonic() - begun, os.getloadavg()[0]
                say(f"  round {number + 1}  {measurement.__name__:20} {build}  {took:5.1f} s  load {load:.1f}{state}")
            if measurement is measurements.one_bot and asked.peer:
                figures = measurements.peer(bench, asked.deno, asked.peer.resolve(), scale)
                for build in builds:
                    found[build] |= figures
        for build in builds:
            table.derive(found[build])
        rounds.append(found)
        scale.later()
    return rounds


def machine(bench, load_before):
    """How busy the machine was with other things, for people and for the history."""
    others, steal = bench.machine.shares()
    state = "quiet" if others < 0.05 and steal < 0.02 else "BUSY"
    processors = os.cpu_count()
    short = f"{processors} cores, {state.lower()}: others {others:.0%}, stolen {steal:.0%}"
    load = f"load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    long = f"machine: {short} of the processors while figures were taken; {load}"
    return short, long + ("\nIt was busy with other things: go by the ratios, not by the figures." if state == "BUSY" else "")


def main():
    """Measures, prints and keeps."""
    asked = arguments()
    if not pathlib.Path("/proc/self/smaps_rollup").exists():
        raise SystemExit("this benchmark reads processor time and memory out of /proc: it runs on Linux only")
    # Whoever ends this ends what it has started, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("ended from outside"))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    folder = asked.folder / str(os.getpid())
    bench, scale, failures = Bench((asked.load or asked.new).resolve(), folder), measurements.Scale(asked.quick), []
    begun, load_before = time.monotonic(), os.getloadavg()[0]
    say(f"old: {asked.old}\nnew: {asked.new}")
    try:
        rounds = measure(asked, bench, scale, failures)
    finally:
        bench.close()
    short, long = machine(bench, load_before)
    say(f"\n{table.render(rounds)}\n\n{long}")
    each = bench.loads["seconds"] / max(1, bench.loads["requests"]) * 1e6
    say(f"the load itself used {each:.0f} µs of processor a request, which no figure counts; processor time by {bench.how}")
    say(f"{len(rounds)} rounds in {time.monotonic() - begun:.0f} s")
    for failure in failures:
        say(f"FAILED: {failure}")
    row = table.line(rounds, asked.name or asked.old.name, short)
    if asked.quick or asked.no_history or asked.only or failures:
        say(f"not kept (a part, quick, failed, or asked not to be):\n{row}")
    else:
        table.append(row)
        say(f"kept in {table.HISTORY}:\n{row}")
    sys.exit(1 if failures else 0)


main()
