"""The command that helps, for each thing that needs a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkpoll.reports.verdict import Need


def remedy(need: Need) -> str | None:
    """Given what needs a person, return the command that helps, or None where nothing but a hand does."""
    what, _, name = need.subject.partition(" ")
    if what == "device" and name:
        return f"zkpoll devices ping {name}"
    return None
