"""Callers that the push door turned away, and what can be done about each. Nothing here writes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from zkpoll.journal import callers
from zkpoll.journal.pushed import pushed_standings
from zkpoll.reports.words import counted, iso, minute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.callers import Caller
    from zkpoll.journal.database import Journal
    from zkpoll.journal.pushed import PushStanding


@dataclass(frozen=True, slots=True)
class RefusedCaller:
    """A caller that was turned away, and was not let in since."""

    caller: Caller
    device: str | None
    """The name of the device in the inventory that has its serial number."""
    hint: str | None
    """What can be done, in one sentence."""
    entry: str | None
    """The line that lets it in, to be put under devices: in the inventory."""

    def words(self) -> tuple[str, str, str]:
        """Return its serial number and why, its requests, and what it says of itself."""
        one = self.caller
        name = f" ({self.device})" if self.device else ""
        told = {"pushver": one.push_version, "DeviceType": one.device_type}
        says = [one.path, *(f"{key} {value}" for key, value in told.items() if value)]
        requests = f"{counted(one.requests, 'request')} from {one.address}"
        return (
            f"{one.serial}  {one.reason}{name}",
            f"{requests}, {minute(one.first_at)} to {minute(one.last_at)}",
            ", ".join(says),
        )

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        times = {"first_at": iso(self.caller.first_at), "last_at": iso(self.caller.last_at)}
        return asdict(self.caller) | times | {"device": self.device, "hint": self.hint, "entry": self.entry}


@dataclass(frozen=True, slots=True)
class RefusedScreen:
    """All callers that were turned away, the last one first."""

    callers: tuple[RefusedCaller, ...]
    nameless: int
    """Requests without a well-formed serial number."""
    serving: bool | None
    """Whether a `zkpoll serve` has the journal; None where that cannot be seen."""

    @property
    def entries(self) -> tuple[str, ...]:
        """The lines that let unknown ones in."""
        return tuple(one.entry for one in self.callers if one.entry)

    def nobody(self) -> str:
        """Return what to look at where nobody was turned away, and a terminal is missed all the same."""
        runs = {
            True: "`zkpoll serve` runs",
            False: "no `zkpoll serve` runs",
            None: "whether it runs is unknown",
        }
        return (
            f"Nobody was refused; {runs[self.serving]}. A terminal that is neither here nor in `zkpoll"
            " status` has not called: look at the server address and port in its menu (Comm., Cloud Server or"
            " ADMS), at listen: in the inventory, and at the firewall between them."
        )

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "serving": self.serving,
            "nameless_requests": self.nameless,
            "callers": [one.document() for one in self.callers],
        }

    def lines(self) -> Iterator[str]:
        """Yield a line for each caller, one for those without a serial number, and the entries."""
        for one in self.callers:
            yield "  ".join([*one.words(), *([one.hint] if one.hint else [])])
        if self.nameless:
            yield self.nameless_words()
        yield from self.entries

    def nameless_words(self) -> str:
        """Return the sentence on requests without a serial number."""
        return f"{counted(self.nameless, 'request')} without a serial number"


def refused_screen(inventory: Inventory, journal: Journal) -> RefusedScreen:
    """Return who was turned away, but for those that were let in since."""
    standings = pushed_standings(journal).values()
    devices = {one.serial: one for one in inventory.devices if one.serial}
    names = free_names(one.name for one in inventory.devices)
    found = []
    for caller in callers.pending(journal):
        if is_let_in(caller, standings):
            continue
        device = devices.get(caller.serial)
        entry = None
        if device is None and caller.reason == "unknown serial":
            entry = f"- {{name: {next(names)}, serial: '{caller.serial}', push: true}}"
        hint = _hint(caller, device) if device else None
        found.append(RefusedCaller(caller, device.name if device else None, hint, entry))
    return RefusedScreen(tuple(found), callers.nameless(journal), journal.is_locked("serve"))


def is_let_in(caller: Caller, standings: Iterable[PushStanding]) -> bool:
    """Say whether a caller that was refused has called since, and was let in."""
    calls = (one.last_call_at for one in standings if one.serial_number == caller.serial)
    return any(last > caller.last_at for last in calls)


def free_names(taken: Iterable[str]) -> Iterator[str]:
    """Yield names for new devices: terminal-1, terminal-2 ..., but for those that are taken."""
    names = frozenset(taken)
    return (name for number in count(1) if (name := f"terminal-{number}") not in names)


def _hint(caller: Caller, device: Device) -> str:
    """Return what can be done to let in a caller whose serial number is that of a device."""
    if caller.reason == "wrong secret":
        return (
            "type http://HOST:PORT/SECRET into its menu; some firmware drops what stands behind the address,"
            " and needs networks: in place of secret:"
        )
    if caller.reason == "outside its networks":
        return f"add {caller.address} to networks: if it is the terminal"
    if not device.enabled:
        return "it is taken out: enabled: false"
    if device.push is None:
        return "it has no push: in the inventory"
    return "it is in the inventory by now; restart `zkpoll serve`"
