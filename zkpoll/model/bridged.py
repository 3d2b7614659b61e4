"""A row of a vendor's database on its way into the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.model.punch import Punch

AsideReason = Literal["no person", "no serial", "ambiguous serial", "absurd time", "no user id"]
"""Why a row is no punch for now: nothing is guessed, and it is looked at again."""


class SettledRow(NamedTuple):
    """A row whose person, time and terminal are known."""

    key: str
    """The row's own identity in its database: its number, or its person's, and its second."""
    device: str
    """The device key."""
    punch: Punch
    """Its time is the wall clock of the device's zone; its canonical bytes begin with `db\\n`."""
    raw: str
    """The row as it stands there."""
    manual: bool = False
    """Whether a person typed it in at the vendor's program."""


class AsideRow(NamedTuple):
    """A row that is no punch for now."""

    key: str
    raw: str
    """The row as it stands there."""
    reason: AsideReason
    detail: str = ""
    """What a person is told beside the reason: the number of the machine."""


@dataclass(frozen=True, slots=True)
class BucketRows:
    """Rows of one bucket, settled, with the fingerprint taken before they were read."""

    bucket: int
    rows: Sequence[SettledRow | AsideRow]
    fingerprint: bytes = b""
    """Empty where it has none."""
    ends: bool = True
    """Whether the bucket ends with these rows."""
