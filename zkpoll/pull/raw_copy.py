"""Raw copies of terminals' logs: what insures a log that is about to be cleared.

A copy lies beside the journal, in `<journal>.raw/`, for its owner alone: it holds who was where, when. It is
one gzip stream, so that it can be read in ten years without zkpoll. `zcat FILE | head -1` shows a line of
JSON (UTF-8): the device, when its log was read, its time zone, how many bytes a record has (4, where some
have 8) and how many records there are, what their fields are, and the SHA-256 of what follows. What follows
is shown by `zcat FILE | tail -n +2 | xxd -c WIDTH`: the records as the terminal sent them, oldest first,
nothing else.

Numbers are little-endian. A time is a u32 of seconds, in a calendar of months of 31 days and years of 12
months that begins with 2000. Where records name slots of the terminal's user table, `users` translates them;
nothing else of that table is here, least of all PINs.
"""

from __future__ import annotations

import errno
import gzip
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from inspect import getdoc
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ValidationError

from zkpoll.durable import new_file, new_folder, sync_folder
from zkpoll.errors import SetAside, TryLater, UnknownLayout, reason
from zkpoll.model.punch import MIXED
from zkpoll.model.state_folders import part_of_name
from zkpoll.ordinary_files import contents, open_to_read
from zkpoll.pull.layouts import layout_called
from zkpoll.pull.sizes import LONGEST_LOG
from zkpoll.pull.slices import SLICE, Slicer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from zkpoll.model.log import Slice
    from zkpoll.pull.layouts import Layout

SUFFIX: Final = ".zkraw"
NEWEST: Final = 2
"""Copies of each terminal that stay for good: the last two, should one of them be of a nearly empty log."""
_FORMAT: Final = "zkpoll raw copy 1"
_BEGIN: Final = b'{"format":"zkpoll raw copy '
"""What every version of the first line begins with."""
_LONGEST_HEADER: Final = 16 * 1024 * 1024
"""Bytes; a user table has 65,535 slots at most."""
LONGEST: Final = _LONGEST_HEADER + LONGEST_LOG
"""Bytes of a copy, packed or not."""
_SAME_SECOND: Final = 100
"""Copies of one log in one second, at most."""
_LONGEST_NAME: Final = 90
"""Bytes of a device's name, and of its key, in a file's name; file systems take 255 in all."""


class CopyFailed(TryLater):
    """A raw copy cannot be written or removed."""

    kind = "raw_copy"


class BadCopy(SetAside):
    """This file is no sound raw copy."""

    kind = "bad_copy"


@dataclass(frozen=True, slots=True)
class RawCopy:
    """A device's log as it was read."""

    device: str
    """Its name in the inventory."""
    serial_number: str
    """The device key."""
    taken_at: datetime
    """When it was read; UTC."""
    zone: str
    """The time zone of its clock, such as `Asia/Dhaka`."""
    layout: int
    """Bytes of a record; 4 where some are of 8 bytes, and some of 4."""
    users: Mapping[int, str]
    """User ids by slot, where records name slots; else nothing."""
    log: bytes = field(repr=False)
    """The records' bytes, without the 4-byte length in front."""

    @classmethod
    def of(
        cls, device: str, serial_number: str, zone: str, layout: int, log: bytes, users: Mapping[int, str]
    ) -> Self:
        """Return the copy of a log that was read just now."""
        taken_at = datetime.now(UTC).replace(microsecond=0)
        return cls(device, serial_number, taken_at, zone, layout, users, log)

    @property
    def count(self) -> int:
        """How many records it holds."""
        return _count(self.layout, self.log)

    def header(self) -> dict[str, Any]:
        """Return all but the records, as the first line of the file tells it."""
        return self._header().model_dump(mode="json")

    def packed(self) -> bytes:
        """Return the file's bytes."""
        line = self._header().model_dump_json().encode()
        return gzip.compress(line + b"\n" + self.log, mtime=0)

    def hand_on(self, take: Callable[[Slice], None]) -> None:
        """Hand its records to `take` in slices, decoded as when they were read from the device's first on."""
        layout = _layout(self.layout)
        slicer = Slicer(layout, self.users, ZoneInfo(self.zone), None, take)
        runs = (self.log[at : at + SLICE] for at in range(0, len(self.log), SLICE))
        slicer.go_over().hand_on(layout.even(runs), lambda _records: None)

    def _header(self) -> _Header:
        return _Header(
            device=self.device,
            serial_number=self.serial_number,
            taken_at=self.taken_at.astimezone(UTC),
            zone=self.zone,
            layout=self.layout,
            about=_ABOUT_MIXED if self.layout == MIXED else _ABOUT,
            record=(getdoc(_layout(self.layout).records) or "").partition("\n")[0],
            count=self.count,
            sha256=sha256(self.log).hexdigest(),
            users=dict(self.users),
        )


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # not there; outside the database; a folder of it
        raise ValueError("expected a time zone") from error
    return name


def _known_layout(number: int) -> int:
    if layout_called(number) is None:
        raise ValueError("this zkpoll knows no such layout")
    return number


def _layout(number: int) -> Layout:
    layout = layout_called(number)
    assert layout is not None  # noqa: S101  # as `_known_layout` has seen to, or the log was read so
    return layout


def _count(number: int, log: bytes) -> int:
    """Return how many records a log holds. Raise `UnknownLayout` when it ends inside one."""
    layout = _layout(number)
    return len(layout.whole(log)) // layout.width


_NUMBERS: Final = (
    " Numbers are little-endian; a time is ((year-2000)*12+month-1)*31+day-1 days, in seconds, and the"
    " second of the day, by the terminal's clock in zone."
)
_ABOUT: Final = (
    "Behind this line: count records of layout bytes, as the terminal sent them, oldest first." + _NUMBERS
)
_ABOUT_MIXED: Final = (
    "Behind this line: count records, as the terminal sent them, oldest first: of 4 bytes where bit 2 of the"
    " third is set, else of 8. In one of 4, the low two bits of the third byte and the fourth are the seconds"
    " since the last one of 8." + _NUMBERS
)


class _Header(BaseModel):
    """The first line of a raw copy."""

    format: Literal["zkpoll raw copy 1"] = _FORMAT
    about: str = _ABOUT
    device: str
    serial_number: str
    taken_at: AwareDatetime
    zone: Annotated[str, AfterValidator(_known_zone)]
    layout: Annotated[int, AfterValidator(_known_layout)]
    record: str
    count: int
    sha256: str
    users: dict[int, str]


# --- keeping ---


def save(folder: Path, copy: RawCopy) -> Path:
    """Keep `copy` in a folder and return its file: on disk, whole and readable, when this returns.

    Where root makes them, folder and file belong to the owner of the folder around. No file is ever
    overwritten. Raise `CopyFailed` when it cannot be written, with nothing of it left, or `BadCopy` when it
    could not be used.
    """
    name = _name(copy)
    path = folder / f"{name}{SUFFIX}"
    try:
        new_folder(folder, folder.parent)
        for number in range(2, _SAME_SECOND):
            try:
                with new_file(path, replace=False, folder_unseen=False, belongs_to=folder.parent) as file:
                    file.write(copy.packed())
                    file.flush()
                    load(Path(file.name))
            except FileExistsError:
                path = folder / f"{name}~{number}{SUFFIX}"
            else:
                break
        else:
            raise FileExistsError(errno.EEXIST, "there are too many of that second")
        sync_folder(folder.parent)
    except OSError as error:
        raise CopyFailed(f"the raw copy {path} cannot be written: {reason(error)}") from error
    return path


def _name(copy: RawCopy) -> str:
    """Return `front-door-20261122T030000Z-CQZ7224760045`: for people; the header is what counts."""
    device, key = (part_of_name(text, _LONGEST_NAME) for text in (copy.device, copy.serial_number))
    return f"{device}-{copy.taken_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{key}"


def due(folder: Path, keep: timedelta, now: datetime) -> list[Path]:
    """Return the raw copies that were taken longer than `keep` before `now` (aware).

    The `NEWEST` of each terminal are none of them, whatever their age. A file that does not tell when it was
    taken is left alone, and one that says so of a time to come was taken just now, and is no terminal's
    newest. One that this host stamped while its clock was behind is no older than the records in it. Raise
    `CopyFailed` when the folder cannot be seen.
    """
    told = ((header.taken_at, path, header.serial_number) for path, header in _headers(folder))
    newer: Counter[str] = Counter()
    old: list[Path] = []
    for taken_at, path, key in sorted((one for one in told if one[0] <= now), reverse=True):
        named = path.suffix == SUFFIX  # what a killed run left without its name goes like the others
        spare = not named or newer[key] >= NEWEST
        if spare and now - taken_at > keep and now - _last_punch(path, taken_at, now) > keep:
            old.append(path)
        newer[key] += named
    return old


def remove(copies: Sequence[Path]) -> list[Path]:
    """Remove raw copies; return those that no other run was quicker with. Raise `CopyFailed` if one stays."""
    return [path for path in copies if _removed(path)]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CopyFailed(f"the raw copies in {folder} cannot be seen: {reason(error)}") from error


def _headers(folder: Path) -> Iterator[tuple[Path, _Header]]:
    for path in _files(folder):
        with (
            suppress(OSError, EOFError, zlib.error, ValidationError),
            open_to_read(path) as file,
            gzip.open(file) as lines,
        ):
            yield path, _Header.model_validate_json(lines.readline(_LONGEST_HEADER))


def _last_punch(path: Path, taken_at: datetime, now: datetime) -> datetime:
    """Return when a copy was taken, or the time of its last punch that is not ahead of `now`, if later."""
    found = [taken_at]
    with suppress(BadCopy):
        copy = load(path)
        zone = ZoneInfo(copy.zone)
        copy.hand_on(lambda piece: found.extend(one.time.replace(tzinfo=zone) for one in piece.punches))
    return max(one for one in found if one <= now)


def _removed(path: Path) -> bool:
    """Remove a file; say no if another run has done it."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CopyFailed(f"the raw copy {path} cannot be removed: {reason(error)}") from error
    return True


# --- reading ---


def recognised(data: bytes) -> bool:
    """Say whether a file's bytes begin as those of a raw copy, sound or not."""
    with suppress(zlib.error):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, len(_BEGIN)) == _BEGIN
    return False


def load(path: Path) -> RawCopy:
    """Return the raw copy in a file.

    Raise `BadCopy` when it cannot be read, is foreign, damaged or cut short, or written by a newer zkpoll.
    """
    try:
        data = contents(path, LONGEST)
    except OSError as error:
        raise BadCopy(f"{path} cannot be read: {reason(error)}") from error
    if not recognised(data):
        raise BadCopy(f"{path} is no raw copy of a log, or its very beginning is damaged")
    header, log = _unpacked(path, data)
    if not _holds(log, header):
        told = f"its header tells of {header.count:,} records of {header.layout}"
        raise BadCopy(f"{path} is damaged: it holds {len(log):,} bytes of records, {told}")
    if sha256(log).hexdigest() != header.sha256:
        raise BadCopy(f"{path} is damaged: the SHA-256 of its records is not what its header tells")
    return RawCopy(log=log, **header.model_dump(include=_TOLD))


def _holds(log: bytes, header: _Header) -> bool:
    """Say whether a log has as many records as its header tells of."""
    try:
        return _layout(header.layout).divides(len(log)) and _count(header.layout, log) == header.count
    except UnknownLayout:
        return False


_TOLD: Final = {"device", "serial_number", "taken_at", "zone", "layout", "users"}
"""What of a header is a field of a copy."""


def _unpacked(path: Path, data: bytes) -> tuple[_Header, bytes]:
    """Return a file's header and what follows it."""
    try:
        content = gzip.GzipFile(fileobj=BytesIO(data)).read(LONGEST + 1)
        if len(content) > LONGEST:
            raise BadCopy(f"{path} holds more than {LONGEST} bytes; no log is as long")
        line, _, log = content.partition(b"\n")
        return _Header.model_validate_json(line), log
    except EOFError as error:
        raise BadCopy(f"{path} is cut short; what is missing cannot be told") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadCopy(f"{path} is damaged: its bytes cannot be unpacked") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        why = first["msg"].removeprefix("Value error, ")
        raise BadCopy(
            f"{path} has a header that this zkpoll cannot use ({where}: {why});"
            " it is damaged, or was written by a newer zkpoll"
        ) from error
