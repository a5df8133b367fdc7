"""The kinds of attacks: one row each. A hook's text is what the hostile bot does with an event of type `attack`; `p` is its payload."""
import dataclasses

from served import INCOMING

HOOK = f"bots/hostile/{INCOMING}/attack.js"


@dataclasses.dataclass(frozen=True)
class Kind:
    """One attack."""

    name: str
    # What it attacks, in few words: a column of the table.
    shared: str
    # What goes on in the hostile phase, and before anything is measured.
    load: object
    hook: str = ""
    before: object = None
    before_seconds: float = 0
    # Files of the hostile bot by path, or a function that gives them; and settings of the server.
    files: object = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)
    development: bool = False
    # Whether the after phase counts: what is stored, or goes on by design, may still be there.
    leaves: bool = False

    def workspace(self):
        """Its files."""
        files = self.files() if callable(self.files) else dict(self.files)
        if self.hook:
            files[HOOK] = of_attack(self.hook)
        return files


def of_attack(body, kind="attack"):
    """A hook that does that with events of that type."""
    head = f"if (event.type !== '{kind}') return\nevent.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)\nconst p = event.payload\n"
    return head + body + "\n"


def every():
    """All rows, in the order of the table."""
    import kinds_clients
    import kinds_files
    import kinds_scripts
    rows = [*kinds_scripts.KINDS, *kinds_files.KINDS, *kinds_clients.KINDS]
    names = [row.name for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"two kinds are called {twice}")
    return rows
