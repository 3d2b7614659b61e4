"""One Chromium for all tests of a process, and axe; the tests are skipped where there is none."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.browser.checks import axe_script
from tests.browser.chromium import Browser, chromium

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give a browser that has nothing of its owner's, and reaches this machine alone."""
    program = chromium()
    if program is None:
        pytest.skip("there is no Chromium: apt install chromium")
    with TemporaryDirectory(prefix="zkpoll-chromium-", ignore_cleanup_errors=True) as folder:
        running = Browser(program, Path(folder))
        try:
            yield running
        finally:
            running.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Give the program axe-core."""
    script = axe_script()
    if script is None:
        pytest.skip("there is no axe-core: see docs/developing.md")
    return script
