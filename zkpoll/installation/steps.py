"""Steps that make a machine ready, shown or carried out; and `systemctl`, which some of them run."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from zkpoll.durable import OWNER_ONLY, new_file
from zkpoll.errors import ZkpollError, reason

if TYPE_CHECKING:
    from collections.abc import Sequence

BOOTED: Final = Path("/run/systemd/system")
"""The folder that is there where systemd is the first process (sd_booted(3))."""
PATIENCE: Final = 180.0
"""Seconds for one call of systemctl: a service that is started has 90 by default to say that it is ready."""
_UNIT_MODE: Final = 0o644


class StepFailed(ZkpollError):
    """A step could not be carried out."""

    kind = "step_failed"


class NoSystemd(ZkpollError):
    """There is no systemd here that could be asked."""

    kind = "no_systemd"


class StepState(Enum):
    """How far a step is, in the words for a person."""

    DONE = "already so"
    TO_DO = "to do"
    NEEDS_YOU = "needs you"


@dataclass(frozen=True, slots=True)
class WriteUnit:
    """Write a unit's file, or replace it."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class MakePrivate:
    """Let nobody but its owner read a file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Call:
    """Call systemctl with these words."""

    words: tuple[str, ...]


Action: TypeAlias = WriteUnit | MakePrivate | Call


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does, how far it is, and what is to be carried out."""

    what: str
    state: StepState
    advice: str = ""
    """What a person has to do, where it needs one."""
    action: Action | None = None
    """Given where it is to do."""


class Systemctl:
    """The program `systemctl`, called with bounds. No call asks a person for a password."""

    def __init__(self, program: str = "systemctl", patience: float = PATIENCE) -> None:
        self._program = program
        self._patience = patience

    def call(self, *words: str) -> str:
        """Return what it prints. Raise `StepFailed` where it fails, falls silent or is not there."""
        typed = shlex.join(("systemctl", *words))
        try:
            process = subprocess.Popen(
                [self._program, "--no-ask-password", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # so that what it has started can be ended with it
            )
        except OSError as error:
            raise StepFailed(f"{typed} cannot be run: {reason(error)}") from error
        with process:
            try:
                printed, complaint = process.communicate(timeout=self._patience)
            except subprocess.TimeoutExpired:
                raise StepFailed(
                    f"{typed} has not ended after {self._patience:g} seconds, and was given up;"
                    " `systemctl list-jobs` shows what systemd waits for"
                ) from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode:
            told = complaint.strip() or f"it ended with {process.returncode}"
            raise StepFailed(f"{typed} failed: {told}")
        return printed


def systemctl_here(patience: float = PATIENCE) -> Systemctl:
    """Return the systemctl of this machine. Raise `NoSystemd` where there is none, or no systemd runs."""
    if not BOOTED.is_dir():
        raise NoSystemd(
            f"systemd is not the first process here (there is no {BOOTED}): leave `zkpoll sync` to cron"
            " (docs/operating.md), or write the units of another machine with --root"
        )
    program = shutil.which("systemctl")
    if program is None:
        raise NoSystemd("there is no systemctl on the path; is this a machine with systemd?")
    return Systemctl(program, patience)


def carry_out(step: Step, systemctl: Systemctl | None) -> None:
    """Do what a step is to do. `systemctl` is None where no step calls it. Raise `StepFailed`."""
    try:
        match step.action:
            case WriteUnit(path, text):
                path.parent.mkdir(parents=True, exist_ok=True)
                with new_file(path, replace=True, mode=_UNIT_MODE) as file:
                    file.write(text.encode())
            case MakePrivate(path):
                path.chmod(OWNER_ONLY)
            case Call(words) if systemctl:
                systemctl.call(*words)
    except OSError as error:
        raise StepFailed(f"{step.what}: {reason(error)}") from error


def needing_somebody(steps: Sequence[Step]) -> list[Step]:
    """Return the steps that a person has to do."""
    return [step for step in steps if step.state is StepState.NEEDS_YOU]
