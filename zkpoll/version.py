"""The version as `--version` tells it: with the commit where it is no release.

A wheel brings its commit along; a checkout asks git. `hatch_build.py` runs this file alone, so it imports
nothing of zkpoll.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

COMMIT_FILE: Final = "commit.txt"
"""Beside this file in wheels and source archives: one line, empty for a release."""
_DIGITS: Final = 7
"""Of a commit, at least; git gives more where they would not tell it from another."""


def told_version(version: str, package: Path = Path(__file__).parent) -> str:
    """Given a version, return it for a release, and `0.2.0+g1234567` else. Never raise.

    Where files differ from the commit, `.changed` follows. Where nobody knows the commit, return the version.
    """
    try:
        commit = (package / COMMIT_FILE).read_text("ascii").strip()
    except (OSError, ValueError):
        commit = commit_of(package.parent, version) or ""
    return f"{version}+{commit}" if commit else version


def commit_of(checkout: Path, version: str) -> str | None:
    """Given a folder, return its commit as `g1234567`, or `g1234567.changed`; nothing at the version's tag.

    Return None where the folder is no checkout, or git does not answer.
    """
    if not (checkout / ".git").exists():  # in a folder of some other checkout, git would tell of that one
        return None
    asked = ["describe", "--always", "--long", f"--abbrev={_DIGITS}", "--dirty=.changed", "--tags"]
    try:
        answer = subprocess.run(
            ["git", "--no-optional-locks", "-C", checkout, *asked, "--match", f"v{version}"],  # noqa: S607  # the git of who asks
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="ascii",
            timeout=10,
            check=True,
        ).stdout.strip()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    found = re.fullmatch(
        r"(?:(?P<tag>.+)-(?P<since>\d+)-g)?(?P<commit>[0-9a-f]+)(?P<changed>\.changed)?", answer
    )
    if found is None:
        return None
    if found["since"] == "0" and not found["changed"]:
        return ""
    return f"g{found['commit']}{found['changed'] or ''}"
