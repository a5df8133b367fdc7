"""What the harness relies on: `python3 -B benches/pairs/tests.py`."""
import subprocess
import sys
import tempfile
import time
import unittest

import accounting
import measurements
import table
import workspaces

# Uses that much processor time itself, then as a child that it reaps, as an orphan of a dead child, and as one that is killed.
BURN = """
import os, signal, time
done, tell = os.pipe()
def burn():
    while time.process_time() < 0.3: pass
    os.write(tell, b'.')
def fork(then):
    pid = os.fork()
    if pid == 0:
        then()
        os._exit(0)
    return pid
burn()
os.waitpid(fork(burn), 0)
os.waitpid(fork(lambda: fork(burn)), 0)
killed = fork(lambda: (burn(), time.sleep(60)))
for _ in range(4): os.read(done, 1)
os.kill(killed, signal.SIGKILL)
os.waitpid(killed, 0)
print('burnt', flush=True)
fork(lambda: time.sleep(60))
time.sleep(60)
"""


def burn(account):
    """Seconds that the account knows of when all is burnt, and the living processes before and after its end."""
    command = ["sh", "-c", account.shell() + 'exec "$@"', "sh", sys.executable, "-c", BURN]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    account.started(child.pid)
    assert child.stdout.readline() == b"burnt\n"
    seconds, pids = account.seconds(), account.pids()
    deadline = time.monotonic() + 10
    while len(pids) < 2 and time.monotonic() < deadline:
        pids = account.pids()
    child.kill()
    child.wait()
    child.stdout.close()
    account.end()
    living = [pid for pid in pids if (of := accounting.stat(pid)) and of["state"] != "Z"]
    return seconds, pids, living


class Accounts(unittest.TestCase):
    """Four times 0.3 s, of the process, and of children that are reaped, orphaned and killed; a start of the interpreter more."""

    def check(self, account):
        seconds, pids, left = burn(account)
        self.assertGreater(seconds, 1.15)
        self.assertLess(seconds, 1.6)
        self.assertEqual((len(pids), left), (2, []))

    def test_the_tree_counts_what_dead_children_and_orphans_used_and_ends_all(self):
        self.check(accounting.Tree())

    def test_a_control_group_counts_what_dead_children_and_orphans_used_and_ends_all(self):
        account = accounting.account()
        if isinstance(account, accounting.Tree):
            self.skipTest("no control group can be made here")
        self.check(account)


class Figures(unittest.TestCase):
    """Arithmetic and files."""

    def test_percentiles_are_of_the_nearest_rank(self):
        self.assertEqual([measurements.percentile(range(1, 101), share) for share in (0.5, 0.99, 1.0)], [50, 99, 100])
        self.assertEqual(measurements.percentile([7], 0.5), 7)

    def test_ratios_are_of_medians_with_those_of_single_rounds(self):
        rounds = [{"old": {"x": 1.0}, "new": {"x": new}} for new in (2.0, 4.0, 3.0)] + [{"old": {}, "new": {"x": 9.0}}]
        each, ratio = table.ratios(rounds, "x")
        self.assertEqual((each, ratio), ([2.0, 4.0, 3.0], 3.5))
        self.assertIn("3.5", table.render([{build: {"events_8": of["x"]} for build, of in found.items() if of}
                                           | ({"old": {}} if not found["old"] else {}) for found in rounds]))

    def test_a_row_of_the_history_goes_below_the_others_under_one_head(self):
        with tempfile.TemporaryDirectory() as folder:
            page = table.pathlib.Path(folder) / "page.md"
            page.write_text("# P\n\n## History\n\nWhat it is.\n\n## Next\n\nmore\n")
            kept, table.HISTORY = table.HISTORY, page
            try:
                for number in range(2):
                    table.append(f"| row {number} |")
            finally:
                table.HISTORY = kept
            text = page.read_text()
            self.assertEqual(text.count("| date |"), 1)
            self.assertTrue(text.index("row 0") < text.index("row 1") < text.index("## Next"))
            self.assertIn("| row 0 |\n| row 1 |\n", text)

    def test_packages_are_the_same_each_time_and_of_real_size(self):
        files = workspaces.with_packages(30)
        self.assertEqual(files, workspaces.with_packages(30))
        sizes = []
        for at in range(24):
            sizes.append(sum(len(text) for path, text in files.items() if path.startswith(f"node_modules/package-{at}/")))
        self.assertTrue(all(10_000 < size < 600_000 for size in sizes), sizes)

    def test_a_counter_whose_name_says_harm_counts(self):
        before = {"nudge_run_again_total": 1.0, "nudge_accepted_total": 0.0}
        after = {"nudge_run_again_total": 3.0, "nudge_accepted_total": 9.0, "nudge_realms_killed_total": 2.0}
        self.assertEqual(measurements.harm(before, after), 4.0)


if __name__ == "__main__":
    unittest.main()
