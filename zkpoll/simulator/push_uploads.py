"""What a terminal that pushes posts: each upload with its address and its bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.simulator import push_lines
from zkpoll.simulator.push_wire import PushRequest
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from zkpoll.simulator.push_model import PushModel
    from zkpoll.simulator.push_settings import PushSettings
    from zkpoll.simulator.records import EnrolledUser, Record


@dataclass(frozen=True, slots=True)
class PushUpload:
    """Something that waits to be delivered; its bytes do not change any more."""

    what: str
    """`punches`, `options`, `results`, or the name of a table."""
    request: PushRequest
    places: tuple[int, ...] = ()
    """Where its punches stand in the terminal's history."""
    settles: str = ""
    """Another word than `OK` that settles it."""


@dataclass(frozen=True, slots=True)
class PushForms:
    """Makes the uploads of one terminal, for what it was told last."""

    serial: str
    model: PushModel
    settings: PushSettings
    obeys_ok: bool = False
    """Whether nothing but `OK` settles anything."""
    token: str = ""

    def punches(
        self, history: Sequence[Record], places: Sequence[int], unset: range, door: str | None = None
    ) -> PushUpload:
        """Return a batch of the punches at `places`.

        Those in `unset` have a time that is none. With `door`, a time, lines of a door come first.
        """
        model, access = self.model, self.model.dialect == "3.x"
        line = push_lines.key_value_line if access or model.key_value else push_lines.attlog_line
        lines = push_lines.door_lines(door) if door else []
        lines += [
            line(history[place], model, push_lines.NO_TIME if place in unset else None) for place in places
        ]
        query = f"&table={'rtlog' if access else 'ATTLOG'}" if model.names_table else ""
        if not access and not model.key_value:
            newest = str(pack_time(history[places[-1]].time))
            query += f"&Stamp={newest if model.old else self.settings.stamp('ATTLOGStamp', 'Stamp')}"
        return self._upload("punches", query, push_lines.body(lines, model), tuple(places))

    def options(self, told: Mapping[str, str]) -> PushUpload:
        """Return the terminal's own options."""
        return self._upload("options", "&table=options", push_lines.option_line(told).encode())

    def results(self, lines: Iterable[str]) -> PushUpload:
        """Return the results of commands."""
        body = "".join(f"{line}\n" for line in lines).encode()
        return self._upload("results", "", body, name="devicecmd")

    def operlog(self, lines: Sequence[str] = ()) -> PushUpload:
        """Return lines of the operation log, maybe none."""
        old = self.model.old or not self.settings.names_version
        stamp = self.settings.stamp("OPERLOGStamp", "OpStamp")
        query = f"&table=OPERLOG&{'OpStamp' if old else 'Stamp'}={stamp}"
        return self._upload("OPERLOG", query, push_lines.body(lines, self.model))

    def besides(self, users: Sequence[EnrolledUser], now: datetime) -> Iterator[PushUpload]:
        """Yield what the model sends besides punches after a handshake, as far as the server wants it."""
        first, time, model = users[:1], str(now), self.model
        if model.dialect == "3.x":
            yield from self._access_tables(users, time)
            return
        lines = self._people(users, time)
        if model.operlog and lines:
            yield self.operlog(lines)
        if model.biodata and first:
            body = push_lines.body([push_lines.biodata_line(first[0])], model)
            yield self._upload("BIODATA", f"&table=BIODATA&Stamp={self.settings.stamp()}", body)
        if model.photos and first and self._wants("AttPhoto"):
            body = push_lines.photo(first[0], self.serial, f"{now:%Y%m%d%H%M%S}")
            key, name = ("PhotoStamp", "fdata") if model.old else ("Stamp", "cdata")
            query = f"&table=ATTPHOTO&{key}={self.settings.stamp('ATTPHOTOStamp', 'PhotoStamp')}"
            yield self._upload("ATTPHOTO", query, body, name=name)

    def _people(self, users: Sequence[EnrolledUser], time: str) -> list[str]:
        lines = [push_lines.operation_line(4, time)] if self._wants("OpLog") else []
        for user in users:
            lines += [push_lines.operation_line(30, time, user.user_id)] if self._wants("OpLog") else []
            lines += [push_lines.user_line(user)] if self._wants("EnrollUser", "ChgUser") else []
            lines += [push_lines.finger_line(user)] if self._wants("EnrollFP", "ChgFP") else []
        return lines

    def _access_tables(self, users: Sequence[EnrolledUser], time: str) -> Iterator[PushUpload]:
        if self.model.operlog and users:
            body = push_lines.body([push_lines.user_row(user) for user in users], self.model)
            query = f"&table=tabledata&tablename=user&count={len(users)}"
            yield self._upload(
                "tabledata", query, body, settles="" if self.obeys_ok else f"user={len(users)}"
            )
        if self.model.door_events:
            body = push_lines.body([push_lines.door_state(time)], self.model)
            yield self._upload("rtstate", "&table=rtstate", body)

    def _wants(self, *kinds: str) -> bool:
        return not self.model.obeys_transflag or self.settings.sends(*kinds)

    def _upload(
        self,
        what: str,
        query: str,
        body: bytes,
        places: tuple[int, ...] = (),
        *,
        name: str = "cdata",
        settles: str = "",
    ) -> PushUpload:
        request = PushRequest("POST", name, f"SN={self.serial}{query}", body, self.token)
        return PushUpload(what, request, places, settles)
