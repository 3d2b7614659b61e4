"""A terminal that lies: the virtual one, whose answers are twisted on their way out.

A twist changes the frames of an answer, which are then sound frames that say something else, or the bytes
that carry them. What was said is kept, so that it can be told what zkpoll may know.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from struct import pack
from typing import TYPE_CHECKING, Final, Self

from hypothesis import strategies as st

from zkpoll.simulator import ClientSession, Command, WireFrame
from zkpoll.simulator.wire import NoStartMarkError, decode, encode, take_payloads, with_top

if TYPE_CHECKING:
    from types import TracebackType

    from zkpoll.simulator import Terminal

ABOUT_THE_LOG: Final = frozenset(
    {Command.ATTLOG_RRQ, Command.PREPARE_BUFFER, Command.READ_BUFFER, Command.GET_FREE_SIZES}
)
"""Commands whose answers say what is in the log."""
MANY: Final = b"many"
"""Stands for as many bytes as a frame can carry, so that an example is printed in few words."""
_LARGEST_DATAGRAM: Final = 1024
_LONG_BLOCK: Final = 60_000
_BLOCKS: Final = 6_000


@dataclass
class Saying:
    """One answer under way."""

    terminal: Terminal
    request: WireFrame
    frames: list[WireFrame]
    earlier: list[WireFrame]
    """Frames that were said before, the last one last."""
    held: list[WireFrame] = field(default_factory=list)
    """Frames to be said before the next answer."""


class Twist:
    """A change to an answer."""

    harmless = False
    """Whether it can only lose, delay or refuse an answer, over TCP, too: no answer says another thing."""
    harmless_over_udp = False
    """Whether it is what a network may do to datagrams."""

    def spares_the_log(self, command: int, *, udp: bool) -> bool:
        """Say whether nothing untrue is said of the log where the answer to `command` is twisted."""
        return (
            self.harmless
            or (udp and self.harmless_over_udp)
            or (self.in_place and command not in ABOUT_THE_LOG)
        )

    arrives = True
    """Whether the terminal gets the request, and carries it out."""
    in_place = False
    """Whether it changes nothing but what the first frames say, in answer to the same request."""

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return the frames of an answer, changed."""
        return saying.frames

    def writes(self, writes: list[bytes | None], saying: Saying) -> list[bytes | None]:  # noqa: ARG002
        """Return what is written, one after the other, changed; None hangs up."""
        return writes


@dataclass(frozen=True)
class Mute(Twist):
    """No answer."""

    harmless = True

    def frames(self, saying: Saying) -> list[WireFrame]:  # noqa: ARG002
        """Return none."""
        return []


@dataclass(frozen=True)
class Deaf(Twist):
    """The request is not carried out, and not answered."""

    harmless = True
    arrives = False


@dataclass(frozen=True)
class Refuses(Twist):
    """The request is not carried out, and that is said."""

    code: int
    in_place = True
    arrives = False

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return the refusal."""
        return [WireFrame(self.code, 0, saying.request.reply_id)]


@dataclass(frozen=True)
class Drop(Twist):
    """One frame is lost."""

    place: int
    harmless_over_udp = True

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return the others."""
        place = self.place % max(1, len(saying.frames))
        return [one for at, one in enumerate(saying.frames) if at != place]


@dataclass(frozen=True)
class Repeat(Twist):
    """The answer comes several times."""

    times: int
    harmless_over_udp = True

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return them again and again."""
        return saying.frames * self.times


@dataclass(frozen=True)
class Reverse(Twist):
    """The last frame comes first."""

    harmless_over_udp = True

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return them backwards."""
        return saying.frames[::-1]


@dataclass(frozen=True)
class Late(Twist):
    """The answer comes in front of the next one."""

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return none now."""
        saying.held.extend(saying.frames)
        return []


@dataclass(frozen=True)
class Code(Twist):
    """Another code, with or without the data."""

    code: int
    bare: bool
    in_place = True

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return one frame with it."""
        if not saying.frames:
            return []
        first = saying.frames[0]._replace(command=self.code)
        return [first._replace(data=b"") if self.bare else first]


@dataclass(frozen=True)
class Says(Twist):
    """A frame with other data in place of the answer."""

    code: int
    data: bytes
    in_place = True

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return it."""
        data = b"x" * 60_000 if self.data == MANY else self.data
        return [WireFrame(self.code, 0, saying.request.reply_id, data)]


@dataclass(frozen=True)
class Field(Twist):
    """Another session or reply id in one frame."""

    place: int
    session: bool
    """Whether it is the session."""
    value: int

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return them with it."""
        frames = list(saying.frames)
        if frames:
            place = self.place % len(frames)
            one = frames[place]
            frames[place] = (
                one._replace(session=self.value) if self.session else one._replace(reply_id=self.value)
            )
        return frames


@dataclass(frozen=True)
class Patch(Twist):
    """A few other bytes somewhere in the data of one frame."""

    place: int
    offset: int
    new: bytes

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return them with these."""
        frames = list(saying.frames)
        filled = [at for at, one in enumerate(frames) if one.data]
        if filled:
            place = filled[self.place % len(filled)]
            data = bytearray(frames[place].data)
            offset = self.offset % len(data)
            data[offset : offset + len(self.new)] = self.new
            frames[place] = frames[place]._replace(data=bytes(data))
        return frames


@dataclass(frozen=True)
class Resize(Twist):
    """More or fewer bytes in one frame."""

    place: int
    by: int

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return them, one of them cut or filled up with what it holds."""
        frames = list(saying.frames)
        if frames:
            place = self.place % len(frames)
            data = frames[place].data
            longer = (data or b"\1") * (1 + abs(self.by) // max(1, len(data)) + 1)
            wanted = max(0, len(data) + self.by)
            frames[place] = frames[place]._replace(data=longer[:wanted])
        return frames


@dataclass(frozen=True)
class Beside(Twist):
    """One more frame, in front or behind."""

    code: int
    data: bytes
    ahead: int
    """How many requests later its reply id is due."""
    behind: bool

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return them with it."""
        more = WireFrame(self.code, 0, (saying.request.reply_id + self.ahead) & 0xFFFF, self.data)
        return [*saying.frames, more] if self.behind else [more, *saying.frames]


@dataclass(frozen=True)
class Stale(Twist):
    """What was said before, to another question."""

    back: int
    fits: bool
    """Whether its reply id is that of this request."""

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return that frame."""
        if not saying.earlier:
            return saying.frames
        old = saying.earlier[-1 - self.back % len(saying.earlier)]
        return [old._replace(reply_id=saying.request.reply_id) if self.fits else old]


@dataclass(frozen=True)
class Announce(Twist):
    """A stream of some size is announced, and blocks come, each of some bytes over and over."""

    size: int
    fill: bytes
    times: int
    blocks: int

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return it."""
        reply_id = saying.request.reply_id
        sizes = self.size.to_bytes(4, "little") * 2
        blocks = (
            WireFrame(Command.DATA, number, reply_id, self.fill * self.times) for number in range(self.blocks)
        )
        return [WireFrame(Command.PREPARE_DATA, 0, reply_id, sizes), *blocks]


@dataclass(frozen=True)
class Flood(Twist):
    """A stream of some size is announced, and more comes than a process may hold."""

    size: int

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return the announcement."""
        return Announce(self.size, b"", 0, 0).frames(saying)

    def writes(self, writes: list[bytes | None], saying: Saying) -> list[bytes | None]:
        """Return it, and block after block, each the same bytes in memory."""
        block = encode(WireFrame(Command.DATA, 1, saying.request.reply_id, b"\1" * _LONG_BLOCK))
        return [*writes, *[with_top(block)] * _BLOCKS]


@dataclass(frozen=True)
class SomebodyPunches(Twist):
    """The truth, and somebody punches in this moment."""

    harmless = True

    def frames(self, saying: Saying) -> list[WireFrame]:
        """Return them as they are."""
        if saying.terminal.users:
            saying.terminal.punch(saying.terminal.users[0].user_id)
        return saying.frames


@dataclass(frozen=True)
class Noise(Twist):
    """Any bytes in place of the answer."""

    data: bytes

    def writes(self, writes: list[bytes | None], saying: Saying) -> list[bytes | None]:  # noqa: ARG002
        """Return them."""
        return [self.data]


@dataclass(frozen=True)
class Cut(Twist):
    """The line is cut after so many bytes."""

    after: int
    harmless = True

    def writes(self, writes: list[bytes | None], saying: Saying) -> list[bytes | None]:  # noqa: ARG002
        """Return the beginning."""
        whole = b"".join(one or b"" for one in writes)
        return [whole[: self.after], None]


@dataclass(frozen=True)
class Flip(Twist):
    """One byte is another, behind the back of the checksum."""

    at: int
    mask: int

    def writes(self, writes: list[bytes | None], saying: Saying) -> list[bytes | None]:  # noqa: ARG002
        """Return them with it."""
        filled = [place for place, one in enumerate(writes) if one]
        if filled:
            place = filled[self.at % len(filled)]
            data = bytearray(writes[place] or b"")
            data[self.at % len(data)] ^= self.mask
            writes[place] = bytes(data)
        return writes


@dataclass(frozen=True)
class Length(Twist):
    """Another length in front of the first frame, as TCP has one."""

    length: int

    def writes(self, writes: list[bytes | None], saying: Saying) -> list[bytes | None]:  # noqa: ARG002
        """Return them with it."""
        if writes and writes[0]:
            writes[0] = writes[0][:4] + self.length.to_bytes(4, "little") + writes[0][8:]
        return writes


@dataclass(frozen=True)
class Slow(Twist):
    """A little late."""

    seconds: float
    harmless = True

    def writes(self, writes: list[bytes | None], saying: Saying) -> list[bytes | None]:  # noqa: ARG002
        """Return them after a while."""
        time.sleep(self.seconds)
        return writes


@dataclass(frozen=True)
class Lie:
    """A twist, and the answers that it is for."""

    command: int | None
    """None for any."""
    nth: int | None
    """From 1; None for each."""
    twist: Twist

    def hits(self, command: int, turns: Counter[int | None]) -> bool:
        """Say whether the answer to this command, which came so often, is twisted."""
        return self.command in {None, command} and self.nth in {None, turns[self.command]}


class Liar:
    """A terminal on a TCP and a UDP port of the same number, for as long as the `with` block lasts."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.said: list[tuple[object, WireFrame]] = []
        """What was said to whom."""
        self.spared_the_log = True
        """Whether nothing untrue was said of the log since `tell`."""
        self.commands: list[int] = []
        """The commands that came since `tell`."""
        self._lies: tuple[Lie, ...] = ()
        self._turns: Counter[int | None] = Counter()
        self._held: list[WireFrame] = []
        self._clients: dict[object, ClientSession] = {}
        self.broken: Exception | None = None
        """What ended it before its time."""

    def tell(self, *lies: Lie) -> None:
        """Tell these lies from now on."""
        self._lies, self._turns, self.commands, self._held = lies, Counter(), [], []
        self.spared_the_log = True

    def __enter__(self) -> Self:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._udp.bind(self._tcp.getsockname())
        self._wake, self._waker = socket.socketpair()
        self._streams: dict[socket.socket, bytearray] = {}
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waker.close()
        self._thread.join()
        if self.broken:
            raise self.broken

    @property
    def address(self) -> tuple[str, int]:
        """Where it answers."""
        host, port = self._tcp.getsockname()
        return host, port

    # --- the wire ---

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector, self._tcp, self._udp, self._wake:
            for own in (self._tcp, self._udp, self._wake):
                selector.register(own, selectors.EVENT_READ)
            try:
                while self._wake not in (ready := [key.fileobj for key, _ in selector.select()]):
                    for one in ready:
                        assert isinstance(one, socket.socket)
                        self._look_at(one, selector)
            except Exception as error:  # noqa: BLE001  # a test that went on without an answer would say nothing
                self.broken = error
            finally:
                for stream in self._streams:
                    stream.close()

    def _look_at(self, one: socket.socket, selector: selectors.BaseSelector) -> None:
        if one is self._tcp:
            client, _ = one.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(1)
            self._streams[client] = bytearray()
            self._clients[client] = ClientSession(seated=False)
            selector.register(client, selectors.EVENT_READ)
        elif one is self._udp:
            payload, address = one.recvfrom(65536)
            client_session = self._clients.setdefault(address, ClientSession(False, _LARGEST_DATAGRAM))
            for datagram in self._answer(address, client_session, payload, udp=True):
                with suppress(OSError):  # longer than a datagram can be, or nobody there any more
                    one.sendto(datagram or b"", address)
        elif not self._heard(one):
            selector.unregister(one)
            del self._streams[one]
            one.close()

    def _heard(self, client: socket.socket) -> bool:
        """Answer what a client has sent. Return whether its connection lasts."""
        try:
            data = client.recv(65536)
            self._streams[client] += data
            for payload in take_payloads(self._streams[client]):
                for written in self._answer(client, self._clients[client], payload, udp=False):
                    if written is None:
                        return False
                    client.sendall(written)
                if self._clients[client].hang_up:
                    return False
        except (OSError, NoStartMarkError):
            return False
        return bool(data)

    # --- what is said ---

    def _answer(
        self, client: object, session: ClientSession, payload: bytes, *, udp: bool
    ) -> list[bytes | None]:
        request = decode(payload)
        if request is None:
            return []
        self.commands.append(request.command)
        self._turns[request.command] += 1
        self._turns[None] += 1
        lies = [lie.twist for lie in self._lies if lie.hits(request.command, self._turns)]
        answer = self.terminal.reply(session, payload) if all(one.arrives for one in lies) else []
        frames = [frame for one in answer if (frame := decode(one))]
        saying = Saying(self.terminal, request, frames, [frame for _, frame in self.said])
        for twist in lies:
            self.spared_the_log &= twist.spares_the_log(request.command, udp=udp)
            saying.frames = twist.frames(saying)
        said, self._held = [*self._held, *saying.frames], saying.held
        self.said += [(client, frame) for frame in said]
        writes: list[bytes | None] = [encode(frame) for frame in said]
        if not udp:
            writes = [with_top(one or b"") for one in writes]
        for twist in lies:
            writes = twist.writes(writes, saying)
        return writes


# --- what is drawn ---

_CODES: Final = st.sampled_from([int(one) for one in Command]) | st.integers(0, 0xFFFF)
_EDGES: Final = (0, 1, 3, 4, 7, 8, 12, 39, 40, 44, 80, 1008, 1024, 0xFFC0, 0xFFFF, 0x10000, 1 << 25, 1 << 26)
_U32: Final = st.sampled_from([*_EDGES, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF]) | st.integers(
    0, 0xFFFFFFFF
)
_TEXTS: Final = st.sampled_from(
    [
        b"~DeviceName=K40\0",
        b"~SerialNumber=",
        b"~SerialNumber=\0",
        b"~SerialNumber=A1\x1b[2Kb\r\n\0",
        b"~SerialNumber=CQZ7224760046\0",
        b"~SerialNumber=\xff\xfe\0",
        b"~SerialNumber=" + b"7" * 64,
        b"~SerialNumber=" + b"7" * 65,
        b"~SerialNumber",
        b"~DeviceName=\x1b]0;owned\x07\0",
        b"~DeviceName=" + b"\n" * 300,
        b"=",
        MANY,
        "\u202eK40\u2028".encode(),
    ]
)
_DATA: Final = st.binary(max_size=120) | _TEXTS | st.builds(lambda one: pack("<I", one), _U32)
_NEW: Final = st.binary(min_size=1, max_size=8) | st.builds(lambda one: pack("<I", one), _U32)
_PLACE: Final = st.integers(0, 9)
_OFFSET: Final = st.sampled_from([0, 1, 2, 4, 5, 8, 16, 31, 32, 64, 76]) | st.integers(0, 4000)
_REPLIES: Final = st.sampled_from([-1, 0, 1, 2])

TWISTS: Final[st.SearchStrategy[Twist]] = st.one_of(
    st.builds(Patch, _PLACE, _OFFSET, _NEW),
    st.builds(Says, _CODES, _DATA),
    st.builds(Code, _CODES, st.booleans()),
    st.builds(Resize, _PLACE, st.integers(-90, 90) | st.sampled_from([1024, 5000, 70_000])),
    st.builds(Announce, _U32, st.binary(max_size=60), st.sampled_from([1, 20, 1000]), st.integers(0, 20)),
    st.builds(Beside, _CODES, _DATA, _REPLIES, st.booleans()),
    st.builds(Stale, st.integers(0, 30), st.booleans()),
    st.builds(Field, _PLACE, st.booleans(), st.integers(0, 0xFFFF)),
    st.just(Mute()),
    st.just(Deaf()),
    st.just(Late()),
    st.builds(Drop, _PLACE),
    st.builds(Repeat, st.integers(2, 5)),
    st.just(Reverse()),
    st.just(SomebodyPunches()),
    st.builds(Cut, st.integers(0, 40) | st.integers(0, 2000)),
    st.builds(Noise, st.binary(max_size=200)),
    st.builds(Flip, st.integers(0, 2000), st.integers(1, 255)),
    st.builds(Length, _U32),
    st.builds(Slow, st.floats(0, 0.02)),
)
_TABLES: Final = st.builds(
    lambda row, times, more: (len(row) * times + more).to_bytes(4, "little") + row * times,
    st.sampled_from([8, 16, 22, 28, 40, 49, 72]).flatmap(
        lambda width: st.binary(min_size=width, max_size=width)
    ),
    st.integers(0, 30),
    st.sampled_from([0, 0, 0, 1, 40]),
)
"""Tables of any records, most of them as long as they say."""
_SAID: Final = st.builds(Says, st.just(Command.ACK_OK), _TEXTS | _DATA)
_SIZED: Final = st.builds(
    Patch, st.just(0), st.sampled_from([0, 1, 4, 5]), st.builds(lambda one: pack("<I", one), _U32)
)
_TABLED: Final = (
    st.builds(Says, st.just(Command.DATA), _TABLES)
    | _SIZED
    | st.builds(
        Announce, st.integers(0, 2_000), st.binary(max_size=60), st.sampled_from([1, 20]), st.integers(0, 9)
    )
    | st.builds(Flip, st.integers(0, 2_000), st.integers(1, 255))
)
_REFUSED: Final = (
    st.builds(Code, st.sampled_from([1000, 1102, 2000, 2001, 2005, 4989, 6001, 0xFFFF]), st.booleans())
    | st.builds(Refuses, st.sampled_from([2001, 2005, 4989, 0xFFFF]))
    | st.sampled_from([Mute(), Deaf(), Cut(0)])
)
_APT: Final[dict[int, st.SearchStrategy[Twist]]] = {
    Command.CONNECT: _REFUSED,
    Command.AUTH: _REFUSED,
    Command.OPTIONS_RRQ: _SAID,
    Command.GET_VERSION: _SAID,
    Command.GET_TIME: st.builds(Says, st.just(Command.ACK_OK), st.builds(lambda one: pack("<I", one), _U32)),
    Command.GET_FREE_SIZES: st.builds(
        Patch,
        st.just(0),
        st.sampled_from([16, 24, 32, 56, 60, 64, 68, 72, 76]),
        st.builds(lambda one: pack("<I", one), _U32),
    ),
    Command.PREPARE_BUFFER: _TABLED,
    Command.READ_BUFFER: _TABLED,
    Command.ATTLOG_RRQ: _TABLED,
    Command.USERTEMP_RRQ: _TABLED,
    Command.FREE_DATA: _REFUSED,
    Command.SET_TIME: _REFUSED,
    Command.DISABLEDEVICE: _REFUSED,
    Command.CLEAR_ATTLOG: _REFUSED,
    Command.REFRESHDATA: _REFUSED,
    Command.ENABLEDEVICE: _REFUSED,
    Command.EXIT: _REFUSED,
}
"""The commands of visits, looks and clearings, and lies that are about what each of them asks."""
ASKED: Final = tuple(_APT)
_TURNS: Final = st.integers(1, 4) | st.none()
_OFF_AND_ON: Final = (
    Command.DISABLEDEVICE,
    Command.CLEAR_ATTLOG,
    Command.REFRESHDATA,
    Command.ENABLEDEVICE,
    Command.ENABLEDEVICE,
)
_READING: Final = (
    Command.CONNECT,
    Command.OPTIONS_RRQ,
    Command.GET_FREE_SIZES,
    Command.PREPARE_BUFFER,
    Command.READ_BUFFER,
    Command.FREE_DATA,
)


def _apt(command: int, turns: st.SearchStrategy[int | None]) -> st.SearchStrategy[Lie]:
    return st.builds(Lie, st.just(command), turns, _APT[command])


LIES: Final = st.one_of(
    st.sampled_from(ASKED).flatmap(lambda command: _apt(command, _TURNS)),
    st.builds(Lie, st.sampled_from(ASKED), _TURNS, TWISTS),
    st.builds(Lie, st.none(), st.integers(1, 40), TWISTS),
)
"""Lies about one answer, or about each one to a command."""
LIES_IN_A_CLEARING: Final = st.one_of(
    st.builds(Lie, st.sampled_from(_OFF_AND_ON), st.none() | st.just(1), _REFUSED),
    st.builds(Lie, st.sampled_from(_OFF_AND_ON), st.none() | st.just(1), TWISTS),
    st.builds(Lie, st.sampled_from(_READING), st.integers(2, 5), st.just(SomebodyPunches())),
    st.sampled_from(_READING).flatmap(lambda command: _apt(command, st.integers(2, 5))),
    st.builds(Lie, st.sampled_from(_READING), st.integers(2, 5), TWISTS),
)
"""Lies that leave the visit before it alone."""
FLOODS: Final = st.builds(Lie, st.sampled_from(ASKED), st.just(1) | st.none(), st.builds(Flood, _U32))
"""Answers that never end."""
ALL_LIES: Final = st.builds(Lie, st.none(), st.none(), TWISTS)
"""Lies about everything."""
