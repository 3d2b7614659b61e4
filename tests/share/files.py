"""All files of `share/`, by their paths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.share.commands import pages
from tests.share.inventory import page
from tests.share.roff import Title
from zkpoll import __version__
from zkpoll.cli import zkpoll
from zkpoll.cli.completion import script

TOP: Final = Path(__file__).parents[2]
SHARE: Final = TOP / "share"
_SCRIPTS: Final = {
    "bash": "bash-completion/completions/zkpoll",
    "zsh": "zsh/site-functions/_zkpoll",
    "fish": "fish/vendor_completions.d/zkpoll.fish",
}
"""Where shells look for the completions of installed programs, below PREFIX/share."""


def files() -> dict[str, str]:
    """Return the texts of all files, by their paths below `share/`."""
    title = Title(__version__, _date((TOP / "CHANGELOG.md").read_text("utf-8")))
    found = {f"man/man1/{name}.1": text for name, text in pages(zkpoll, title, exit_codes()).items()}
    found["man/man5/zkpoll.yaml.5"] = page(title)
    for shell, path in _SCRIPTS.items():
        found[path] = script(zkpoll, shell)
    return found


def exit_codes() -> dict[str, str]:
    """Return what each exit code means, as the README tells it."""
    _, _, table = (TOP / "README.md").read_text("utf-8").partition("| exit code | meaning |\n|---|---|\n")
    rows = [line.strip("| ").split(" | ", 1) for line in table.split("\n\n", 1)[0].splitlines()]
    assert len(rows) > 5, "README.md has no table of exit codes"
    return {code: meaning.replace("\\\\", "\\") for code, meaning in rows}


def _date(changelog: str) -> str:
    """Return the date of the newest version in the changelog; the month it is of stands on each page."""
    found = re.search(r"^## .*(\d{4}-\d{2}-\d{2})", changelog, re.MULTILINE)
    assert found, "CHANGELOG.md has no date of a version"
    return found[1]
