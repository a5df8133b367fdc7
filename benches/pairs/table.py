"""Figures side by side: what is compared, how it is printed, and the line that is kept."""
import datetime
import pathlib
import re
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
HISTORY = ROOT / "docs/performance.md"
HEADING = "## History"

# Figure, what it is, unit, and whether more is better.
ROWS = [
    ("events_8", "one bot, documented hook, 8 connections", "/s", True),
    ("events_64", "one bot, documented hook, 64 connections", "/s", True),
    ("cpu_8", "processor an event, 8 connections", "µs", False),
    ("cpu_server_8", "… of it the server process", "µs", False),
    ("cpu_64", "processor an event, 64 connections", "µs", False),
    ("cpu_server_64", "… of it the server process", "µs", False),
    ("p99_8", "its requests, 8 connections, p99", "ms", False),
    ("p99_64", "its requests, 64 connections, p99", "ms", False),
    ("peer_8", "peer's script, 8 connections", "/s", True),
    ("peer_64", "peer's script, 64 connections", "/s", True),
    ("peer_cpu_8", "peer's processor an event, 8 connections", "µs", False),
    ("peer_cpu_64", "peer's processor an event, 64 connections", "µs", False),
    ("by_peer_8", "one bot, of the peer's script, 8 connections", "×", True),
    ("by_peer_64", "one bot, of the peer's script, 64 connections", "×", True),
    ("share_2", "2 bots in turn, of one bot", "%", True),
    ("share_8", "8 bots", "%", True),
    ("share_50", "50 bots", "%", True),
    ("share_300", "300 bots", "%", True),
    ("events_bots_300", "300 bots in turn, 64 connections", "/s", True),
    ("cpu_bots_300", "processor an event, 300 bots", "µs", False),
    ("pss_bots_300_mb", "memory (PSS) after it, 300 bots", "MB", False),
    *(
        (f"{name}_{what}", text, unit, False)
        for name, title in (
            ("wait_1000", "1,000 events that wait 1 s"),
            ("wait_free_1000", "1,000, calls not limited"),
            ("wait_free_2000", "2,000, calls not limited"),
        )
        for what, text, unit in (
            ("s", f"{title}, last accepted to last answered", "s"),
            ("lost", "… not answered, or not in 10 s", ""),
            ("harm", "… run again, ended or killed", ""),
        )
    ),
    ("waiting_at_once", "events that wait at the same time", "", True),
    ("waiting_kb", "memory (PSS) an event that waits", "KB", False),
    ("compute", "hook that computes some 5 ms", "/s", True),
    ("compute_cpu", "its processor an event", "µs", False),
    ("require", "hook that requires lodash and axios", "/s", True),
    ("require_cpu", "its processor an event", "µs", False),
    ("fresh", "a realm of its own for each event, 64 connections", "/s", True),
    ("fresh_cpu", "its processor an event", "µs", False),
    ("converse_8", "Converse, welcome bot, 8 users", "/s", True),
    ("converse_64", "Converse, welcome bot, 64 users", "/s", True),
    ("converse_cpu_64", "its processor a turn, 64 users", "µs", False),
    ("converse_p99_8", "its turns, 8 users, p99", "ms", False),
    ("converse_p99_64", "its turns, 64 users, p99", "ms", False),
    ("visitors_p50", "500 visitors, to the page, p50", "ms", False),
    ("visitors_p99", "500 visitors, to the page, p99", "ms", False),
    *(
        (f"hogs_{count}_{what}", f"others' wait, {count or 'no'} hogs, {what}", "ms", False)
        for count in (0, 4, 12)
        for what in ("p50", "p99", "worst")
    ),
    ("hogs_12_failed", "… refused or broken, 12 hogs", "", False),
    *(
        (f"{name}_{what}", f"{text}{label}", unit, what == "count")
        for name, text in (
            ("saves_bots", "saves among 300 bots"),
            ("saves_packages", "saves with 24 packages, 30 bots"),
        )
        for what, label, unit in (
            ("count", "", ""),
            ("p50", ", in service, p50", "ms"),
            ("p99", ", in service, p99", "ms"),
            ("quiet_p99", ", others' p99 without", "ms"),
            ("others_p99", ", others' p99 with", "ms"),
            ("others_worst", ", others' worst with", "ms"),
            ("others_by", ", others' p99 with by without", "×"),
        )
    ),
    ("idle_mb", "memory (PSS) at rest, welcome bot", "MB", False),
    ("start_ms", "start to serving", "ms", False),
    ("first_answer_ms", "start to the first answer of a bot", "ms", False),
]

# The columns of the history: title, figure, and what of it: its ratio to the older build, or the newer build's own value.
KEPT = [
    ("events 8", "events_8", "ratio"), ("events 64", "events_64", "ratio"),
    ("cpu 8", "cpu_8", "ratio"), ("cpu 64", "cpu_64", "ratio"),
    ("2 bots", "share_2", "value"), ("8", "share_8", "value"), ("50", "share_50", "value"), ("300", "share_300", "value"),
    ("1,000 wait", "wait_1000_s", "value"), ("calls not limited", "wait_free_1000_s", "value"),
    ("compute", "compute", "ratio"), ("require", "require", "ratio"),
    ("Converse 64", "converse_64", "ratio"), ("visitors p99", "visitors_p99", "ratio"),
    ("12 hogs p99", "hogs_12_p99", "value"), ("save p99, 300 bots", "saves_bots_p99", "value"),
    ("save p99, packages", "saves_packages_p99", "value"), ("idle", "idle_mb", "value"), ("start", "start_ms", "value"),
]


def derive(figures):
    """Adds the figures of one round and build that are made of others."""
    one = figures.get("events_64")
    for name in [name for name in figures if name.startswith("events_bots_")]:
        if one:
            figures["share_" + name.removeprefix("events_bots_")] = 100 * figures[name] / one
    for connections in (8, 64):
        if figures.get(f"peer_{connections}") and figures.get(f"events_{connections}"):
            figures[f"by_peer_{connections}"] = figures[f"events_{connections}"] / figures[f"peer_{connections}"]


def short(value):
    """Three digits that matter."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def values(rounds, build, figure):
    """The values of a figure in all rounds that have it."""
    return [found[build][figure] for found in rounds if figure in found[build]]


def median(of):
    """The median, or nothing of nothing."""
    return statistics.median(of) if of else None


def ratios(rounds, figure):
    """New by old of each round that has both, and the ratio of the medians."""
    both = [found for found in rounds if all(figure in found[build] for build in ("old", "new"))]
    each = [found["new"][figure] / found["old"][figure] for found in both if found["old"][figure]]
    old, new = median(values(rounds, "old", figure)), median(values(rounds, "new", figure))
    return each, new / old if old and new is not None else None


def render(rounds):
    """The table as text."""
    lines = [f"{'':66} {'old':>10} {'new':>10}   {'new / old':>9}  (min to max of the rounds)"]
    for figure, text, unit, more in ROWS:
        old, new = median(values(rounds, "old", figure)), median(values(rounds, "new", figure))
        if old is None and new is None:
            continue
        each, ratio = ratios(rounds, figure)
        spread = f"({min(each):.2f} to {max(each):.2f})" if each else ""
        mark = ""
        # In every one of several rounds, and by more than a twentieth.
        if len(each) > 2 and (min(each) > 1.05 or max(each) < 0.95):
            mark = "  better" if (ratio > 1) == more else "  WORSE"
        title = f"{text}, {unit}" if unit else text
        lines.append(
            f"{title:66} {short(old):>10} {short(new):>10}   {f'{ratio:.2f}' if ratio is not None else '':>9}  {spread}{mark}"
        )
    return "\n".join(lines)


def commit():
    """The commit that is checked out, with a `+` where files differ from it."""
    def git(*words):
        asked = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return asked.stdout.strip()
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain", "-uno") else "")


def line(rounds, against, machine):
    """The row of the history."""
    units = {figure: unit for figure, _, unit, _ in ROWS}
    cells = [datetime.date.today().isoformat(), commit(), against]
    for _, figure, what in KEPT:
        if what == "ratio":
            each, ratio = ratios(rounds, figure)
            cells.append(f"{ratio:.2f} ({min(each):.2f}–{max(each):.2f})" if each else "-")
        else:
            value = median(values(rounds, "new", figure))
            cells.append("-" if value is None else f"{short(value)} {units[figure]}")
    return "| " + " | ".join([*cells, machine]) + " |"


def append(row):
    """Puts the row below the others in the documentation."""
    text = HISTORY.read_text()
    head = "| " + " | ".join(["date", "commit", "against", *(title for title, _, _ in KEPT), "machine"]) + " |"
    before, found, after = text.partition(f"\n{HEADING}\n")
    if not found:
        raise SystemExit(f"{HISTORY}: there is no {HEADING!r}; write it, and run this again. The row is:\n{row}")
    section, rest = re.match(r"(.*?)(?=\n## |\Z)(.*)", after, re.DOTALL).groups()
    section = section.rstrip("\n")
    if head not in section:
        section += f"\n\n{head}\n{re.sub('[^|]+', '---', head)}"
    HISTORY.write_text(f"{before}{found}{section}\n{row}\n{rest}")
