"""Kinds of settings: the reading of text, and the shape in an editor's schema.

A kind stands in the annotation of a field (`Annotated[int, Whole(1, 65535)]`). It takes text, as
the inventory gives it, or a value of the field's own type, as code gives it. It refuses
anything else with ValueError("expected ...").
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel
from pydantic_core import core_schema

from zkpoll.inventory.files import check_certificates, expanded
from zkpoll.inventory.hosts import Binding, binding, check_host, check_url, without_secrets
from zkpoll.inventory.problems import Sentence, found, found_shape
from zkpoll.inventory.scalars import as_written
from zkpoll.inventory.zones import check_zone

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

Shape = dict[str, Any]
"""A piece of JSON Schema."""

VARIABLE = r"\$\{"
"""A text with a variable in it may turn out to be anything, so no schema refuses it."""

TEXT: Shape = {"type": ["string", "number", "boolean"], "minLength": 1}
"""Text, which an editor may see as a number (`0012`) or a boolean (`no`)."""


def pattern(expression: str) -> Shape:
    """Given a regular expression, return the shape of texts it matches, or with a variable."""
    return {"type": "string", "pattern": f"{expression}|{VARIABLE}"}


class Kind:
    """A kind of setting."""

    def parse(self, value: object) -> object:
        """Given text or a typed value, return it typed. Raise ValueError naming the value expected."""
        raise NotImplementedError

    def shape(self) -> Shape:
        """Return the JSON Schema of the values in a file."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> Shape:
        return self.shape()


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number within bounds."""

    lowest: int
    highest: int

    def parse(self, value: object) -> int:
        """Given digits or an int, return it as an int."""
        number = value
        if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
            number = int(value)
        if isinstance(number, int) and not isinstance(number, bool) and self.lowest <= number <= self.highest:
            return number
        raise ValueError(f"expected a whole number from {self.lowest} to {self.highest}")

    def shape(self) -> Shape:
        """Return: a number, or digits in quotes."""
        number = {"type": "integer", "minimum": self.lowest, "maximum": self.highest}
        return {"anyOf": [number, pattern("^[0-9]+$")]}


class State(Whole):
    """The number of a state that somebody chose by a key."""

    NO_KEY: ClassVar[int] = 255
    """What a terminal gives where no key was pressed, or it has none."""

    def __init__(self) -> None:
        super().__init__(0, self.NO_KEY - 1)

    def parse(self, value: object) -> int:
        """Given digits or an int, return it as an int."""
        if value in (self.NO_KEY, str(self.NO_KEY)):
            raise Sentence(
                f"found {found(value)}, which means that no key was pressed; that is never guessed"
            )
        return super().parse(value)


class Status(Whole):
    """The status of an answer that may confirm punches."""

    HAS_IT: ClassVar[int] = 409
    """Conflict: how many interfaces say that they have it already."""

    def __init__(self) -> None:
        super().__init__(200, 299)

    def parse(self, value: object) -> int:
        """Given digits or an int, return it as an int."""
        if value in (self.HAS_IT, str(self.HAS_IT)):
            return self.HAS_IT
        try:
            return super().parse(value)
        except ValueError as error:
            raise ValueError(f"{error}, or {self.HAS_IT}") from None

    def shape(self) -> Shape:
        """Return: a number, or digits in quotes."""
        return {"anyOf": [{"enum": [self.HAS_IT]}, *super().shape()["anyOf"]]}


@dataclass(frozen=True)
class Degrees(Kind):
    """An angle in degrees, so far to both sides of 0."""

    highest: int

    _WRITTEN: ClassVar[str] = r"-?[0-9]{1,3}(\.[0-9]{1,15})?"

    def parse(self, value: object) -> float:
        """Given a number or the text of one, return it."""
        number = float(value) if isinstance(value, str) and re.fullmatch(self._WRITTEN, value) else value
        if type(number) in (int, float) and -self.highest <= number <= self.highest:  # type: ignore[operator]
            return float(number)  # type: ignore[arg-type]
        raise ValueError(f"expected degrees from -{self.highest} to {self.highest}, such as 23.7808")

    def shape(self) -> Shape:
        """Return: a number, or digits in quotes."""
        number = {"type": "number", "minimum": -self.highest, "maximum": self.highest}
        return {"anyOf": [number, pattern(f"^{self._WRITTEN}$")]}


@dataclass(frozen=True)
class Duration(Kind):
    """A time span, kept in seconds. Its bounds are written as people write durations."""

    lowest: str
    highest: str

    _UNITS: ClassVar[dict[str, float]] = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
    _WRITTEN: ClassVar[str] = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d|)"

    def parse(self, value: object) -> float:
        """Given a number, or a text such as `10`, `500ms` or `2h`, return seconds."""
        seconds = self._seconds(value)
        if seconds is None or not self._bound(self.lowest) <= seconds <= self._bound(self.highest):
            span = f"from {self.lowest} to {self.highest}"
            raise ValueError(f"expected a duration {span}, such as 10 (seconds), 500ms, 15m or 2h")
        return seconds

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return _shown_with_unit(super().__get_pydantic_core_schema__(source, handler))

    def shape(self) -> Shape:
        """Return: a number of seconds, or a number with its unit."""
        lowest, highest = self._bound(self.lowest), self._bound(self.highest)
        number = {"type": "number", "minimum": lowest, "maximum": highest}
        return {"anyOf": [number, pattern(r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)?$")]}

    def _seconds(self, value: object) -> float | None:
        if isinstance(value, str):
            parts = re.fullmatch(self._WRITTEN, value)
            return float(parts[1]) * self._UNITS[parts[2]] if parts else None
        return float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]

    def _bound(self, written: str) -> float:
        return self._seconds(written) or 0.0


WRITTEN_DURATIONS: Final = {"durations": "written"}
"""The context of a serialization that is for people: durations as they write them."""


def written_duration(seconds: float) -> str:
    """Given seconds, return the duration as people write it: `400d`, `15m`, `90s`, `500ms`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    milliseconds = seconds * 1000
    return f"{milliseconds:.0f}ms" if seconds and milliseconds == int(milliseconds) else f"{seconds:g}s"


def _shown_with_unit(schema: core_schema.CoreSchema) -> core_schema.CoreSchema:
    """Return the schema of a duration that is serialized with its unit where that is for people."""

    def shown(value: object, info: core_schema.SerializationInfo) -> object:
        if isinstance(value, (int, float)) and info.context == WRITTEN_DURATIONS:
            return written_duration(value)
        return value

    serializer = core_schema.plain_serializer_function_ser_schema(shown, info_arg=True)
    return {**schema, "serialization": serializer}


class WholeSeconds(Duration):
    """A time span of whole seconds, as a wire has them."""

    def parse(self, value: object) -> int:
        """Given a number, or a text such as `10` or `1m`, return seconds."""
        seconds = super().parse(value)
        if seconds != int(seconds):
            raise ValueError("expected whole seconds")
        return int(seconds)


class Hours(Kind):
    """A part of every day, from a time of day to another one. It may span midnight."""

    _TIME: ClassVar[str] = "([01]?[0-9]|2[0-3]):([0-5][0-9])"
    _WRITTEN: ClassVar[str] = f"{_TIME}-{_TIME}"

    def parse(self, value: object) -> tuple[time, time]:
        """Given two times of day, or a text such as `22:00-05:00`, return when the part begins and ends."""
        if isinstance(value, str) and (parts := re.fullmatch(self._WRITTEN, value)):
            hour, minute, last_hour, last_minute = map(int, parts.groups())
            value = time(hour, minute), time(last_hour, last_minute)
        match value:
            case (time() as begin, time() as end) if begin != end and all(
                moment == time(moment.hour, moment.minute) for moment in (begin, end)
            ):
                return begin, end
        raise ValueError("expected two different times of day, such as 22:00-05:00")

    def shape(self) -> Shape:
        """Return: two times of day."""
        return pattern(f"^{self._WRITTEN}$")


def written(hours: tuple[time, time]) -> str:
    """Given a part of the day, return it as `Hours` reads it."""
    begin, end = hours
    return f"{begin:%H:%M}-{end:%H:%M}"


class Moment(Kind):
    """A date, or a date and a time, by a wall clock. A date alone is its midnight."""

    _WRITTEN: ClassVar[str] = "[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?"

    def parse(self, value: object) -> datetime:
        """Given a datetime without a zone, or a text such as `2026-11-01T06:00`, return a datetime."""
        moment = value
        if isinstance(value, str) and re.fullmatch(self._WRITTEN, value):
            with suppress(ValueError):  # such as 30 February
                moment = datetime.fromisoformat(value)
        if isinstance(moment, datetime) and moment == moment.replace(microsecond=0, tzinfo=None):
            return moment
        raise ValueError("expected a date such as 2026-11-01, or a date and time such as 2026-11-01T06:00")

    def shape(self) -> Shape:
        """Return: a date, or a date and a time."""
        return pattern(f"^{self._WRITTEN}$")


class Section(Kind):
    """A mapping of settings with a model of their own."""

    def parse(self, value: object) -> object:
        """Given a mapping or the model, return it. The model reads the mapping."""
        if isinstance(value, dict | BaseModel):
            return value
        raise Sentence(f"found {found_shape(value)}, expected a mapping of settings (name: value)")

    def shape(self) -> Shape:
        """Return: a mapping. Its model says more."""
        return {"type": "object"}


@dataclass(frozen=True)
class Listed(Kind):
    """A list of values of one kind, at least so many."""

    of: Kind
    sample: str
    least: int = 0

    def parse(self, value: object) -> object:
        """Given a list, return it. Its values have a kind of their own."""
        if isinstance(value, list | tuple) and len(value) >= self.least:
            return value
        raise Sentence(f"found {found_shape(value or None)}, expected a list, such as {self.sample}")

    def shape(self) -> Shape:
        """Return: a list."""
        items = {"type": "array", "items": self.of.shape()}
        return {**items, "minItems": self.least} if self.least else items


@dataclass(frozen=True)
class Mapped(Kind):
    """A mapping whose values are of one kind."""

    of: Kind
    sample: str

    def parse(self, value: object) -> object:
        """Given a mapping, return it. Its keys and values have kinds of their own."""
        if isinstance(value, dict):
            return value
        raise Sentence(f"found {found_shape(value)}, expected a mapping, such as {self.sample}")

    def shape(self) -> Shape:
        """Return: a mapping of such values."""
        return {"type": "object", "additionalProperties": self.of.shape()}


@dataclass(frozen=True)
class Matching(Kind):
    """A text of a certain form."""

    expression: str
    expected: str

    def parse(self, value: object) -> str:
        """Given a text, return it."""
        if isinstance(value, str) and self.fits(value):
            return value
        raise ValueError(f"expected {self.expected}")

    def fits(self, text: str) -> bool:
        """Given a text, say whether it has the form."""
        return re.fullmatch(self.expression, text) is not None

    def shape(self) -> Shape:
        """Return: text of that form."""
        return pattern(f"^{self.expression}$")


class Percent(Kind):
    """A share of a whole, kept in whole percent."""

    _WRITTEN: ClassVar[str] = "([1-9]?[0-9])%"

    def parse(self, value: object) -> int:
        """Given an int, or a text such as `80%`, return percent, 0 to 99."""
        written = re.fullmatch(self._WRITTEN, value if isinstance(value, str) else f"{value}%")
        if written and not isinstance(value, bool):
            return int(written[1])
        raise ValueError("expected a share from 0% to 99%, such as 80%")

    def shape(self) -> Shape:
        """Return: a number with its sign."""
        return pattern(f"^{self._WRITTEN}$")


@dataclass(frozen=True)
class OrNever(Kind):
    """A value of another kind, or the word for none."""

    of: Kind

    NEVER: ClassVar[str] = "never"

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        schema = super().__get_pydantic_core_schema__(source, handler)
        return _shown_with_unit(schema) if isinstance(self.of, Duration) else schema

    def parse(self, value: object) -> object:
        """Given the word, or a value of the other kind, return it."""
        if value == self.NEVER:
            return self.NEVER  # a plain text: older pydantic takes no text that knows its line for the word
        try:
            return self.of.parse(value)
        except ValueError as error:
            raise ValueError(f"{error}, or {self.NEVER}") from None

    def shape(self) -> Shape:
        """Return: the word, or what the other kind has."""
        return {"anyOf": [{"enum": [self.NEVER]}, self.of.shape()]}


class WhenToClear(Kind):
    """When a log is cleared: a word, or a mapping of settings with a model of their own."""

    WORDS: ClassVar[dict[str, int | None]] = {"never": None, "confirmed": 0}

    def parse(self, value: object) -> object:
        """Given a word, a mapping or the model, return it as the model takes it."""
        if isinstance(value, dict | BaseModel):
            return value
        if isinstance(value, str) and value.lower() in self.WORDS:
            return {"above": self.WORDS[value.lower()]}
        raise ValueError("expected never, confirmed or a share, such as {above: 80%}")

    def shape(self) -> Shape:
        """Return: one of the words, or a mapping. Its model says more."""
        return {"anyOf": [*Choice(*self.WORDS).shape()["anyOf"], Section().shape()]}


class HowItPushes(Kind):
    """Whether a device calls us: yes or no, or a mapping of settings with a model of their own."""

    def parse(self, value: object) -> object:
        """Given a switch, a mapping or the model, return it as the model takes it; None for no."""
        if value is None or isinstance(value, dict | BaseModel):
            return value
        try:
            return {} if YesNo().parse(value) else None
        except ValueError:  # not shown: it may be the secret, a step too far out
            text = f"found {found_shape(value)}, expected true, false or settings, such as {{secret: ...}}"
            raise Sentence(text) from None

    def shape(self) -> Shape:
        """Return: a switch, or a mapping. Its model says more."""
        return {"anyOf": [*YesNo().shape()["anyOf"], Section().shape()]}


class Choice(Kind):
    """One of a few words, in any case."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def parse(self, value: object) -> object:
        """Given one of the words, return it as it is known."""
        folded = value.casefold() if isinstance(value, str) else None
        for word in self.words:
            if folded == word.casefold():
                return word
        raise ValueError(f"expected {' or '.join(self.words)}")

    def shape(self) -> Shape:
        """Return: one of the words."""
        return {"anyOf": [{"enum": list(self.words)}, pattern(f"^({'|'.join(map(_any_case, self.words))})$")]}


def _any_case(word: str) -> str:
    """Return the regular expression for a word in any case."""
    return "".join(f"[{one.upper()}{one}]" if one.islower() else one for one in word.lower())


class YesNo(Kind):
    """A switch."""

    _WORDS: ClassVar[dict[object, bool]] = {
        True: True, "true": True, "yes": True, "on": True,
        False: False, "false": False, "no": False, "off": False,
    }  # fmt: skip

    def parse(self, value: object) -> bool:
        """Given a bool or a word for one, in any case, return it."""
        word = value.lower() if isinstance(value, str) else value
        if isinstance(word, bool | str) and word in self._WORDS:
            return self._WORDS[word]
        raise ValueError("expected true or false")

    def shape(self) -> Shape:
        """Return: a boolean, or the words that YAML 1.2 takes for text."""
        words = "^([Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)$"
        return {"anyOf": [{"type": "boolean"}, pattern(words)]}


class Label(Kind):
    """A short name that people read."""

    LONGEST: ClassVar[int] = 64
    EXPECTED: ClassVar[str] = f"expected 1 to {LONGEST} printable characters, no space around them"

    def parse(self, value: object) -> str:
        """Given 1-64 printable characters with no space around them, return them."""
        text = value if isinstance(value, str) else ""
        if text.isprintable() and text == text.strip() and 0 < len(text) <= self.LONGEST:
            return text
        raise ValueError(self.EXPECTED)

    def shape(self) -> Shape:
        """Return: text."""
        return dict(TEXT)  # pydantic writes into what it is given


class EarlierNames(Kind):
    """The names that a thing had before: one, or a list of them."""

    def parse(self, value: object) -> object:
        """Given a name or a list of names, return them as a tuple."""
        names = list(value) if isinstance(value, list | tuple) else [value]
        if not names:
            raise Sentence("found an empty list, expected the name it had before, or a list of names")
        for place, name in enumerate(names):
            try:
                Label().parse(name)
            except ValueError as error:
                at = (place,) if isinstance(value, list) else None
                raise Sentence(f"found {found(name)}, {error}", at) from None
        return tuple(names)

    def shape(self) -> Shape:
        """Return: text, or a list of texts."""
        return {"anyOf": [dict(TEXT), {"type": "array", "items": dict(TEXT), "minItems": 1}]}


class Host(Kind):
    """An IP address or a DNS name."""

    def parse(self, value: object) -> str:
        """Given a host, return it as it is written."""
        return check_host(value if isinstance(value, str) else "")

    def shape(self) -> Shape:
        """Return: the characters of addresses and names."""
        return pattern("^[A-Za-z0-9_.:%-]+$")


class HostAndPort(Kind):
    """A host and a port to listen on."""

    def parse(self, value: object) -> object:
        """Given a text such as `0.0.0.0:8081`, return it as a `Binding`."""
        return value if isinstance(value, Binding) else binding(value if isinstance(value, str) else "")

    def shape(self) -> Shape:
        """Return: a host, a colon and digits."""
        return pattern(r"^(\[[0-9A-Za-z:.%_-]+\]|[0-9A-Za-z._-]+):[0-9]{1,5}$")


class ListenAddress(HostAndPort):
    """A host and a port to listen on, or the word for a socket that is handed over."""

    HANDED_OVER: ClassVar[str] = "systemd"

    def parse(self, value: object) -> object:
        """Given the word, or a host and a port, return the word or a `Binding`."""
        if value == self.HANDED_OVER:
            return self.HANDED_OVER
        try:
            return super().parse(value)
        except ValueError as error:
            raise ValueError(f"{error}, or {self.HANDED_OVER}") from None

    def shape(self) -> Shape:
        """Return: the word, or a host and a port."""
        return {"anyOf": [{"enum": [self.HANDED_OVER]}, super().shape()]}


_MAPPED: Final = 96
"""Bits in front of an IPv4 address inside of IPv6."""


class IpNetwork(Kind):
    """A network of IP addresses; an address alone is a network of one."""

    def parse(self, value: object) -> IPv4Network | IPv6Network:
        """Given a network, or a text such as `203.0.113.0/24`, return it.

        IPv4 inside of IPv6, as some logs show it (`::ffff:203.0.113.7`), is IPv4: so callers are known.
        """
        if isinstance(value, IPv4Network | IPv6Network):
            return value
        try:
            network = ip_network(value if isinstance(value, str) else "")
            inside = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
            return IPv4Network((inside, network.prefixlen - _MAPPED)) if inside else network
        except ValueError:
            expected = "expected an IP address or a network, such as 203.0.113.0/24 (not 203.0.113.7/24)"
            raise ValueError(expected) from None

    def shape(self) -> Shape:
        """Return: the characters of addresses, and a prefix."""
        return pattern(r"^[0-9A-Fa-f.:]+(/[0-9.]+)?$")


class Url(Kind):
    """The http or https URL of a dashboard."""

    def parse(self, value: object) -> str:
        """Given a URL, return it. The URL is shown without the part that may be a password."""
        text = value if isinstance(value, str) else ""
        try:
            return self.check(text)
        except ValueError as error:
            shown = found_url(as_written(value) or text) if text else found(value)
            raise Sentence(f"found {shown}, {error}") from None

    def check(self, text: str) -> str:
        """Given a URL, return it. Raise ValueError with its flaw."""
        return check_url(text)

    def shape(self) -> Shape:
        """Return: http or https, then anything but space, quotes and a fragment."""
        return pattern(r'^[Hh][Tt][Tt][Pp][Ss]?://[^\s"<>\\#]+$')


def found_url(text: str) -> str:
    """Given a wrong URL, return its name in a sentence, without the parts that may be a password or a key."""
    return found(without_secrets(text))


class Zone(Kind):
    """The name of a time zone."""

    def parse(self, value: object) -> str:
        """Given the name of a zone in this machine's zone database, return it."""
        return check_zone(value if isinstance(value, str) else "")

    def shape(self) -> Shape:
        """Return: text as zones are named."""
        return pattern("^[A-Za-z0-9_+/-]+$")


class File(Kind):
    """A path. `~` is the home folder, and a relative one starts at the inventory's folder."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_before_validator_function(self._placed, handler(source))

    def _placed(self, value: object, info: core_schema.ValidationInfo) -> Path:
        """Given a path, return it beneath the folder of the inventory it was read from."""
        folder: Path = (info.context or {}).get("folder", Path())
        path = folder / self.parse(value)
        self.check(path)
        return path

    def check(self, path: Path) -> None:
        """Given the path of the file, raise ValueError if it cannot be used. Any path will do here."""

    def parse(self, value: object) -> Path:
        """Given a path, return it with `~` expanded."""
        text = str(value) if isinstance(value, str | Path) else ""
        if not text or "\0" in text:
            raise ValueError("expected a path")
        return expanded(Path(text))

    def shape(self) -> Shape:
        """Return: text."""
        return {"type": "string", "minLength": 1}


class Certificates(File):
    """The path of certificates in PEM form."""

    def check(self, path: Path) -> None:
        """Given the path of the file, raise ValueError if there are no certificates in it."""
        check_certificates(path)
