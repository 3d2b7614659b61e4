"""Writes the commit into wheels and source archives built in a checkout, for `zkpoll --version`."""

from __future__ import annotations

import runpy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Adds `zkpoll/commit.txt`. A source archive has its own already, and what is built of it keeps that."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file, unless this is no checkout, or an installation that stays one (`pip install -e`)."""
        ours = runpy.run_path(str(Path(self.root, "zkpoll", "version.py")))
        commit = ours["commit_of"](Path(self.root), self.metadata.version)
        if commit is None or version == "editable":
            return
        self._folder = TemporaryDirectory()
        file = Path(self._folder.name, ours["COMMIT_FILE"])
        file.write_text(f"{commit}\n", "ascii")
        build_data["force_include"][str(file)] = f"zkpoll/{file.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002  # hatch's own
        """Remove the file from where it was made."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()
