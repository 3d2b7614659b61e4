"""What real terminals do that breaks clients, as virtual terminals, and what becomes of a reading of each.

The words are what `docs/devices.md` says; `test_quirks.py` holds both to what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from struct import Struct
from typing import TYPE_CHECKING, Final, Literal

from tests.pull.devices import terminal_of
from zkpoll.simulator import Command, EnrolledUser, Faults, Record, Terminal, WireFrame, refuse
from zkpoll.simulator.records import encode_user, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.simulator import ClientSession, Transport
    from zkpoll.simulator.terminal import Handler

Word = Literal["reads", "empty", "wrong", "fails", "hangs"]
"""`reads`: every record, and nothing else. `empty`: none, though there are some. `wrong`: some record is
wrong, missing or too many. `fails`: an error. `hangs`: no end."""

Change = Callable[[Terminal], None]
"""What the knobs of a virtual terminal do not foresee."""

SOME: Final = 200
"""Records of a log that is neither small nor slow: eight blocks of 1024 bytes."""
ONE_BY_ONE: Final = Faults(gap=0.03)
"""Frames so far apart that a client which is awake gets each of them alone."""
LATER: Final = datetime(2026, 12, 1, 8)
"""When nobody has punched in the sample logs."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One thing that terminals do, and what it does to those who read them."""

    title: str
    zkpoll: Word
    pyzk: Word
    terminal: Callable[[], Terminal]
    """Makes a terminal that does it."""
    transport: Transport = "tcp"
    key: int = 0


def of(
    layout: int = 40,
    records: int = SOME,
    *changes: Change,
    faults: Faults | None = None,
    **model: object,
) -> Callable[[], Terminal]:
    """Return what makes a terminal of a layout, with sample records, these faults and these changes."""

    def make() -> Terminal:
        terminal = terminal_of(layout, records, **model)
        terminal.faults = faults or Faults()
        for change in changes:
            change(terminal)
        return terminal

    return make


def refusing(*commands: int, code: int = Command.ACK_ERROR) -> Faults:
    """Return the fault of answering these commands with an error."""
    return Faults(instead=tuple(refuse(command, code) for command in commands))


def wrapped(terminal: Terminal, command: int, wrap: Callable[[Handler], Handler]) -> None:
    """Let `wrap` have a say in how `terminal` answers `command`."""
    terminal.handlers[command] = wrap(terminal.handlers[command])


# --- how a log is asked for ---


def streams_at_once(terminal: Terminal) -> None:
    """Let it answer 1503 as others answer 1504."""
    terminal.handlers[Command.PREPARE_BUFFER] = terminal.handlers[Command.ATTLOG_RRQ]


def tells_too_small_a_size(terminal: Terminal) -> None:
    """Let it answer 1503 with the size of half the table."""

    def halved(handler: Handler) -> Handler:
        def handle(session: ClientSession, request: WireFrame) -> list[WireFrame]:
            (answer,) = handler(session, request)
            half = (int.from_bytes(answer.data[1:5], "little") // 2).to_bytes(4, "little")
            return [answer._replace(data=answer.data[:1] + half + half + answer.data[9:])]

        return handle

    wrapped(terminal, Command.PREPARE_BUFFER, halved)


def keeps_its_users_to_itself(terminal: Terminal) -> None:
    """Let it refuse 1503 for the users, and for nothing else."""

    def choosy(handler: Handler) -> Handler:
        return lambda session, request: (
            [WireFrame(Command.ACK_ERROR, session.id, request.reply_id)]
            if request.data[1] == Command.USERTEMP_RRQ
            else handler(session, request)
        )

    wrapped(terminal, Command.PREPARE_BUFFER, choosy)


def punched_at_once(terminal: Terminal) -> None:
    """Let somebody punch when the first table is asked for: after the counting, before the log."""
    moments = iter([LATER])

    def punch(command: int) -> None:
        if command == Command.PREPARE_BUFFER and (moment := next(moments, None)):
            terminal.punch("1002", moment, verify=1, state=1)

    terminal.before_command = punch


def says_everything_twice(terminal: Terminal) -> None:
    """Let each answer come again in front of the next one, as after a client's resend."""
    before: list[WireFrame] = []

    def again(_request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        late, before[:] = list(before), answer
        return late + answer

    terminal.rewrite = again


# --- what is in the log ---

_DAYS_OF_A_YEAR = 12 * 31
_RECORD_40 = Struct("<H24sBIB8x")


def punched(count: int, **how: int) -> Change:
    """Return the change of `count` punches, one a minute, of the first user."""

    def punch(terminal: Terminal) -> None:
        for number in range(count):
            terminal.punch(terminal.users[0].user_id, LATER + timedelta(minutes=number), **how)

    return punch


def the_30th_of_february(terminal: Terminal) -> None:
    """Put a record into the middle of a 40-byte log whose date there is not."""
    time = (26 * _DAYS_OF_A_YEAR + 1 * 31 + 29) * 86_400
    terminal.log.insert(7, _RECORD_40.pack(9, b"1002", 1, time, 0))


def clock_restarted(terminal: Terminal) -> None:
    """Let the clock begin at 2000-01-01 for some punches, and be right again for some."""
    for start in (datetime(2000, 1, 1), LATER):
        for number in range(3):
            terminal.punch("1002", start + timedelta(minutes=number))


def repeated(terminal: Terminal) -> None:
    """Put the last record into the log once more, byte for byte."""
    terminal.record(terminal.history[-1:])


def ids_of_all_kinds(terminal: Terminal) -> None:
    """Let people punch whose ids are no numbers, or begin with zeros, or fill their field."""
    for number, user_id in enumerate(("0012", "100001lp", "NB2401004", "a" * 24)):
        terminal.punch(user_id, LATER + timedelta(minutes=number))


def one_byte_id(terminal: Terminal) -> None:
    """Let one person make half as many records as all others, under an id of one byte that is no ASCII."""
    for number in range(SOME // 2):
        moment = 27 * _DAYS_OF_A_YEAR * 86_400 + number * 60
        terminal.log.append(_RECORD_40.pack(number, b"\xd2", 1, moment, 0))


def users_deleted(terminal: Terminal) -> None:
    """Delete all users but one."""
    del terminal.users[1:]


def keys_of_all_kinds(terminal: Terminal) -> None:
    """Let most people press keys that are set to other states than 0 to 5."""
    for number in range(2 * SOME):
        terminal.punch("1002", LATER + timedelta(minutes=number), state=(10, 15, 250)[number % 3])


def measured(terminal: Terminal) -> None:
    """Let people's temperatures be measured, with and without a mask."""
    for number in range(SOME // 4):
        terminal.record(
            [
                Record(
                    len(terminal.history) + 1,
                    2,
                    "1002",
                    LATER + timedelta(minutes=number),
                    verify=15,
                    mask=number % 2,
                    temperature=f"36.{number % 10}",
                )
            ]
        )


# --- the connection ---


def one_seat_for_the_first(terminal: Terminal) -> None:
    """Let it listen to its first connection only, until somebody says EXIT there."""
    terminal.rewrite = lambda _request, answer: answer if terminal.connections == 1 else []


def session_of_many_ones(terminal: Terminal) -> None:
    """Let its sessions be numbered 0xfff0."""

    def numbered(handler: Handler) -> Handler:
        def connect(session: ClientSession, request: WireFrame) -> list[WireFrame]:
            answer = handler(session, request)
            session.id = 0xFFF0
            return [frame._replace(session=session.id) for frame in answer]

        return connect

    wrapped(terminal, Command.CONNECT, numbered)


def slots_are_ids(terminal: Terminal) -> None:
    """Let everybody's id be the slot, and let them punch."""
    terminal.users = [replace(user, user_id=str(user.uid)) for user in terminal.users]
    for number, user in enumerate(terminal.users):
        terminal.punch(user.user_id, LATER + timedelta(minutes=number))


def sixty_three(terminal: Terminal) -> None:
    """Let it have as many users as make their table divide by 28 and by 72, whether of 16 or of 36 bytes."""
    terminal.users = [EnrolledUser(uid=slot, user_id=str(slot), name="Ann") for slot in range(1, 64)]


def users_of_36_bytes(terminal: Terminal) -> None:
    """Let its users have eight bytes more than those of 28."""
    sixty_three(terminal)
    rows = [encode_user(user, 28) + bytes(8) for user in terminal.users]

    def widened(handler: Handler) -> Handler:
        def handle(session: ClientSession, request: WireFrame) -> list[WireFrame]:
            if request.data[1] != Command.USERTEMP_RRQ:
                return handler(session, request)
            session.buffer = table(rows)
            size = len(session.buffer).to_bytes(4, "little")
            return [WireFrame(Command.ACK_OK, session.id, request.reply_id, b"\0" + size + size + bytes(4))]

        return handle

    wrapped(terminal, Command.PREPARE_BUFFER, widened)


def two_in_one_slot(terminal: Terminal) -> None:
    """Let two users have one slot."""
    terminal.users[7] = replace(terminal.users[7], uid=terminal.users[6].uid)


def telling(serial: bytes) -> Change:
    """Return the change of answering the question for the serial number so."""

    def change(terminal: Terminal) -> None:
        def told(handler: Handler) -> Handler:
            return lambda session, request: (
                [WireFrame(Command.ACK_OK, session.id, request.reply_id, serial)]
                if request.data.startswith(b"~SerialNumber")
                else handler(session, request)
            )

        wrapped(terminal, Command.OPTIONS_RRQ, told)

    return change


def confused(code: int) -> Faults:
    """Return the fault of answering each question and each read with `code` once."""
    asked = (Command.CONNECT, Command.OPTIONS_RRQ, Command.GET_TIME, Command.GET_FREE_SIZES)
    reads = (Command.PREPARE_BUFFER, Command.READ_BUFFER)
    return Faults(instead=tuple(refuse(command, code, times=1) for command in (*asked, *reads)))


# --- datagrams ---

LONG_TABLE: Final = 5
"""Blocks; the log has eight of them, the users four."""


def once(fate: Callable[[list[WireFrame], int], list[WireFrame]]) -> Change:
    """Return the change of what becomes, once, of the datagrams of a log: block 2 meets its `fate`."""

    def change(terminal: Terminal) -> None:
        answers = iter([True])

        def meet(request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
            blocks = [at for at, frame in enumerate(answer) if frame.command == Command.DATA]
            of_the_log = request.command == Command.READ_BUFFER and len(blocks) > LONG_TABLE
            return fate(answer, blocks[2]) if of_the_log and next(answers, False) else answer

        terminal.rewrite = meet

    return change


LOST = once(lambda answer, at: answer[:at] + answer[at + 1 :])
DOUBLED = once(lambda answer, at: [*answer[: at + 1], *answer[at:]])
SWAPPED = once(lambda answer, at: [*answer[:at], answer[at + 1], answer[at], *answer[at + 2 :]])


QUIRKS: Final = (
    # How a log is asked for
    Quirk("the terminal counts 0 records", "reads", "empty", of(faults=Faults(sizes_records=0))),
    Quirk("the counts come in 4 bytes", "reads", "empty", of(sizes=4)),
    Quirk("the counts are refused", "reads", "fails", of(sizes=None)),
    Quirk("the counts come in 80 bytes", "reads", "reads", of(sizes=80)),
    Quirk("the counts come in 112 bytes", "reads", "reads", of(sizes=112)),
    Quirk("the log is empty", "reads", "reads", of(records=0)),
    Quirk("a small log comes at once", "reads", "reads", of(records=20)),
    Quirk("a small log comes at once, over UDP", "reads", "reads", of(records=20), "udp"),
    Quirk("a long log comes in slices", "reads", "reads", of(records=5000)),
    Quirk("a long log comes in slices, over UDP", "reads", "reads", of(records=1000), "udp"),
    Quirk("1503 brings the log at once, as a stream", "reads", "fails", of(40, SOME, streams_at_once)),
    Quirk("1503 is refused with 2001", "reads", "fails", of(faults=refusing(Command.PREPARE_BUFFER))),
    Quirk(
        "1503 is refused with 4989",
        "reads",
        "fails",
        of(faults=refusing(Command.PREPARE_BUFFER, code=4989)),
    ),
    Quirk(
        "1503 is refused, command 13 brings rubbish",
        "fails",
        "fails",
        of(faults=replace(refusing(Command.PREPARE_BUFFER, code=4989), legacy_rubbish=True)),
    ),
    Quirk(
        "1503 lays out an empty log, command 13 sends it",
        "reads",
        "empty",
        of(records=60, faults=Faults(lays_out_nothing=True)),
    ),
    Quirk(
        "1503 lays out an empty log, command 13 is refused",
        "fails",
        "empty",
        of(records=60, faults=replace(refusing(Command.ATTLOG_RRQ), lays_out_nothing=True)),
    ),
    Quirk("1503 tells too small a size", "reads", "wrong", of(40, SOME, tells_too_small_a_size)),
    Quirk("only the users are refused", "reads", "fails", of(40, SOME, keeps_its_users_to_itself)),
    Quirk(
        "blocks of 1008 bytes, one by one", "reads", "reads", of(40, 60, block_size=1008, faults=ONE_BY_ONE)
    ),
    Quirk(
        "blocks of 1024 bytes, one by one", "reads", "reads", of(40, 60, block_size=1024, faults=ONE_BY_ONE)
    ),
    Quirk("blocks of 1008 bytes, joined", "reads", "fails", of(block_size=1008, faults=Faults(join=True))),
    Quirk("frames come in pieces", "reads", "fails", of(records=30, faults=Faults(cut=13, gap=0.002))),
    Quirk("frames come joined", "reads", "reads", of(faults=Faults(join=True))),
    Quirk("the last ACK_OK is missing", "reads", "fails", of(faults=Faults(final_ack="missing"))),
    Quirk("the last ACK_OK is late", "reads", "fails", of(faults=Faults(final_ack="late"))),
    Quirk("the last ACK_OK is early", "reads", "fails", of(faults=Faults(final_ack="early"))),
    Quirk(
        "the last ACK_OK is missing, over UDP",
        "reads",
        "fails",
        of(faults=Faults(final_ack="missing")),
        "udp",
    ),
    Quirk(
        "the last ACK_OK is early, over UDP",
        "reads",
        "wrong",
        of(40, SOME, users_deleted, faults=Faults(final_ack="early")),
        "udp",
    ),
    Quirk("somebody punches between counts and log", "reads", "reads", of(40, 30, punched_at_once)),
    Quirk(
        "somebody punches between counts and 16-byte log",
        "reads",
        "wrong",
        of(16, 0, punched(30, verify=1, state=1), punched_at_once),
    ),
    Quirk("a log of 1 record", "reads", "reads", of(records=1)),
    Quirk("a log of 2 records", "reads", "reads", of(records=2)),
    Quirk("the session field holds anything", "reads", "reads", of(faults=Faults(session_rubbish=True))),
    Quirk(
        "a realtime event in front of an answer",
        "reads",
        "fails",
        of(faults=Faults(events=(Command.GET_FREE_SIZES, Command.PREPARE_BUFFER, Command.READ_BUFFER))),
    ),
    Quirk("answers come again, late", "reads", "empty", of(40, 60, says_everything_twice, faults=ONE_BY_ONE)),
    Quirk("old memory behind a NUL", "reads", "reads", of(faults=Faults(old_memory=True))),
    # What is in the log
    Quirk("records of 49 bytes", "reads", "fails", of(49)),
    Quirk("records of 22 bytes", "reads", "fails", of(22)),
    Quirk("records of 16 bytes", "reads", "wrong", of(16)),
    Quirk("records of 8 bytes", "reads", "fails", of(8)),
    Quirk("users whose slot is their id", "reads", "wrong", of(8, 0, slots_are_ids, second_ids=False)),
    Quirk("users of 16 bytes", "fails", "fails", of(8, SOME, sixty_three, user_width=16)),
    Quirk("users of 36 bytes", "fails", "fails", of(8, SOME, users_of_36_bytes)),
    Quirk("two users in one slot", "fails", "fails", of(8, SOME, two_in_one_slot)),
    Quirk("check-outs in records of 8 bytes", "reads", "fails", of(8, SOME, punched(9, state=1))),
    Quirk("records of 8 and of 4 bytes", "reads", "wrong", of(8, SOME, short_records=True)),
    Quirk("states other than 0 to 5", "reads", "reads", of(40, 20, keys_of_all_kinds)),
    Quirk("masks and temperatures", "reads", "fails", of(49, SOME, measured)),
    Quirk("work codes", "reads", "reads", of(40, SOME, punched(30, work_code=53))),
    Quirk("a date that does not exist", "reads", "fails", of(40, 40, the_30th_of_february)),
    Quirk("the clock restarted", "reads", "reads", of(40, SOME, clock_restarted)),
    Quirk("an exact repeat", "reads", "reads", of(40, SOME, repeated)),
    Quirk("state 255", "reads", "reads", of(40, SOME, punched(3, state=255))),
    Quirk("ids that are no numbers", "reads", "reads", of(40, SOME, ids_of_all_kinds)),
    Quirk("an id that is no ASCII", "reads", "wrong", of(40, SOME, one_byte_id)),
    Quirk("records of deleted users", "reads", "reads", of(40, SOME, users_deleted)),
    # The connection
    Quirk(
        "the terminal closes in mid-read",
        "fails",
        "hangs",
        of(records=1000, faults=Faults(hang_up_after=20_000)),
    ),
    Quirk(
        "the terminal restarts in mid-read",
        "fails",
        "fails",
        of(faults=refusing(Command.READ_BUFFER, code=Command.ACK_UNAUTH)),
    ),
    Quirk("the first connection has the only seat", "reads", "fails", of(40, SOME, one_seat_for_the_first)),
    Quirk("CONNECT is answered with 6001", "fails", "fails", of(faults=refusing(Command.CONNECT, code=6001))),
    Quirk("a comm key", "reads", "reads", of(comm_key=65535), key=65535),
    Quirk(
        "a comm key of many ones",
        "reads",
        "fails",
        of(40, SOME, session_of_many_ones, comm_key=131071),
        key=131071,
    ),
    Quirk(
        "a comm key that is asked for after the login",
        "reads",
        "fails",
        of(comm_key=65535, faults=Faults(wants_key_late=True)),
        key=65535,
    ),
    Quirk("a session of the number 0", "reads", "reads", of(faults=Faults(session_zero=True))),
    Quirk("questions are answered with 2003 once", "reads", "fails", of(faults=confused(2003))),
    Quirk("questions are answered with 2004 once", "reads", "fails", of(faults=confused(2004))),
    Quirk("questions are answered with 65535 once", "reads", "fails", of(faults=confused(0xFFFF))),
    Quirk(
        "the serial number is answered with a control character",
        "fails",
        "reads",
        of(40, SOME, telling(b"\x01")),
    ),
    Quirk(
        "the serial number is answered with its name",
        "fails",
        "reads",
        of(40, SOME, telling(b"~SerialNumber\0")),
    ),
    Quirk(
        "the serial number is answered with another option",
        "fails",
        "reads",
        of(40, SOME, telling(b"~DeviceName=K40\0")),
    ),
    Quirk(
        "options and the clock are refused",
        "reads",
        "reads",
        of(faults=refusing(Command.OPTIONS_RRQ, Command.GET_TIME)),
    ),
    Quirk("a slow terminal", "reads", "reads", of(records=60, faults=Faults(delay=0.15, bandwidth=20_000))),
    # Datagrams
    Quirk("a datagram is lost", "reads", "wrong", of(40, SOME, LOST), "udp"),
    Quirk("a datagram comes twice", "reads", "fails", of(40, SOME, DOUBLED), "udp"),
    Quirk("two datagrams change places", "reads", "fails", of(40, SOME, SWAPPED), "udp"),
    Quirk("every checksum is wrong", "fails", "reads", of(faults=Faults(wrong_checksums=True)), "udp"),
    Quirk("the last frame comes again", "reads", "empty", of(faults=Faults(repeats_last=True)), "udp"),
    Quirk("a tenth of the datagrams is lost", "reads", "fails", of(faults=Faults(drop_share=0.1)), "udp"),
)

COLLECTED: Final[Mapping[int, tuple[str, ...]]] = {
    1: ("the terminal counts 0 records", "the counts come in 4 bytes", "the counts are refused"),
    2: ("the log is empty",),
    3: (
        "a small log comes at once",
        "a small log comes at once, over UDP",
        "a long log comes in slices",
        "1503 brings the log at once, as a stream",
    ),
    4: ("1503 is refused with 2001", "1503 is refused with 4989", "only the users are refused"),
    5: ("1503 is refused, command 13 brings rubbish",),
    6: ("1503 tells too small a size", "1503 brings the log at once, as a stream"),
    7: (
        "blocks of 1008 bytes, one by one",
        "blocks of 1024 bytes, one by one",
        "blocks of 1008 bytes, joined",
    ),
    8: ("frames come in pieces", "frames come joined"),
    9: (
        "the last ACK_OK is missing",
        "the last ACK_OK is late",
        "the last ACK_OK is early",
        "the last ACK_OK is missing, over UDP",
        "the last ACK_OK is early, over UDP",
    ),
    10: ("somebody punches between counts and log", "somebody punches between counts and 16-byte log"),
    11: ("a log of 1 record", "a log of 2 records"),
    12: ("slices stall when all are asked for at once",),
    13: ("a long log comes in slices", "a long log comes in slices, over UDP"),
    14: ("newer firmware reads from a date on",),
    15: ("the session field holds anything",),
    16: ("the checksum does not see swapped words", "two datagrams change places"),
    17: (
        "records of 49 bytes",
        "records of 22 bytes",
        "records of 16 bytes",
        "records of 8 bytes",
        "check-outs in records of 8 bytes",
        "records of 8 and of 4 bytes",
        "masks and temperatures",
        "work codes",
    ),
    18: ("a date that does not exist",),
    19: ("the clock restarted",),
    20: ("an exact repeat",),
    21: ("the number in front of a 40-byte record",),
    22: ("records of 16 bytes",),
    23: ("state 255", "states other than 0 to 5"),
    24: ("records of deleted users", "slots of deleted users"),
    25: ("ids that are no numbers", "an id that is no ASCII"),
    26: ("a full log drops or overwrites its oldest records",),
    27: ("the terminal swallows quick repeats",),
    28: (
        "the first connection has the only seat",
        "another client has the seat",
        "a seat stays taken without EXIT",
    ),
    29: ("the first connection has the only seat", "the terminal hangs up on CONNECT"),
    30: ("pings are blocked",),
    31: ("another protocol on port 4370",),
    32: ("CONNECT is answered with 6001",),
    33: ("a comm key", "a comm key of many ones", "a wrong comm key"),
    34: ("reply ids begin anew before 65535",),
    35: ("the address belongs to another terminal",),
    36: ("a datagram is lost", "two datagrams change places", "a tenth of the datagrams is lost"),
    37: ("a slow terminal", "answers come again, late"),
    38: ("the terminal closes in mid-read", "the terminal restarts in mid-read"),
    39: ("reading locks people out",),
    42: ("options and the clock are refused",),
    44: ("no live event comes, or gets lost", "live events are refused"),
    45: ("live events of seven lengths",),
    46: ("live events want to be acknowledged",),
    47: ("a realtime event in front of an answer", "a live event comes during a read"),
    48: ("no live event comes, or gets lost", "after a restart no live event comes, and no word of it"),
    49: ("names in an encoding that nobody declares",),
    50: ("old memory behind a NUL",),
    51: ("options without a name in front",),
    52: ("years counted in days of 365",),
    56: ("the count of people who administer it is taken for one of cards",),
    58: ("1503 is refused with 2001", 'an error that may or may not mean "empty"'),
    59: ("16-byte records that read as 8-byte ones",),
    61: ("the last ACK_OK is late", "EXIT is not answered"),
    62: (
        "a datagram is lost",
        "the last ACK_OK is early, over UDP",
        "blocks that are not numbered",
        "a command that is sent again opens a second session",
    ),
}
"""What was collected about real terminals, by number: the rows of the document that deal with it."""

NOT_ABOUT_READING: Final[Mapping[int, str]] = {
    40: "clearing is all or nothing",
    41: "a full memory hangs the terminal until somebody resets it",
    43: "writing needs a command to refresh",
    53: "a published request that carries another one's name",
    54: "a published frame that was edited by hand",
    55: "a published table whose pieces changed places",
    57: "which of the driver's methods are replaced",
    60: "what tests of a transport must not hide",
    63: "a clearing whose answer was lost",
}
"""What else was collected, by its number."""

LAST: Final = 63
"""The highest number."""
