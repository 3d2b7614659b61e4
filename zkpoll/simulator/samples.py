"""Users and logs that could be real, the same for the same arguments."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Final

from zkpoll.simulator.records import ADMIN, EnrolledUser, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FIRST: Final = ("Amina", "Bashir", "Chitra", "Dipak", "Farida", "Habib", "Iqbal", "Jamila", "Kamal")
_LAST: Final = ("Akter", "Barua", "Das", "Hossain", "Islam", "Khatun", "Rahman", "Sarkar")
_LONGEST: Final = 2400
"""Working days: longer logs get more punches a day, so that they never begin before the year 2000."""
_SUNDAY: Final = 6


def sample_users(count: int, layout: int = 40) -> list[EnrolledUser]:
    """Return `count` users whose ids fit `layout`.

    In text layouts every seventh id is not a number: `NB2401007` (`NB0007` in 22-byte records, whose
    ids have six characters). The first user is an administrator.
    """
    text = layout in {22, 40, 49}
    users = []
    for uid in range(1, count + 1):
        first, last = _FIRST[uid % len(_FIRST)], _LAST[uid // len(_FIRST) % len(_LAST)]
        user_id = str(1000 + uid)
        if text and uid % 7 == 0:
            user_id = f"NB{uid:04d}" if layout == 22 else f"NB2401{uid:03d}"
        name = f"{first} {last}" if text else first
        users.append(EnrolledUser(uid, user_id, name, ADMIN if uid == 1 else 0))
    return users


def sample_records(
    users: Sequence[EnrolledUser], count: int, before: date = date(2026, 11, 22), seed: int = 1
) -> list[Record]:
    """Return `count` punches of `users` in time order, all of days earlier than `before`.

    Each user punches in in the morning and out in the evening, every day but Sunday; nobody punches
    twice in the same second. Record numbers begin at 1.
    """
    if not count:
        return []
    a_day = max(2, -(-count // (len(users) * _LONGEST)))
    days = -(-count // (len(users) * a_day))
    calendar = reversed(list(islice(_working_days(before), days)))
    random = Random(seed)
    shifts = (shift for day in calendar for shift in _shifts(day, a_day))
    marks = (mark for shift in shifts for mark in _arrivals(users, shift, random))
    skipped = days * a_day * len(users) - count
    return [
        Record(number, user.uid, user.user_id, moment, _verify(user), state)
        for number, (moment, user, state) in enumerate(islice(marks, skipped, None), 1)
    ]


def _verify(user: EnrolledUser) -> int:
    """Return how this user punches: mostly by finger, some by card or face."""
    return 1 if user.uid % 5 else 4 if user.uid % 2 else 15


def _working_days(before: date) -> Iterator[date]:
    """Yield the days before `before`, newest first, without Sundays."""
    day = before
    while True:
        day -= timedelta(days=1)
        if day.weekday() != _SUNDAY:
            yield day


_Shift = tuple[datetime, int, int]
"""Its beginning, the seconds people take to punch, and the punches' state."""


def _shifts(day: date, a_day: int) -> Iterator[_Shift]:
    if a_day == 2:
        yield datetime.combine(day, time(8)), 3600, 0
        yield datetime.combine(day, time(17)), 5400, 1
        return
    length = 57600 // a_day  # sixteen hours from 06:00
    opening = datetime.combine(day, time(6))
    for turn in range(a_day):
        yield opening + timedelta(seconds=turn * length), length, turn % 2


def _arrivals(
    users: Sequence[EnrolledUser], shift: _Shift, random: Random
) -> list[tuple[datetime, EnrolledUser, int]]:
    opening, length, state = shift
    seconds = sorted((int(random.random() * length), index) for index in range(len(users)))
    return [(opening + timedelta(seconds=late), users[index], state) for late, index in seconds]
