"""The result of listening to a device under watch: whether it rings when somebody punches. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zkpoll.model.report import Trouble

if TYPE_CHECKING:
    from zkpoll.model.report import Notice

BELL: Final = "bell of "
"""How its subject begins. It is none of the device's own: its punches arrive all the same."""


@dataclass(frozen=True, slots=True)
class BellOutcome:
    """The result of listening to one device."""

    name: str
    rings: bool
    every: float
    """Seconds between two looks at it while it does not."""
    kind: str | None = None
    trouble: Trouble | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The subject of its advice."""
        return f"{BELL}{self.name}"

    @property
    def advice(self) -> Trouble | None:
        """What a person should hear once of one that does not ring."""
        if self.rings:
            return None
        text = f"the terminal rings no bell when somebody punches; it is read every {self.every:g} s"
        return Trouble("no bell", text, once=True)
