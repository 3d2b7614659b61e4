"""What an unharmed run reaches, found out once for all tests of a worker."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite("tests.crash.world")

from tests.crash.world import STAGES, World  # noqa: E402  # its assertions are rewritten only from here on

if TYPE_CHECKING:
    from tests.crash.world import Count


@pytest.fixture(scope="session")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Count]:
    """Give what each stage reaches, by its name."""
    with World(tmp_path_factory.mktemp("counts"), random.randrange(1_000_000)) as world:
        return {stage.name: world.count(stage) for stage in STAGES}
