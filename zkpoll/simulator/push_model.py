"""The kind of a terminal that pushes, and what goes wrong with it.

Numbers such as C09 are captures that others published; "reported" is the word of people with such units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PushDialect = Literal["2.x", "3.x"]
"""2.x: attendance (menu "T&A PUSH", "ADMS"); 3.x: access ("A&C PUSH")."""


@dataclass(frozen=True, slots=True)
class PushModel:
    """The kind of a terminal that pushes: real ones differ in these without anything being wrong."""

    dialect: PushDialect = "2.x"
    old: bool = False
    """It knows no ServerVer: `OpStamp=`, photos to `fdata`, and the server's `Stamp` is the time from which
    on it sends (one old client; not sure)."""
    picky: bool = False
    """It does what one old client was seen to do, and nobody else told: header names count with their case,
    a line without a final LF is dropped, and a devicecmd is settled by `text/plain` alone."""

    # Its requests
    aspx: bool = False
    """`.aspx` on every path (C16, C18)."""
    host: bool = True
    """Whether there is a Host (none, with HTTP/1.1: C18)."""
    http: Literal["1.1", "1.0"] = "1.1"
    content_type: str | None = None
    """None for no Content-Type (C09, C14); `text/plain` (C04, C36)."""
    keeps_prefix: bool = True
    """Whether what stands behind the server's address is put before `/iclock/`; reported both ways."""
    keeps_open: bool = False
    """Its socket serves the next request, too (a door unit, reported)."""
    language: int = 69
    """ASCII of a letter: 69 English, 73 Indonesian (C08), 83 Chinese, whose names are GB2312 (C19)."""
    pushver: str | None = None
    """None for 2.4.1 or 3.1.2, by the dialect."""
    device_type: str | None = "att"
    """`att` (C07), `middle east` (C02), None (C08); 3.x always says `acc`."""
    options_flag: int | None = 1
    """PushOptionsFlag in the handshake: 1 (C07), 2 (C21), or None (C08)."""
    comm_key: str | None = None
    """pushcommkey, in clear text (C19)."""
    info_values: Literal[6, 10, 13] = 10
    """Values in INFO (C16, C23)."""
    firmware: str = "Ver 8.0.4.2-I113-02"
    device_name: str = "Simulator"
    handshakes_once: bool = False
    """It shakes hands only at boot, and after CHECK (SilkBio-101TC, uFace302, reported)."""
    obeys_transflag: bool = True
    """Whether TransFlag stops what it does not name."""

    # Its lines
    fields: int = 7
    """Fields of an ATTLOG line, 4 to 11."""
    counter_field: int = 11
    """The field with the row's number, where a line is so long: 8 to 11, 0 for none (C04, C13)."""
    mask: str = "0"
    """Field 8: 255 where there is no such sensor (C06)."""
    empty_work_code: bool = False
    """No work code is an empty field (C09), not 0."""
    trailing_tab: bool = False
    """A TAB behind the last field (C06, C09)."""
    final_end: bool = True
    """Whether the last line is ended (no: C13, C36, C46)."""
    line_end: str = "\n"
    """`\\r\\n` on a 3.x SenseFace 2A."""
    batch: int = 128
    """Punches in a request (C04)."""
    key_value: bool = False
    """`key=value` lines under table=ATTLOG, and no stamp (F22, C36)."""
    names_table: bool = True
    """Whether punches name their table; old firmware does not."""
    verify_bits: bool = False
    """`verifytype` is a string of 16 bits."""
    event: int = 0
    """`event` of a punch that was let in: 0 (C36), 3 (SenseFace 2A, C30)."""

    # What it sends besides punches, after a handshake
    operlog: bool = False
    """OPERLOG: operations, users with password and card, templates; 3.x: its user table."""
    biodata: bool = False
    """BIODATA: a template, whatever TransFlag says."""
    photos: bool = False
    """ATTPHOTO: a photo of the first user."""
    door_events: bool = False
    """Lines of the door among punches, and its state (3.x)."""


@dataclass(frozen=True, slots=True)
class PushFaults:
    """What goes wrong with a terminal that pushes."""

    replays_at_boot: bool = False
    """Its whole log is sent again after each boot (C04; 44,718 rows in 350 requests, reported)."""
    broken_times: bool = False
    """Until its clock is set for the first time, punches have a time that is none (C30)."""
    empty_operlogs: int = 0
    """Empty OPERLOG requests in every round (C17)."""
    until_ok: bool = False
    """`user=1` does not settle a user table: it is repeated until `OK` comes (C43)."""
    bandwidth: int | None = None
    """Bytes a second at which it sends."""
    hang_up_after: int | None = None
    """Bytes of a body after which it closes the connection."""
    hang_up_times: int | None = None
    """How many requests that happens to; None for all."""
