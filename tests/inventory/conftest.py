"""What the inventory's tests share: certificates."""

from __future__ import annotations

import pytest

from tests.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority of our own."""
    return Authority(tmp_path_factory.mktemp("authority"))
