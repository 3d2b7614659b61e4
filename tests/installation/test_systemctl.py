"""Calls of systemctl that fail, hang, or find none: a sentence each."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from zkpoll.installation import steps
from zkpoll.installation.steps import (
    Call,
    MakePrivate,
    NoSystemd,
    Step,
    StepFailed,
    StepState,
    Systemctl,
    WriteUnit,
    carry_out,
    systemctl_here,
)


def program(folder: Path, does: str) -> str:
    """Put a systemctl into a folder."""
    file = folder / "systemctl"
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)
    return str(file)


def test_what_it_prints(tmp_path: Path) -> None:
    """What it prints comes back; it never asks for a password."""
    systemctl = Systemctl(program(tmp_path, 'echo "$*"'))
    assert (
        systemctl.call("enable", "--now", "zkpoll.timer") == "--no-ask-password enable --now zkpoll.timer\n"
    )


def test_one_that_fails(tmp_path: Path) -> None:
    """Its own words are told, with what was called; without words its code is."""
    call = Step("x", StepState.TO_DO, action=Call(("enable", "--now", "zkpoll.timer")))
    with pytest.raises(StepFailed, match=r"^systemctl enable --now zkpoll.timer failed: Access denied$"):
        carry_out(call, Systemctl(program(tmp_path, "echo Access denied >&2; exit 4")))
    with pytest.raises(StepFailed, match=r"failed: it ended with 4$"):
        carry_out(call, Systemctl(program(tmp_path, "exit 4")))


def test_one_that_hangs(tmp_path: Path) -> None:
    """It is given up in time and ended, with all that it has started."""
    hangs = program(tmp_path, f"sleep 300 & echo $! >{tmp_path}/child; wait")
    begun = time.monotonic()
    with pytest.raises(StepFailed, match=r"daemon-reload has not ended after 0\.5 seconds.* list-jobs"):
        Systemctl(hangs, patience=0.5).call("daemon-reload")
    assert time.monotonic() - begun < 30
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    until = time.monotonic() + 20
    while child.exists() and ") Z " not in child.read_text():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no systemctl, or no systemd runs, a sentence says what to do."""
    with pytest.raises(StepFailed, match=r"^systemctl show cannot be run: no such file"):
        Systemctl(str(tmp_path / "none")).call("show")
    monkeypatch.setattr(steps, "BOOTED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(NoSystemd, match="no systemctl on the path"):
        systemctl_here()
    monkeypatch.setattr(steps, "BOOTED", tmp_path / "none")
    with pytest.raises(NoSystemd, match=r"not the first process here.* cron .*--root"):
        systemctl_here()


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    """A disk that refuses is told by the step's name and the system's words."""
    (tmp_path / "file").write_text("")
    write = WriteUnit(tmp_path / "file" / "zkpoll.service", "text")
    with pytest.raises(StepFailed, match=r"^write it: (not a directory|file exists)"):
        carry_out(Step("write it", StepState.TO_DO, action=write), None)
    private = MakePrivate(tmp_path / "none")
    with pytest.raises(StepFailed, match=r"^hide it: no such file"):
        carry_out(Step("hide it", StepState.TO_DO, action=private), None)
