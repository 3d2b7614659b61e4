"""Names of the inventory that changed: what the journal has under the old one goes on under the new one.

Devices are known by their keys, databases by their addresses, dashboards by nothing but their names. So a
dashboard's whole history hangs on this, and of the others what a name alone connects: who answers there, and
what a person was told.

    only the old name is known     it is renamed
    both are, of a dashboard       the old one's history goes into the new one's, which began without it
    both are, of another thing     refused: these are two terminals, or two databases
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zkpoll.journal.balance import count_joined, recount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.journal.database import Journal

Named: TypeAlias = Literal["device", "database", "dashboard"]

_SUBJECTS: Final[Mapping[Named, tuple[str, ...]]] = {
    "device": ("device ", "push ", "push dialect of "),
    "database": ("database ",),
    "dashboard": ("dashboard ", "way to dashboard ", "backlog of "),
}
"""How the subjects of what a person was told begin; the name follows."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A thing of the inventory, and a name that it had before."""

    kind: Named
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """What became of a name."""

    rename: Rename
    joined: bool = False
    """Whether the journal knew both names, and has one history now."""
    refusal: str | None = None
    """Why nothing was done."""


def is_due(journal: Journal, rename: Rename) -> bool:
    """Say whether the journal has anything under the old name."""
    return bool(_known(journal, rename.kind, rename.old) or _subjects(journal, rename))


def follow(journal: Journal, rename: Rename) -> Renamed | None:
    """Let what goes by the old name go by the new one. Return None where nothing had that. On disk then.

    Of a dashboard the caller holds the locks of both names, so that nothing changes under a delivery.
    """
    names = {"old": rename.old, "new": rename.new}
    with journal.transaction():
        old, new = (_known(journal, rename.kind, name) for name in names.values())
        if old and new and rename.kind != "dashboard":
            return Renamed(rename, refusal=f"{old} and {new}")
        if rename.kind == "device":
            journal.run("rename_device", **names)
            journal.run("rename_stranger", **names)
            journal.run("forget_stranger", name=rename.old)
            journal.run("rename_retired", **names)
        elif rename.kind == "database":
            journal.run("rename_database", **names)
        elif old and new:
            _join(journal, names, {"old": int(old), "new": int(new)})
        else:
            journal.run("rename_dashboard", **names)
        for subject, now_called in _subjects(journal, rename).items():
            journal.run("rename_condition", old=subject, new=now_called)
            journal.run("forget_condition", subject=subject)
            journal.run("rename_untold", old=subject, new=now_called)
            journal.run("forget_untold", subject=subject)
    return Renamed(rename, joined=bool(new)) if old else None


def _known(journal: Journal, kind: Named, name: str) -> str | None:
    """Return the key, the address or the number of the thing of a name; None where the journal knows none."""
    match kind:
        case "device":
            row = journal.one("device_by_name", name=name)
        case "database":
            row = journal.one("database_by_name", name=name)
        case "dashboard":
            row = journal.one("dashboard_by_name", name=name)
    return str(row[1]) if row else None


def _subjects(journal: Journal, rename: Rename) -> dict[str, str]:
    """Return the subjects of what was told, or is to be, that have the old name, each with the new one."""
    found: dict[str, str] = {}
    for query in ("conditions", "owed"):
        for subject, *_ in journal.all(query):
            begin = subject.removesuffix(rename.old)
            of_shift = rename.kind == "dashboard" and begin.startswith("shift ") and begin.endswith(" of ")
            if subject.endswith(rename.old) and (begin in _SUBJECTS[rename.kind] or of_shift):
                found[subject] = begin + rename.new
    return found


def _join(journal: Journal, names: Mapping[str, str], both: Mapping[str, int]) -> None:
    """Let what the journal has for one dashboard, `old`, be another's, which it met later.

    Of a punch that both have, the later one's state stays: nothing is taken for delivered that was not. One
    that was given up lacks what came since; it is met again first, so that nothing of that is owed. Raise
    `JournalError` where either one's sum is wrong: it would be lost sight of.
    """
    for name, number in zip(names.values(), both.values(), strict=True):
        journal.one("meet_destination", name=name)
        recount(journal, number)
    journal.run("move_beginning", **both)
    journal.run("move_outbox", **both)
    count_joined(journal, **both)
    journal.run("move_requests", **both)
    journal.run("forget_outbox", destination=both["old"])
    journal.run("forget_backlog", destination=both["old"])
    for number in both.values():  # what was counted of one is no count of both
        journal.run("forget_course", destination=number)
    journal.run("forget_destination", destination=both["old"])
