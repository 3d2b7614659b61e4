"""The result of a clearing that stands alone: it was no part of a run that read the log as well. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Busy
from zkpoll.model.fate import Fate

if TYPE_CHECKING:
    from zkpoll.model.report import Notice, Trouble
    from zkpoll.tasks.device_outcome import ClearOutcome

CLEARING: Final = "clearing of "
"""How its subject begins. It is none of the device's own: a visit that goes well does not end its trouble."""


@dataclass(frozen=True, slots=True)
class ClearingOutcome:
    """The result of clearing one device's log, or of finding that it is not due."""

    name: str
    done: ClearOutcome | None = None
    """None where it is not due."""

    @property
    def subject(self) -> str:
        """The subject of its trouble and its notices."""
        return f"{CLEARING}{self.name}"

    @property
    def kind(self) -> str | None:
        """The kind of its failure, where another run was at the device."""
        return Busy.kind if self.done and self.done.fate is Fate.BUSY else None

    @property
    def problem(self) -> str | None:
        """Why it was not cleared, in one sentence."""
        return self.done.problem if self.done and self.done.fate is not Fate.CLEARED else None

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while it is due and cannot be done."""
        return self.done.trouble if self.done else None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The events that a person should know of."""
        return self.done.notices if self.done else ()
