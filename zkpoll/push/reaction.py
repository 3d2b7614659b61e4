"""What each request of a known terminal leads to. Pure.

    request                     answer                  what it leads to

    GET cdata                   settings, by dialect    the dialect, the time zone told
    POST cdata  ATTLOG          `OK: N`                 punches, on disk before the answer
                no table        `OK: N`                 the same, where a line reads as a punch
                rtlog           `OK`                    the same
                tabledata       `T=N`                   T=transaction: the same; else counts
                options         `OK`                    what the terminal tells of itself
                photo, state    `OK`                    nothing
                any other       `OK: N`                 counts; punches where a line reads as one
    getrequest                  its order, or `OK`      INFO; the order was offered
    devicecmd                   `OK`                    return codes
    registry, push, rtdata      the access dialect's    the registry code was handed out
    any other                   `OK`                    an unknown route, to be told once

A terminal takes a status of 200 with `OK` in it for a receipt. Nothing that is packed is ever unpacked, no
table is refused (that can starve the punches behind it), and nothing a terminal sent is sent back, but for a
stamp and the name of a table of the access dialect.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from zkpoll.model.punch import Form
from zkpoll.push import commands, lines, options
from zkpoll.push.contract import Answer, Batch, Reaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from zkpoll.push.contract import Call, Known

    Route = Callable[[Call, bytes, Known, datetime], Reaction | Answer]

OK: Final = "OK"
TOO_MANY: Final = Answer(413)
"""To a body of more lines than any terminal sends."""
DOOR_EVENT: Final = "door event"
OTHER_LINE: Final = "other"
"""The kind of a line that begins with no word that is known."""
THIRD_TIME: Final = 2
"""How often a body came before if it comes a third time: its answer is not understood (a ZAM70)."""

_KINDS: Final = frozenset(
    ("OPLOG", "USER", "FP", "FACE", "FVEIN", "USERPIC", "BIOPHOTO", "BIODATA", "IDCARD", "ERRORLOG")
)
"""The words that lines of other tables begin with, as seen or documented."""
_LONGEST_KIND: Final = 1 + max(map(len, _KINDS))
_PUNCHES: Final = frozenset({"ATTLOG", "RTLOG"})
_PHOTOS_AND_STATES: Final = frozenset({"ATTPHOTO", "RTSTATE"})
_TRANSACTION: Final = "transaction"
_PREFIX: Final = b"transaction "
"""What a line of that table may begin with, as `user ` those of another one do."""
_STAMP: Final = re.compile(r"[!-~]{1,32}")
_STAMP_KEYS: Final = ("Stamp", "ATTLOGStamp")
_TABLE_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,32}", re.ASCII)
_QUIET: Final = frozenset({"fdata", "ping", "querydata", "event", "exchange", "file", "rtdata"})
"""Routes that are known, and to which there is nothing to say."""


def react(call: Call, body: bytes, known: Known, now: datetime) -> Reaction | Answer:
    """Given a known terminal's call, its body and now (aware), return what it leads to.

    An `Answer` is given where nothing is to be kept and the status is not 200.
    """
    return _ROUTES.get(call.name, _elsewhere)(call, body, known, now)


# --- the routes ---


def _cdata(call: Call, body: bytes, known: Known, now: datetime) -> Reaction | Answer:
    if call.method in ("GET", "HEAD"):
        return _handshake(call, known, now)
    if call.query.get("type") == "PostVerifyData":
        return Reaction(OK)
    table = call.query.get("table", "").strip().upper()
    if table == "OPTIONS":
        return Reaction(OK, told=commands.told_settings(body))
    if table == "TABLEDATA":
        return _tabledata(call, body, known, now)
    if table in _PHOTOS_AND_STATES:
        return Reaction(OK)
    if not table:
        return _without_table(call, body, known, now)
    if table in _PUNCHES:
        return _punches(call, body, table, known, now)
    return _other_table(call, body, known, now)


def _getrequest(call: Call, body: bytes, known: Known, now: datetime) -> Reaction:  # noqa: ARG001
    """A poll: `OK` without LF, which is taken for an order otherwise, or the order that waits."""
    told = commands.told_info(call.query.get("INFO", ""))
    if known.order is None:
        return Reaction(OK, told=told)
    return Reaction(commands.order_lines([known.order]), told=told, offered=known.order.id)


def _devicecmd(call: Call, body: bytes, known: Known, now: datetime) -> Reaction:  # noqa: ARG001
    return Reaction(OK, returned=commands.returned(body), told=commands.told_settings(body))


def _registry(call: Call, body: bytes, known: Known, now: datetime) -> Reaction:  # noqa: ARG001
    told = commands.told_settings(body)
    return Reaction(options.registry(known), told=told, dialect="access", registers=True)


def _push(call: Call, body: bytes, known: Known, now: datetime) -> Reaction:  # noqa: ARG001
    return Reaction(options.access(known), dialect="access")


def _rtdata(call: Call, body: bytes, known: Known, now: datetime) -> Reaction | Answer:
    if call.query.get("type") == "time":
        return Reaction(options.server_time(known, now), dialect="access")
    return _elsewhere(call, body, known, now)


def _elsewhere(call: Call, body: bytes, known: Known, now: datetime) -> Reaction | Answer:
    """A route to which there is nothing to say. Punches that come there are punches all the same."""
    unknown = None if call.name in _QUIET else call.told_name
    table = call.query.get("table", "").strip().upper()
    if call.method == "POST" and (table in _PUNCHES or any(map(lines.reads_as_punch, lines.every(body)))):
        found = _punches(call, body, table if table in _PUNCHES else "ATTLOG", known, now)
        return found if isinstance(found, Answer) else replace(found, unknown=unknown)
    return Reaction(OK, unknown=unknown)


_ROUTES: Final[dict[str, Route]] = {
    "cdata": _cdata,
    "getrequest": _getrequest,
    "devicecmd": _devicecmd,
    "registry": _registry,
    "push": _push,
    "rtdata": _rtdata,
}


# --- cdata ---


def _handshake(call: Call, known: Known, now: datetime) -> Reaction:
    if not _speaks_access(call):
        zone = options.zone_told(known, now)
        return Reaction(options.attendance(known, now), dialect="attendance", zone_told=zone)
    if not known.registered:
        return Reaction(OK, dialect="access")
    return Reaction(options.access_registered(known), dialect="access", registers=True)


def _speaks_access(call: Call) -> bool:
    """Say whether a handshake is one of the access dialect.

    A region may stand in DeviceType, too (X100-C: capture). A build of 3.x in the settings is no sign.
    """
    device_type = call.query.get("DeviceType", "").lower()
    return device_type == "acc" or (call.query.get("pushver", "").startswith("3") and device_type != "att")


def _without_table(call: Call, body: bytes, known: Known, now: datetime) -> Reaction | Answer:
    """Old firmware names no table for its punches, an X100-C none for the results of its orders."""
    if _has_punches(body):
        return _punches(call, body, "ATTLOG", known, now)
    reaction = _counted(body)
    return replace(reaction, returned=commands.returned(body), told=commands.told_settings(body))


def _other_table(call: Call, body: bytes, known: Known, now: datetime) -> Reaction | Answer:
    """A table of which nothing is kept but punches: nobody knows all names that firmware has for those.

    Its stamp is none of theirs, and is not handed back.
    """
    if not _has_punches(body):
        return _counted(body)
    found = _punches(call, body, "ATTLOG", known, now)
    if isinstance(found, Answer) or found.batch is None:
        return found
    return replace(found, batch=replace(found.batch, stamp=None))


def _has_punches(body: bytes) -> bool:
    return any(map(lines.reads_as_punch, lines.every(body)))


def _tabledata(call: Call, body: bytes, known: Known, now: datetime) -> Reaction | Answer:
    """A table of the access dialect: `user=2` is its receipt, to some firmware only `OK` is (a ZAM70)."""
    name = call.query.get("tablename", "")
    if name.lower() == _TRANSACTION:
        found = _punches(call, body, _TRANSACTION.upper(), known, now)
    else:
        found = _other_table(call, body, known, now)
    if isinstance(found, Answer):
        return found
    if known.came_before >= THIRD_TIME or not _TABLE_NAME.fullmatch(name):
        return replace(found, text=OK)
    return replace(found, text=f"{name}={sum(1 for _ in lines.every(body))}")


def _punches(call: Call, body: bytes, table: str, known: Known, now: datetime) -> Reaction | Answer:
    found = lines.split(body)
    if found is None:
        return TOO_MANY
    read = lines.read(line.removeprefix(_PREFIX) for line in found)
    batch = _batch(call, body, table, len(found), read, known, now)
    counted = Counter({DOOR_EVENT: read.door_events} if read.door_events else {})
    return Reaction(OK if table == "RTLOG" else f"OK: {len(found)}", batch=batch, counted=counted)


def _batch(
    call: Call, body: bytes, table: str, count: int, read: lines.Lines, known: Known, now: datetime
) -> Batch | None:
    """Return what has to be on disk; None where there is neither a punch nor a line for quarantine."""
    if not read.punches and not read.quarantined:
        return None
    times = lines.settle_passes([punch.time for punch in read.punches], known.zone, known.last_punch, now)
    punches = (punch._replace(time=time) for punch, time in zip(read.punches, times, strict=True))
    return Batch(
        tuple(punches),
        read.quarantined,
        form=Form.PUSH,
        table=table,
        stamp=_stamp(call),
        lines=count,
        digest=sha256(body).digest(),
        rests=read.rests,
    )


def _stamp(call: Call) -> str | None:
    """Return the stamp that came with a batch. It means nothing here, and is only handed back."""
    stamps = (call.query.get(key, "") for key in _STAMP_KEYS)
    return next((stamp for stamp in stamps if _STAMP.fullmatch(stamp)), None)


def _counted(body: bytes) -> Reaction:
    """Lines that are counted by kind, and not kept: operations, users, templates, and what is not known."""
    kinds = Counter(map(_kind, lines.every(body)))
    return Reaction(f"OK: {kinds.total()}", counted=kinds)


def _kind(line: bytes) -> str:
    """Return the word a line begins with if it is a known one, since any other may be anything."""
    word = line[:_LONGEST_KIND].split(b"\t")[0].split(b" ")[0].decode("ascii", "replace").upper()
    return word if word in _KINDS else OTHER_LINE
