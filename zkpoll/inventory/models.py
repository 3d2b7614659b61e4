"""The settings, validated and frozen. Their descriptions are the schema's and the errors'."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BaseModel, Field, PlainSerializer, SecretStr, model_validator

from zkpoll.inventory.admin import Admin
from zkpoll.inventory.credentials import CommKey
from zkpoll.inventory.dashboards import CREDENTIALS, OUTWARD, Basic, Dashboard, Signing
from zkpoll.inventory.databases import Columns, Database, Machine
from zkpoll.inventory.formats import facts
from zkpoll.inventory.hosts import Binding
from zkpoll.inventory.journal_place import JournalDatabase, JournalPlace
from zkpoll.inventory.kinds import (
    WRITTEN_DURATIONS,
    Choice,
    Degrees,
    Duration,
    File,
    Host,
    HowItPushes,
    Listed,
    Matching,
    OrNever,
    Percent,
    Section,
    State,
    WhenToClear,
    Whole,
    Zone,
)
from zkpoll.inventory.listen import Listen, Push
from zkpoll.inventory.monitoring import HealthChecks, Metrics, StatusPage
from zkpoll.inventory.people import UserIds
from zkpoll.inventory.problems import Sentence, found
from zkpoll.inventory.settings import Settings, in_order, masked
from zkpoll.inventory.sources import Source, SourceKey, Visited
from zkpoll.inventory.workers import SECTION as WORKERS
from zkpoll.inventory.workers import Workers
from zkpoll.model.journal_home import FileAndState, JournalHome, JournalServer

_pushes_as_written = PlainSerializer(lambda push: push and push.written())

NOT_CALLED: Final = "has no host:; it calls us (`zkpoll serve`)"
"""Said of a device where only one that is called will do, its name in front."""
_SERIAL: Final = Matching("[A-Za-z0-9_-]{1,32}", "1 to 32 letters, digits, - and _, as the device tells it")
"""The serial numbers that a call can tell."""

Encoding = Literal[
    "utf-8", "gb18030", "big5", "cp874", "cp932", "cp949", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254",
    "cp1255", "cp1256", "cp1257", "cp1258",
]  # fmt: skip
"""What terminals were sold with: UTF-8, and the code pages of Windows (gb18030 holds GBK and cp936)."""

Slashes = Literal["day/month/year", "month/day/year"]
"""What a date with slashes means."""


class ClockSetting(Settings):
    """The setting of a device's clock."""

    set_when_off_by: Annotated[float, Duration("1s", "1h")] = Field(
        description="Set the clock after a reading when it is off by more than this, in seconds or as 30s"
    )


class Clear(Settings):
    """The condition for clearing a device's log, once everything in it is settled."""

    above: Annotated[int, Percent()] | None = Field(
        description="Clear the log when it is fuller than this, such as 80%"
    )
    """Percent of what the log can hold: 0 to clear it whenever there is anything in it, None for never."""

    def due(self, on_device: int, capacity: int | None) -> bool:
        """Given how many records a log holds and can hold, say whether to clear it.

        If the device does not tell its capacity, nothing is a share of it.
        """
        if not self.above:
            return self.above is not None and on_device > 0
        return 0 < self.above * (capacity or 0) < on_device * 100

    def written(self) -> str | dict[str, str]:
        """Return it as it is written in an inventory."""
        words = {above: word for word, above in WhenToClear.WORDS.items()}
        return words.get(self.above) or {"above": f"{self.above}%"}


_clear_as_written = PlainSerializer(Clear.written)
_percent_as_written = PlainSerializer(lambda share: f"{share}%" if isinstance(share, int) else share)


class Doors(SourceKey):
    """The ways by which a device's punches come: we call it, it calls us, or both."""

    host: Annotated[str, Host()] | None = Field(
        default=None,
        description="Its IPv4 or IPv6 address, or its DNS name; a device that pushes may have none",
    )
    port: Annotated[int, Whole(1, 65_535)] = Field(
        default=4370, description="Its port, as set in its Comm. menu"
    )
    transport: Annotated[Literal["tcp", "udp"], Choice("tcp", "udp")] = Field(
        default="tcp", description="tcp; udp for old devices that know nothing else"
    )
    trust: Annotated[Literal["device", "inventory"], Choice("device", "inventory")] = Field(
        default="device",
        description="Who tells its serial number when it is called: device; inventory for a copy that tells"
        " another one's, and has a serial: of its own here",
    )
    push: Annotated[Push | None, HowItPushes(), _pushes_as_written] = Field(
        default=None,
        description="Whether it calls us, by HTTP: true, or settings of these calls; it needs serial: then",
    )

    @property
    def address(self) -> tuple[str, int, Literal["tcp", "udp"]]:
        """Its host, port and transport. Raise LookupError for one without a host, which nobody may call."""
        if self.host is None:
            raise LookupError(f"this device {NOT_CALLED}")
        return self.host, self.port, self.transport

    @model_validator(mode="after")
    def _check_doors(self) -> Self:
        if self.host is None and self.push is None:
            raise Sentence("missing, and push: as well (host: to call it, push: true if it calls us)", "host")
        if self.trust == "inventory" and self.serial is None:
            raise Sentence("missing (with trust: inventory the device is known by it)", key="serial")
        if self.push is not None and self.serial is None:
            raise Sentence("missing (a device that pushes is known by it)", key="serial")
        if self.push is not None and not _SERIAL.fits(self.serial or ""):
            raise Sentence(
                f"found {{it}}, expected {_SERIAL.expected}", key="serial", value=self.serial, show=found
            )
        return self


@in_order(
    *("name", "was", "host", "port", "transport", "comm_key", "site", "timezone", "timeout"),
    *("visit_limit", "quiet_hours", "yield_seat"),
    *("clock", "warn_clock", "clear", "warn_full", "since", "repeat_within", "direction"),
    *("in_states", "out_states", "latitude", "longitude", "user_id", "encoding", "serial", "trust", "push"),
    "enabled",
)
class Device(Doors, Visited, Source):
    """An attendance terminal."""

    comm_key: Annotated[SecretStr, CommKey(), masked] | None = Field(
        default=None, description="The Comm Key set on the device, if any; a number"
    )
    clock: Annotated[ClockSetting, Section()] | None = Field(
        default=None, description="Keeps its clock right; without it nothing ever sets the clock"
    )
    clear: Annotated[Clear, WhenToClear(), _clear_as_written] = Field(
        default=Clear(above=None),
        json_schema_extra={"default": "never"},
        description="When to clear its log, once all in it is delivered: never, confirmed (always) or"
        " {above: 80%}; within quiet_hours, if there are any",
    )
    warn_full: Annotated[int | Literal["never"], OrNever(Percent()), _percent_as_written] = Field(
        default=90,
        json_schema_extra={"default": "90%"},
        description="From when on its log is nearly full, and a person is told, such as 90%; so it always is"
        " 14 days before it is full; never for a terminal whose log is meant to go round",
    )
    warn_clock: Annotated[float | Literal["never"], OrNever(Duration("10s", "1d"))] = Field(
        default=120.0,
        description="How far its clock may be off before a person is told, in seconds or as 2m; or never",
    )
    yield_seat: Annotated[float, Duration("5s", "1d")] | None = Field(
        default=None,
        description="For `zkpoll watch`: hang up after each reading, and come back after so long, in seconds"
        " or as 5m, so that other software gets its only seat; without it the watch stays",
    )
    encoding: Annotated[Encoding, Choice(*get_args(Encoding))] = Field(
        default="utf-8", description="What its users' names are written in, as its language has it"
    )

    @property
    def warned_full(self) -> int | None:
        """From how many percent on its log is nearly full; None for never."""
        return None if self.warn_full == "never" else self.warn_full

    @property
    def warned_clock(self) -> float | None:
        """How many seconds its clock may be off; None for any."""
        return None if self.warn_clock == "never" else self.warn_clock

    def key(self) -> int:
        """Return the comm key as a number, 0 if there is none."""
        return int(self.comm_key.get_secret_value()) if self.comm_key else 0


_OF_ALL: Final = {*Source.model_fields, "host", "push", "warn_clock"}
CALLING: Final = tuple(key for key in Device.model_fields if key not in _OF_ALL)
"""The settings of our calls, which mean nothing on a device without a host."""


@in_order(*Device.model_fields)
class Defaults(Device):
    """The settings that may stand in `defaults`: any of a device's, and none of them needs another."""

    name: str = ""
    host: str = ""
    serial: str = "any"
    timezone: Annotated[str, Zone()] = ""
    in_states: Annotated[tuple[Annotated[int, State()], ...], Listed(State(), "[0, 4]")] = ()
    out_states: Annotated[tuple[Annotated[int, State()], ...], Listed(State(), "[1, 5]")] = ()
    latitude: Annotated[float, Degrees(90)] | None = 0
    longitude: Annotated[float, Degrees(180)] | None = 0

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        if self.push is not None and self.push.secret is not None:
            raise Sentence(
                "tells nobody apart where all devices have it, so it cannot stand in defaults",
                key=("push", "secret"),
            )
        return self


SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "clock": ClockSetting, "clear": Clear, "basic": Basic, "signing": Signing,
    "metrics": Metrics, "page": StatusPage, "health": HealthChecks, "listen": Listen, "push": Push,
    "user_id": UserIds,
    "machines": Machine, "columns": Columns, "journal": JournalDatabase,
    "workers": Workers, "admin": Admin,
    **facts.SECTIONS,
}  # fmt: skip
"""The settings that are, or may be, mappings of settings themselves or lists of such, and of which."""

SECRETS: Final = frozenset(
    {"comm_key", "health", "secret", "password", "password_file", "broker", *CREDENTIALS, *OUTWARD}
)
"""The settings that hold secrets or name files that may be for zkpoll's own user alone, or may do so, and
those that need them. They matter on the way to a device, a database or a dashboard, and not in the journal.
`push` itself is none: without its secret, a device that pushes is still one."""


_FEW_AT_ONCE: Final = 16
_MANY_AT_ONCE: Final = 64
"""Visits at the same time, where nobody says how many. Each has two file descriptors open at most, of the
1,024 that a process may have. They wait most of the time: 1,000 idle devices that answer within 10 to 50 ms
took 24 s by 16, and 9 s by 64, at the same memory."""
_IN_A_ROW: Final = 12
"""Visits one after another that a run is to take between these two."""


class Inventory(Settings):
    """Everything one run needs to know."""

    dashboards: tuple[Dashboard, ...] = Field(description="Where punches go: one, or a named list")
    journal: Annotated[Path | JournalDatabase, JournalPlace()] = Field(
        description="The journal's file, a relative path from the inventory's folder; or its PostgreSQL"
        " database, postgresql://... or {url: ..., password_file: ...}"
    )
    state_dir: Annotated[Path, File()] | None = Field(
        default=None,
        description="The folder for raw copies, unknown logs and the like, instead of that of the journal's"
        " file; a journal in a database needs it",
    )
    parallel: Annotated[int, Whole(1, 256)] | None = Field(
        default=None,
        description="The most devices visited at the same time; without it a twelfth of the devices, 16 at"
        " least and 64 at most",
    )
    keep_raw: Annotated[float, Duration("1d", "36500d")] = Field(
        default=400 * 86_400, description="How long copies of cleared logs are kept, in seconds or as 400d"
    )
    alert_after: Annotated[float, Duration("1m", "365d")] = Field(
        default=86_400,
        description="How old a device's last reading, or a punch that waits, may be before `zkpoll status`"
        " ends with code 1, in seconds or as 1d",
    )
    dates: Annotated[Slashes, Choice(*get_args(Slashes))] | None = Field(
        default=None,
        description="What a date with slashes means that a command is given: day/month/year (23/11/2026) or"
        " month/day/year; without it, such a date is refused",
    )
    metrics: Annotated[Metrics, Section()] | None = Field(
        default=None, description="Figures of every run, for Prometheus"
    )
    page: Annotated[StatusPage, Section()] | None = Field(
        default=None, description="A page of how everything stands, as a file for a web server"
    )
    health: Annotated[HealthChecks, Section()] | None = Field(
        default=None, description="A service that raises an alarm when runs fail or stay away"
    )
    listen: Annotated[Listen, Section()] | None = Field(
        default=None, description="The listener for devices that push, `zkpoll serve`"
    )
    admin: Annotated[Admin, Section()] | None = Field(
        default=None, description="The live status page of `zkpoll serve`, with the search for a punch"
    )
    workers: Annotated[Workers, WORKERS] | None = Field(
        default=None,
        description="Workers on one or more machines, `zkpoll worker`, and how often `zkpoll dispatch` sends"
        " them what is due",
    )
    sites: tuple[str, ...] = Field(
        default=(),
        description="The sites by their names, each with the settings of its devices and databases that do"
        " not set them themselves: any that may stand in defaults",
    )
    zone_by_default: str | None = Field(default=None, exclude=True, description="The timezone in defaults")
    devices: tuple[Device, ...] = Field(
        default=(), description="The terminals, in the order they are visited"
    )
    databases: tuple[Database, ...] = Field(
        default=(), description="Databases of vendor software that are read"
    )

    @model_validator(mode="after")
    def _check_state_dir(self) -> Self:
        if isinstance(self.journal, JournalDatabase) and self.state_dir is None:
            raise Sentence(
                "is a database, and needs state_dir: beside it, the folder of this machine for raw copies and"
                " unknown logs, such as state_dir: /var/lib/zkpoll",
                "journal",
            )
        return self

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        """Refuse the page on the port of another listener: there its callers would be one with devices."""
        if self.admin is None or self.listen is None or not (port := self.admin.address.port):
            return self
        others = {"address": "where devices call", "health": "where health is told"}
        for key, what in others.items():
            if isinstance(one := getattr(self.listen, key), Binding) and one.port == port:
                told = f"has the port of listen.{key}, {what}; the page has one of its own"
                raise Sentence(told, key=("admin", "address"))
        return self

    @property
    def home(self) -> JournalHome:
        """Where the journal is, and what lies beside it."""
        if isinstance(self.journal, JournalDatabase):
            state, password = self.state_dir or Path(), self.journal.password_text()
            return JournalServer(self.journal.address, state, password)
        return FileAndState(self.journal, self.state_dir) if self.state_dir else self.journal

    @property
    def at_once(self) -> int:
        """The most devices visited at the same time: `parallel`, or by how many of them we call."""
        return self.parallel or min(max(_FEW_AT_ONCE, -(-len(self.called) // _IN_A_ROW)), _MANY_AT_ONCE)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The devices and the databases; also those that are taken out."""
        return (*self.devices, *self.databases)

    @property
    def zone(self) -> str:
        """The zone in which it is today: that of the defaults, else that of most devices and databases."""
        return self.zone_by_default or Counter(one.timezone for one in self.sources).most_common(1)[0][0]

    @property
    def called(self) -> tuple[Device, ...]:
        """The devices with a host, which we call; also those that are taken out."""
        return tuple(device for device in self.devices if device.host is not None)

    @property
    def pushing(self) -> tuple[Device, ...]:
        """The devices that call us; also those that are taken out."""
        return tuple(device for device in self.devices if device.push is not None)

    def masked(self, *, for_people: bool = False) -> dict[str, Any]:
        """Return the settings in the inventory's own words, without unset ones, and with secrets masked.

        Durations are in seconds, or, `for_people`, as they write them.
        """
        context = WRITTEN_DURATIONS if for_people else None
        settings = self.model_dump(mode="json", exclude_none=True, context=context)
        settings["devices"] = [
            {key: value for key, value in one.items() if "host" in one or key not in CALLING}
            for one in settings["devices"]
        ]
        if not self.databases:
            del settings["databases"]
        # What they give is merged into their devices.
        settings["sites"] = {name: {} for name in self.sites}
        if not self.sites:
            del settings["sites"]
        # Of the defaults only what counts beside devices.
        defaults = {"defaults": {"timezone": self.zone_by_default}} if self.zone_by_default else {}
        kept: dict[str, Any] = {key: settings.pop(key) for key in ("journal", "state_dir") if key in settings}
        first = {"dashboard": settings.pop("dashboards"), **defaults, **kept}
        return first | {"parallel": self.at_once} | settings
