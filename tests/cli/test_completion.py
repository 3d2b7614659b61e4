"""`zkpoll completion`: what it prints makes a real shell complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zkpoll.cli import zkpoll
from zkpoll.cli.completion import SHELLS, script

if TYPE_CHECKING:
    from tests.site import Site

BASH = """
source <(zkpoll completion bash)
COMP_WORDS=({words}); COMP_CWORD={place}
_zkpoll_completion zkpoll
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ :; }}
autoload() {{ :; }}
compadd() {{ print -rl -- "${{(@P)@[-1]}}" }}
_describe() {{ local -a found; found=("${{(@P)3}}"); print -rl -- "${{found[@]}}" }}
source <(zkpoll completion zsh)
words=({words}); CURRENT=$(({place} + 1))
_zkpoll_completion
true
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Give a PATH on which `zkpoll` is this checkout's."""
    command = tmp_path / "bin" / "zkpoll"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m zkpoll "$@"\n')
    command.chmod(0o755)
    return f"{command.parent}{os.pathsep}{os.environ['PATH']}"


def found_by(shell: str, program: str, path: str) -> set[str]:
    """Return the words of what a shell printed that ran `program`; skip where there is no such shell."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} on this machine")
    quick = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    result = subprocess.run(
        [shell, *quick, "-c", program],
        env=os.environ | {"PATH": path},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stderr == ""
    return set(re.findall(r"[\w-]+", result.stdout))


def completed(shell: str, path: str, *words: str) -> set[str]:
    """Return what a shell would complete the last of `words` to."""
    if shell == "fish":
        typed = " ".join(("zkpoll", *words))
        return found_by(shell, f"zkpoll completion fish | source; complete --do-complete '{typed}'", path)
    program = {"bash": BASH, "zsh": ZSH}[shell]
    quoted = " ".join(f"'{word}'" for word in ("zkpoll", *words))
    return found_by(shell, program.format(words=quoted, place=len(words)), path)


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_options_are_completed(shell: str, path: str) -> None:
    """A real shell offers commands, those of a group, and a command's options."""
    assert {"completion", "config"} <= completed(shell, path, "co")
    assert {"backup", "prune", "restore"} <= completed(shell, path, "journal", "")
    assert "--older-than" in completed(shell, path, "journal", "prune", "--old")


@pytest.mark.parametrize("shell", SHELLS)
def test_it_needs_no_shell_to_be_printed(site: Site, shell: str) -> None:
    """It is printed whole, and by this machine's Python alone, whichever shells it has."""
    result = subprocess.run(
        [sys.executable, "-m", "zkpoll", "completion", shell],
        env=os.environ | {"PATH": str(site.folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stderr == ""
    assert result.stdout == script(zkpoll, shell)
    assert f"_ZKPOLL_COMPLETE={shell}_complete" in result.stdout
    assert "%(" not in result.stdout


def test_another_shell() -> None:
    """A shell that nobody knows is wrong usage, and the known ones are named."""
    result = subprocess.run(
        [sys.executable, "-m", "zkpoll", "completion", "tcsh"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert "'bash', 'zsh', 'fish'" in result.stderr
