"""What a terminal that pushes tells: punches, users, operations, options, as the bytes of bodies."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.simulator.push_model import PushModel
    from zkpoll.simulator.records import EnrolledUser, Record

PASSWORD: Final = "86420975"  # noqa: S105  # made up
CARD: Final = "7294016385"
TEMPLATE: Final = b64encode(b"made-up template " * 60).decode()
PRIVATE: Final = (PASSWORD, CARD, TEMPLATE[:60])
"""Made-up words of OPERLOG, BIODATA and user tables that nobody may keep or show."""
NO_TIME: Final = "1971--10--29 -23:-27:-54"
"""The time of a punch before the clock was ever set (C30)."""


def body(lines: Sequence[str], model: PushModel) -> bytes:
    """Return `lines` as a body; names are GB2312 where the menu is Chinese."""
    text = model.line_end.join(lines) + (model.line_end if model.final_end and lines else "")
    return text.encode("gb2312" if model.language == 83 else "utf-8", "replace")


# --- punches ---


def attlog_line(record: Record, model: PushModel, time: str | None = None) -> str:
    """Return an ATTLOG line of `model.fields` fields; `time` in place of the record's own."""
    work_code = "" if model.empty_work_code and not record.work_code else str(record.work_code)
    fields = [record.user_id, time or str(record.time), str(record.state), str(record.verify)]
    fields += [work_code, "0", "0", model.mask, "0", "0", "0"]
    if model.counter_field:
        fields[model.counter_field - 1] = str(record.number)
    return "\t".join(fields[: model.fields]) + ("\t" if model.trailing_tab else "")


def key_value_line(record: Record, model: PushModel, time: str | None = None) -> str:
    """Return a line of `rtlog` (C30, C36); `time` in place of the record's own."""
    verify = format(1 << record.verify % 16, "016b") if model.verify_bits else str(record.verify)
    fields = {
        "time": time or str(record.time),
        "pin": record.user_id,
        "cardno": "0",
        "eventaddr": "1",
        "event": str(model.event),
        "inoutstatus": str(record.state if record.state in {0, 1} else 2),
        "verifytype": verify,
        "index": str(record.number),
    }
    return _tabbed(fields) + ("\t" if model.trailing_tab else "")


def door_lines(time: str) -> list[str]:
    """Return lines of a door: somebody pressed its button, and how it stands."""
    event = {"time": time, "pin": "0", "cardno": "0", "eventaddr": "1", "event": "202"}
    event |= {"inoutstatus": "2", "verifytype": "200", "index": "0"}
    return [_tabbed(event), door_state(time)]


def door_state(time: str) -> str:
    """Return the state of a door, as `rtstate` has it, too."""
    return _tabbed({"time": time, "sensor": "00", "relay": "00", "alarm": "0" * 16, "door": "01"})


# --- people ---


def operation_line(code: int, time: str, user_id: str = "0") -> str:
    """Return a line of the operation log: 30 is a new user, 6 a finger, 70 a name (C10)."""
    return f"OPLOG {code}\t0\t{time}\t{user_id}\t0\t0\t0"


def user_line(user: EnrolledUser) -> str:
    """Return a user of OPERLOG (C10)."""
    fields = {"PIN": user.user_id, "Name": user.name, "Pri": str(user.privilege), "Passwd": PASSWORD}
    fields |= {"Card": CARD, "Grp": str(user.group), "TZ": "0000000100000000", "Verify": "0", "ViceCard": ""}
    return "USER " + _tabbed(fields)


def finger_line(user: EnrolledUser) -> str:
    """Return a template of OPERLOG (C10)."""
    size = str(len(TEMPLATE))
    return "FP " + _tabbed({"PIN": user.user_id, "FID": "0", "Size": size, "Valid": "1", "TMP": TEMPLATE})


def biodata_line(user: EnrolledUser) -> str:
    """Return a template of BIODATA (C16)."""
    fields = {"Pin": user.user_id, "No": "0", "Index": "0", "Valid": "1", "Duress": "0", "Type": "9"}
    fields |= {"MajorVer": "39", "MinorVer": "3", "Format": "0", "Tmp": TEMPLATE}
    return "BIODATA " + _tabbed(fields)


def user_row(user: EnrolledUser) -> str:
    """Return a row of the user table of 3.x (C43)."""
    fields = {"uid": str(user.uid), "cardno": CARD, "pin": user.user_id, "password": PASSWORD}
    fields |= {"group": str(user.group), "name": user.name, "privilege": str(user.privilege)}
    return "user " + _tabbed(fields)


def photo(user: EnrolledUser, serial: str, stamp: str) -> bytes:
    """Return the body of ATTPHOTO (C35): lines, a NUL, a picture."""
    picture = b"\xff\xd8\xff\xe0made-up picture\n\0\t" * 40 + b"\xff\xd9"
    head = f"PIN={stamp}-{user.user_id}.jpg\nSN={serial}\nsize={len(picture)}\nCMD=uploadphoto\0"
    return head.encode() + picture


# --- the terminal itself ---


def info(model: PushModel, users: int, records: int) -> str:
    """Return the value of INFO in 6, 10 or 13 values (C16, C23): the fourth is the number of punches."""
    values = [model.firmware, users, users, records, "127.0.0.1", 10, 7, 12, 0, "111", 0, 0, 0]
    return ",".join(map(str, values[: model.info_values]))


def options(model: PushModel, serial: str, users: int, records: int) -> dict[str, str]:
    """Return what a terminal tells of itself (C21); one value holds a comma, as real ones do."""
    access = {"DeviceType": "acc"} if model.dialect == "3.x" else {}
    return access | {
        "~DeviceName": model.device_name,
        "MAC": "00:17:61:00:00:01",
        "TransactionCount": str(records),
        "~MaxAttLogCount": "10",
        "UserCount": str(users),
        "~SerialNumber": serial,
        "IPAddress": "127.0.0.1",
        "~Platform": "ZMM220_TFT",
        "~OEMVendor": "ZKTECO CO., LTD.",
        "FWVersion": model.firmware,
        "PushVersion": "Ver 2.0.36-20180926" if model.dialect == "2.x" else "Ver 3.0.4S-20240809",
        "RegDeviceType": "",
    }


def option_line(pairs: Mapping[str, str]) -> str:
    """Return options as one line."""
    return ",".join(f"{key}={value}" for key, value in pairs.items())


def _tabbed(fields: Mapping[str, str]) -> str:
    return "\t".join(f"{key}={value}" for key, value in fields.items())
