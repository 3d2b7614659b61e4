"""The wheel: built from this checkout, it works where nothing but its run-time dependencies is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.site import TOKEN, entry
from zkpoll import __version__
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

ROOT = Path(__file__).parents[2]
OFFLINE = (
    "Could not find a version",
    "No matching distribution",
    "Connection",
    "Temporary failure",
    "Timeout",
)
"""What pip says where there is no package index; a wheel that is wrong fails in other words."""


def pip(*arguments: str) -> None:
    """Run pip; skip where there is no package index."""
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    if result.returncode and any(words in result.stderr for words in OFFLINE):
        pytest.skip("no package index can be reached, to build and to install with")
    assert result.returncode == 0, result.stderr


def package() -> set[str]:
    """Return the files of the package in this checkout."""
    found = (
        path for path in (ROOT / "zkpoll").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {path.relative_to(ROOT).as_posix() for path in found}


def run(program: Path, *arguments: str, folder: Path) -> str:
    """Run an installed program far from this checkout, and return what it prints."""
    result = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "TOKEN": TOKEN, "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.long
@pytest.mark.timeout(300)  # a package index may be slow
def test_the_wheel_in_a_clean_environment(tmp_path: Path, site: Site, dashboard: SampleDashboard) -> None:
    """A fresh environment with the wheel and what it asks for syncs a terminal, and has all commands."""
    before = package()
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), ".")
    (wheel,) = tmp_path.glob("zkpoll-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        files = {name for name in packed.namelist() if ".dist-info/" not in name}
    assert before & package() <= files <= before | package()  # somebody may be at work in this checkout
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / "bin"
    pip("--python", str(programs / "python"), "install", "--quiet", "--no-compile", str(wheel))
    zkpoll = programs / "zkpoll"
    assert run(zkpoll, "--version", folder=tmp_path).split()[-1] == __version__
    assert "devices" in json.loads(run(zkpoll, "config", "schema", folder=tmp_path))["properties"]
    assert "_ZKPOLL_COMPLETE" in run(zkpoll, "completion", "bash", folder=tmp_path)
    with serve(Terminal.with_samples(40)) as address:
        site.write(dashboard.url, entry("front", address))
        run(zkpoll, "sync", "--config", str(site.inventory), folder=tmp_path)
    assert len(dashboard.events) == 40
    backup = ("journal", "backup", str(tmp_path / "backup.db"), "--config", str(site.inventory))
    assert "40 punches" in run(zkpoll, *backup, folder=tmp_path)
    serve_words = (zkpoll, "serve", "--config", str(site.inventory))
    refused = subprocess.run(serve_words, capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, "pip install 'zkpoll[serve]'" in refused.stderr) == (78, True)
    pip("--python", str(programs / "python"), "check")
