"""What came of one kind: figures, a verdict, and its row in the table of `docs/hostile.md`."""
import re

# What must hold (milliseconds, and by how much at most the 99th percentile may grow).
P99, WORST, RATIO = 100.0, 500.0, 5.0
HEAD = ["kind", "attacks", "calm alone: p50 / p99 / worst", "beside it", "after it", "p99 by", "server / all MB", "log KB/s",
        "calm again / ended / lost", "found"]
# From which share of the processors on that go to others the machine is said to be busy.
BUSY = 0.1
BEGIN, END = "<!-- made by `make hostile` -->", "<!-- end of what is made -->"


def percentile(values, share):
    """The value below which that share lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-len(ordered) * share // 1) - 1))]


class Phase:
    """The requests that were due between two moments."""

    def __init__(self, requests, begin, end):
        rows = [(took * 1e3, came) for due, took, came in requests if begin <= due < end]
        self.count = len(rows)
        waits = [took for took, _ in rows] or [float("inf")]
        self.p50, self.p99, self.worst = percentile(waits, 0.5), percentile(waits, 0.99), max(waits)
        self.failed = {}
        for _, came in rows:
            if came != "ok":
                self.failed[came] = self.failed.get(came, 0) + 1

    def text(self):
        """For people: milliseconds, and what failed."""
        failed = ", ".join(f"{count} × {came}" for came, count in sorted(self.failed.items()))
        return f"{short(self.p50)} / {short(self.p99)} / {short(self.worst)}" + (f" ({failed})" if failed else "")


def short(value):
    """A number with as many digits as mean something."""
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


class Outcome:
    """One run of one kind."""

    def __init__(self, kind):
        self.kind = kind
        self.alone = self.beside = self.after = None
        # Of the calm bot: events that ran, ran again, and entries of the log that say that something of it ended.
        self.ran, self.again, self.ended = 0, 0, []
        self.stands, self.starts_again = True, None
        self.memory, self.log_rate, self.counters, self.tally = (0, 0), 0.0, {}, {}
        self.trouble = ""
        # What the processors had to do for others meanwhile: how much the figures are worth.
        self.others = 0.0

    @property
    def ratio(self):
        """By how much the 99th percentile grew."""
        return self.beside.p99 / self.alone.p99 if self.alone and self.beside else float("inf")

    @property
    def lost(self):
        """Requests of the calm bot that were not answered as they should, in all phases."""
        phases = [phase for phase in (self.alone, self.beside, self.after) if phase]
        return sum(sum(phase.failed.values()) for phase in phases)

    def faults(self):
        """What does not hold, in few words."""
        if self.trouble:
            return [self.trouble]
        found = [] if self.stands else ["THE SERVER IS DOWN"]
        if self.starts_again is None:
            found.append("DOES NOT START AGAIN")
        phases = [("", self.beside)] + ([] if self.kind.leaves else [("after: ", self.after)])
        for name, phase in phases:
            if phase.p99 > P99:
                found.append(f"{name}p99 {short(phase.p99)} ms")
            if phase.worst > WORST:
                found.append(f"{name}worst {short(phase.worst)} ms")
        if self.ratio > RATIO:
            found.append(f"p99 × {self.ratio:.1f}")
        if self.others > BUSY and found:
            found.append(f"BUSY: others {self.others:.0%}")
        found += [f"{count} {name}" for count, name in ((self.again, "again"), (len(self.ended), "ended"), (self.lost, "lost")) if count]
        return found

    def badness(self):
        """For the order, worst first."""
        if self.trouble or not self.stands or self.starts_again is None:
            return 1e9
        return max(self.beside.worst, self.beside.p99 * 5, self.after.worst) + 1e4 * self.lost + 1e5 * (self.again + len(self.ended))

    def cells(self):
        """The row of the table."""
        none = "–"
        memory = f"{self.memory[0] / 2**20:,.0f} / {self.memory[1] / 2**20:,.0f}"
        ratio = none if self.ratio == float("inf") else f"{self.ratio:.1f}"
        phases = [phase.text() if phase else none for phase in (self.alone, self.beside, self.after)]
        return [f"`{self.kind.name}`", self.kind.shared, *phases, ratio, memory, f"{self.log_rate / 1024:,.0f}",
                f"{self.again} / {len(self.ended)} / {self.lost}", "; ".join(self.faults()) or "holds"]


def row(cells):
    """A line of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def table(rows):
    """The whole table."""
    return "\n".join([row(HEAD), row(["---"] * len(HEAD)), *rows])


def merged(page, outcomes, order):
    """The page with the rows of these outcomes in place of older ones of the same kinds; all in the order of the kinds."""
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f"the page has no lines `{BEGIN}` and `{END}`, between which the table goes")
    known = {match[1]: line for line in rest.splitlines() if (match := re.match(r"\| `([^`]+)` \|", line))}
    known |= {outcome.kind.name: row(outcome.cells()) for outcome in outcomes}
    return f"{before}{BEGIN}\n\n{table([known[name] for name in order if name in known])}\n\n{END}{after}"
