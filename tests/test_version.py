"""`--version` tells a release from what is none, and never fails for it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from zkpoll.version import told_version

if TYPE_CHECKING:
    from pathlib import Path


class Checkout:
    """A checkout with one commit."""

    def __init__(self, folder: Path) -> None:
        """Make it."""
        self.folder, self.package = folder, folder / "zkpoll"
        self.module = self.package / "module.py"
        self.fill()
        self.git("init", "--quiet")
        self.git("add", ".")
        self.commit("A first one")
        self.first = self.git("rev-parse", "--short=7", "HEAD")

    def fill(self) -> None:
        """Write what is in it."""
        self.package.mkdir(parents=True)
        self.module.write_text("first")

    def git(self, *words: str) -> str:
        """Run git as somebody, without the settings of who runs the tests."""
        who = ["-c", "user.name=N", "-c", "user.email=n@example.com"]
        nothing = {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "PATH": "/usr/bin:/bin",
        }
        command = ["git", "-C", str(self.folder), *who, *words]
        run = subprocess.run(command, env=nothing, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    def commit(self, message: str) -> None:
        """Commit all that git knows."""
        self.git("commit", "--quiet", "--all", "--allow-empty", "--message", message)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Give a checkout."""
    return Checkout(tmp_path / "checkout")


def test_a_checkout_tells_its_commit(checkout: Checkout) -> None:
    """Without a tag, the version is followed by the commit."""
    assert told_version("0.2.0", checkout.package) == f"0.2.0+g{checkout.first}"


def test_a_tag_is_a_release(checkout: Checkout) -> None:
    """At the tag of its version a checkout is that release; at another's it is not."""
    checkout.git("tag", "v0.2.0")
    assert told_version("0.2.0", checkout.package) == "0.2.0"
    assert told_version("0.3.0", checkout.package) == f"0.3.0+g{checkout.first}"
    checkout.commit("One more")
    later = checkout.git("rev-parse", "--short=7", "HEAD")
    assert told_version("0.2.0", checkout.package) == f"0.2.0+g{later}"


def test_changed_files_are_no_release(checkout: Checkout) -> None:
    """Where a file differs from its commit, the version says so, also at a tag."""
    checkout.git("tag", "v0.2.0")
    checkout.module.write_text("second")
    assert told_version("0.2.0", checkout.package) == f"0.2.0+g{checkout.first}.changed"


@pytest.mark.parametrize(("written", "told"), [("gabcdef0\n", "0.2.0+gabcdef0"), ("\n", "0.2.0")])
def test_an_installation_has_it_with_it(checkout: Checkout, written: str, told: str) -> None:
    """What a wheel brought counts, wherever it is installed; a release brought an empty line."""
    (checkout.package / "commit.txt").write_text(written)
    assert told_version("0.2.0", checkout.package) == told


def test_inside_of_somebody_elses_checkout(checkout: Checkout) -> None:
    """An installation without a commit, in a folder of some other checkout, does not tell that one's."""
    package = checkout.folder / "site-packages" / "zkpoll"
    package.mkdir(parents=True)
    assert told_version("0.2.0", package) == "0.2.0"


@pytest.mark.parametrize(
    "git", [None, "#!/bin/sh\nexit 128\n", "#!/bin/sh\necho '\u00bf'\n", "#!/bin/sh\necho no\n"]
)
def test_without_an_answer_of_git(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, git: str | None
) -> None:
    """Without git, or where it fails or babbles, the version stands alone."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if git is not None:
        (tmp_path / "git").write_text(git)
        (tmp_path / "git").chmod(0o755)
    assert told_version("0.2.0", checkout.package) == "0.2.0"
