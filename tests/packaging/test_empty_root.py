"""A first day with zkpoll where nothing but Debian and Python is: first_day.sh, run in a root of its own."""

from __future__ import annotations

import re
import shutil
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.packaging.empty_root import EmptyRoot, NoRoot, unpacked
from tests.packaging.test_wheel import pip

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
HERE: Final = Path(__file__).parent
ONLY_AS_SOURCE: Final = "pyzk"
"""What has no wheel on an index."""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[EmptyRoot]:
    """Give an empty Debian; skip where none can be had."""
    folder = tmp_path / "root"
    folder.mkdir()
    try:
        yield unpacked(folder)
    except NoRoot as reason:
        pytest.skip(f"no empty Debian: {reason}")
    finally:
        shutil.rmtree(folder)


def fill(wheels: Path, python: str) -> None:
    """Put the wheel of this checkout and all that it needs into a folder, for a version of Python."""
    wheels.mkdir()
    source = next(one for one in requires("zkpoll") or [] if one.startswith(ONLY_AS_SOURCE))
    for what in (".", source):
        pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), what)
    (wheel,) = wheels.glob("zkpoll-*.whl")
    for_it = "--only-binary=:all:", "--python-version", python, "--find-links", str(wheels)
    pip("download", "--quiet", *for_it, "--dest", str(wheels), str(wheel))


def test_a_first_day(root: EmptyRoot) -> None:
    """From the wheel to punches on a dashboard, units and pages, away again; a first punch within minutes."""
    fill(root.folder / "wheels", root.python())
    shutil.copy(HERE / "first_day.sh", root.folder)
    day = root.run(["bash", "/first_day.sh", "/wheels"], "192.168.1.201/24", 600)
    print(day.stdout)  # noqa: T201
    assert day.returncode == 0, day.stdout
    took = {
        what: int(seconds) for seconds, what in re.findall(r"^ *(\d+) s  (.*)$", day.stdout, re.MULTILINE)
    }
    assert took["first result"] - took["installed"] < 60
    assert took["first punch"] < 300
