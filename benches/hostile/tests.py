"""What the harness relies on: `python3 -B benches/hostile/tests.py`."""
import asyncio
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import figures
import kinds
import served
from client import Client
from loads import Attack


class Stalling:
    """A server that answers nothing until it is told to."""

    def __init__(self):
        self.go, self.asked = asyncio.Event(), 0

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
                self.asked += 1
                await self.go.wait()
                body = b"\"I'm so proactive!\""
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


async def beside_a_stall(during, rate=200):
    """What a visitor with two connections finds of a server that stalls, and when the stall was over. `during` is told the stall."""
    stalling = Stalling()
    server = await asyncio.start_server(stalling.serve, "127.0.0.1", 0)
    command = [sys.executable, "-B", served.HERE / "visitor.py", str(server.sockets[0].getsockname()[1]), str(rate), "2"]
    child = await asyncio.create_subprocess_exec(
        *map(str, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"VISITOR_TOKEN": "t"})
    await during(stalling)
    over = time.monotonic()
    stalling.go.set()
    out, _ = await child.communicate(b"")
    server.close()
    rows = (line.split() for line in out.decode().splitlines())
    return [(float(due), float(took), came) for due, took, came in rows], over


class Visitors(unittest.TestCase):
    """A stall must not hide behind requests that were never sent."""

    def test_requests_that_were_due_during_a_stall_count_from_when_they_were_due(self):
        async def stall(stalling):
            while stalling.asked < 2:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.2)

        requests, over = asyncio.run(beside_a_stall(stall))
        due = [(due, took, came) for due, took, came in requests if due < over]
        # More than the two that the connections could carry, and all of them waited until it was over.
        self.assertGreater(len(due), 10)
        self.assertTrue(all(due + took >= over and came == "ok" for due, took, came in due), due)


class Figures(unittest.TestCase):
    """Arithmetic, files and the page."""

    def outcome(self, beside, **more):
        outcome = figures.Outcome(kinds.Kind("some", "something", None))
        alone = [(at, 0.010, "ok") for at in range(100)]
        outcome.alone = outcome.after = figures.Phase(alone, 0, 100)
        outcome.beside = figures.Phase([(at, took, came) for at, (took, came) in enumerate(beside)], 0, 1000)
        outcome.starts_again = 0.05
        for name, value in more.items():
            setattr(outcome, name, value)
        return outcome

    def test_a_kind_holds_at_its_bounds_and_not_past_them(self):
        self.assertEqual(self.outcome([(0.050, "ok")] * 100).faults(), [])
        self.assertEqual(self.outcome([(0.051, "ok")] * 100).faults(), ["p99 × 5.1"])
        self.assertEqual(self.outcome([(0.010, "ok")] * 198 + [(0.101, "ok")] * 2).faults(), [])
        self.assertEqual(self.outcome([(0.010, "ok")] * 999 + [(0.501, "ok")]).faults(), ["worst 501 ms"])
        self.assertEqual(self.outcome([(0.010, "ok")] * 99 + [(0.001, "503")]).faults(), ["1 lost"])
        self.assertEqual(self.outcome([(0.010, "ok")], again=1, ended=["x"]).faults(), ["1 again", "1 ended"])
        self.assertIn("DOES NOT START AGAIN", self.outcome([(0.010, "ok")], starts_again=None).faults())
        self.assertIn("THE SERVER IS DOWN", self.outcome([(0.010, "ok")], stands=False).faults())

    def test_rows_take_the_place_of_older_ones_of_their_kind_and_the_rest_stays(self):
        page = f"# Page\n\n{figures.BEGIN}\n{figures.table(['| `a` | old |', '| `some` | old |'])}\n{figures.END}\n\nmore\n"
        for _ in range(2):
            page = figures.merged(page, [self.outcome([(0.020, "ok")])], ["some", "a"])
        self.assertTrue(page.startswith("# Page\n") and page.endswith("\n\nmore\n"))
        self.assertEqual((page.count("| `some` |"), page.count("| `a` | old |")), (1, 1))
        self.assertTrue(page.index("`some`") < page.index("`a`"))
        self.assertIn("20 / 20 / 20", page)

    def test_what_the_log_says_of_the_calm_bot_is_counted_and_of_others_not(self):
        entries = [
            {"bot": "calm", "level": "info", "message": "ran 1"}, {"bot": "calm", "level": "info", "message": "ran 2"},
            {"bot": "calm", "level": "info", "message": "ran 1"}, {"bot": "calm", "level": "error", "message": "killed"},
            {"bot": "hostile", "level": "error", "message": "not calm"},
        ]
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "log"
            log.write_text("".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries) + '{"bot":"calm" cut off')
            self.assertEqual(served.calm_in_log(log), (2, 1, ["killed"]))


class Kinds(unittest.TestCase):
    """The table."""

    def test_every_kind_is_called_once_and_has_files_that_can_be_written(self):
        rows = kinds.every()
        self.assertGreater(len(rows), 40)
        for row in rows:
            for path, text in row.workspace().items():
                self.assertIsInstance(text, (str, bytes), path)
                self.assertFalse(path.startswith(("/", "bots/calm")), path)

    def test_what_is_saved_is_new_each_time(self):
        import kinds_files
        for make in (kinds_files.misspelled, kinds_files.big_bot, kinds_files.hooks_1000, kinds_files.many_flows):
            self.assertNotEqual(make(1), make(2))

    def test_a_hostile_user_is_another_one_each_time(self):
        class Called:
            port = 1
        with tempfile.TemporaryDirectory() as folder:
            attack = Attack(Client(2, "t"), pathlib.Path(folder), Called)
            self.assertNotEqual(attack.user(), attack.user())
            attack.write("a/b.js", "text")
            self.assertEqual([path.name for path in pathlib.Path(folder).rglob("*.js*")], ["b.js"])


if __name__ == "__main__":
    unittest.main()
