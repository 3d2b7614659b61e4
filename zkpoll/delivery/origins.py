"""The sources of punches, as far as a dashboard is told of them. Pure.

The journal keeps what the device said. Whether that was an arrival, and at which place, the inventory says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.inventory import Source
    from zkpoll.model.punch import Event

Direction: TypeAlias = Literal["in", "out"]

_WAYS: Final = frozenset({"in", "out"})
"""Values of `direction:` for sources at which people only come, or only go."""


@dataclass(frozen=True)
class Origins:
    """The sources of an inventory, looked up by punch."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    """By name."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names by device key, as far as they are known. A renamed source keeps its key. May still change."""

    @classmethod
    def of_inventory(cls, sources: Iterable[Source], names: Mapping[str, str]) -> Origins:
        """Given the sources of an inventory and the names by device key, return the origins."""
        return cls({source.name: source for source in sources}, names)

    def of(self, event: Event) -> Source | None:
        """Given an event, return the source that it came from. None if the inventory has it no more."""
        name = self.names.get(event.serial_number, "")
        return self.sources.get(name) or self.sources.get(event.device)

    def meaning(self, event: Event) -> Source | None:
        """Given an event, return a source with the settings for its user id and state.

        That is its own. If the inventory has it no more, it is any of those left, provided that all of them
        say the same, else None.
        """
        return self.of(event) or self._any_if_alike

    @cached_property
    def _any_if_alike(self) -> Source | None:
        left = list(self.sources.values())
        # Where one is the way in, the one that is gone may have been the way out.
        if not left or left[0].direction in _WAYS:
            return None
        meant = [(one.user_id, one.direction, one.in_states, one.out_states) for one in left]
        return left[0] if all(one == meant[0] for one in meant) else None

    def direction(self, event: Event) -> Direction | None:
        """Given an event, return whether the person came or went. None if nobody can tell."""
        source = self.meaning(event)
        return direction(source, event.state) if source else None


def direction(source: Source, state: int) -> Direction | None:
    """Given a source and the state of a punch there, return whether the person came or went."""
    match source.direction:
        case "in" | "out" as always:
            return always
        case "state" if state in source.in_states:
            return "in"
        case "state" if state in source.out_states:
            return "out"
        case _:
            return None
