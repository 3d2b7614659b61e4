"""Databases to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bridge.jackcess import Jackcess, why_not
from tests.bridge.servers import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bridge.servers import Server


@pytest.fixture(scope="session")
def jackcess() -> Iterator[Jackcess]:
    """Give what makes and changes real Access files; skip where there is no Java."""
    if reason := why_not():
        pytest.skip(f"real Access files cannot be made: {reason}")
    with Jackcess() as process:
        yield process


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Server]:
    """Give a database on PostgreSQL."""
    with served("postgresql", tmp_path) as server:
        yield server


@pytest.fixture
def mariadb(tmp_path: Path) -> Iterator[Server]:
    """Give a database on MariaDB."""
    with served("mysql", tmp_path) as server:
        yield server


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Server]:
    """Give a SQLite file."""
    with served("sqlite", tmp_path) as server:
        yield server


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Give a database of each engine in turn."""
    with served(request.param, tmp_path) as server:
        yield server


@pytest.fixture(params=["postgresql", "mysql"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Give a database on each real server in turn."""
    with served(request.param, tmp_path) as server:
        yield server
