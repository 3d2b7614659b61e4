"""What makes real Access files, as in the tests of the bridge."""

from __future__ import annotations

from tests.bridge.conftest import jackcess

__all__ = ["jackcess"]
