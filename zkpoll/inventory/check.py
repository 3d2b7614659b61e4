"""A tree of text -> an Inventory, or all the reasons why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from zkpoll.inventory.dashboards import CREDENTIALS, Credentials, Dashboard
from zkpoll.inventory.databases import Database, Store
from zkpoll.inventory.hosts import same_host
from zkpoll.inventory.kinds import Label
from zkpoll.inventory.models import CALLING, SECTIONS, Defaults, Device, Doors, Inventory
from zkpoll.inventory.problems import Hidden, Sentence, found, found_shape, nearest, unknown
from zkpoll.inventory.scalars import as_written

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from zkpoll.inventory.formats import FormatSettings
    from zkpoll.inventory.problems import Place, Problems
    from zkpoll.inventory.text import Tree

M = TypeVar("M", bound=BaseModel)
Parts: TypeAlias = dict[str, Any]
"""Settings by name, as the file has them."""
Where: TypeAlias = Callable[[str], "Place"]
"""Given the key of a setting, its place; a device's setting may stand in `defaults`."""

_PLAIN = (
    "journal",
    "state_dir",
    "parallel",
    "keep_raw",
    "alert_after",
    "dates",
    "metrics",
    "page",
    "health",
    "listen",
    "admin",
    "workers",
)
TOP = ("dashboard", *_PLAIN, "defaults", "sites", "devices", "databases")
ONE_DEVICE_ONLY = ("name", "was", "host", "serial", "site")
"""The settings that tell devices apart, so that they cannot stand in `defaults` or a site."""
_OF_DEVICES, _OF_DATABASES = tuple(Device.model_fields), tuple(Database.model_fields)
_AT_THE_TOP: Final = dict.fromkeys(
    (key for key in TOP if key not in {*_OF_DEVICES, *_OF_DATABASES, *Dashboard.model_fields}),
    "stands at the top of the file: move it to the left edge",
)
"""What to say of these where something else is expected."""
_STRAYS: Final[Mapping[str, tuple[str, ...]]] = {
    "defaults": tuple(key for key in _OF_DEVICES if key not in {*TOP, *ONE_DEVICE_ONLY}),
    "dashboard": ("url", "token", "token_file", "basic", "headers", "format"),
}
"""Settings that are found at the top where somebody forgot to indent them, and what they belong below."""
_BELOW: Final = {
    "defaults": "a setting of devices, at the left edge of the file: indent it, below defaults: or a device",
    "dashboard": "a setting of a dashboard, at the left edge of the file: indent it, below dashboard:",
}
_OF_ONE: Final = dict.fromkeys(
    ("name", "host", "serial", "site"),
    "a setting of a device, at the left edge of the file: indent it, below its device",
)


def inventory(
    tree: Tree, problems: Problems, folder: Path, *, strict: bool, secrets: bool = True
) -> Inventory | None:
    """Given a file's tree and folder, return the inventory; its flaws are noted in `problems`.

    `strict` is for the kinds of settings that else tell of a smaller mistake later, when it matters. Without
    `secrets` the tree lacks those settings, and none of them is missed.

    If there are problems, the result (None or not) cannot be used.
    """
    if tree in ("", {}):
        problems.add((), "the file is empty, expected an inventory")
        return None
    top = _mapping(tree, (), problems)
    if top is None:
        return None
    settings = _known_at_the_top(top, problems)
    problems.names |= _names(settings)
    called = {name: "host" in one for name, one in _named(settings.get("devices"))}
    stored = {name for name, _ in _named(settings.get("databases"))}
    check = _Check(top, problems, {"folder": folder, "strict": strict, "secrets": secrets}, called, stored)
    parts: Parts = {key: settings[key] for key in _PLAIN if key in settings}
    parts["dashboards"] = check.dashboards(settings)
    parts["devices"], parts["databases"] = check.sources(settings)
    parts["sites"] = tuple(check.sites)
    parts["zone_by_default"] = check.zone
    return check.build(Inventory, parts, lambda key: (key,))


def _known_at_the_top(top: Parts, problems: Problems) -> Parts:
    """Given the top of a file, return the settings that may stand there, and note the rest.

    What somebody forgot to indent counts as if it were, so that it is not missed as well.
    """
    told = {key: _BELOW[section] for section, keys in _STRAYS.items() for key in keys} | _OF_ONE
    settings = problems.known(top, TOP, (), told)
    for section, keys in _STRAYS.items():
        strays = {key: top[key] for key in keys if key in top}
        inside = settings.get(section) or {}
        if strays and isinstance(inside, dict):
            settings[section] = strays | inside
            for key in strays.keys() - inside.keys():
                problems.told_of((section, key))
    return settings


def _names(settings: Parts) -> dict[Place, str]:
    """Given the top of a file, return the names of entries that may be shown, by their places."""
    shown: dict[Place, str] = {}
    for key in ("devices", "databases", "dashboard"):
        tree = settings.get(key)
        entries = list(enumerate(tree)) if isinstance(tree, list) else []
        shown |= {(key, i): one["name"] for i, one in entries if isinstance(one, dict) and "name" in one}
    sites = settings.get("sites")
    shown |= {("sites", name): name for name in sites} if isinstance(sites, dict) else {}
    return {place: as_written(name) or name for place, name in shown.items() if _is_label(name)}


def _is_label(name: object) -> bool:
    try:
        Label().parse(name)
    except ValueError:
        return False
    return bool(name)


def _named(tree: object) -> list[tuple[str, Parts]]:
    """Given the tree of a list, return the mappings in it that have a name, each with it."""
    entries = [one for one in tree if isinstance(one, dict)] if isinstance(tree, list) else []
    return [(name, one) for one in entries if (name := one.get("name")) and isinstance(name, str)]


def _mapping(tree: object, place: Place, problems: Problems) -> Parts | None:
    """Given a value in the place of a mapping, return it, or None after noting its shape."""
    if isinstance(tree, dict):
        return tree
    expected, line = "expected a mapping of settings (name: value)", None
    if isinstance(tree, list) and any(isinstance(one, dict) for one in tree):
        expected, line = f"{expected}, without a - in front", problems.line((*place, 0))
    text = f"found {found_shape(tree)}, {expected}"
    if isinstance(tree, str) and (tight := re.match(r"([a-z_]+):(?!//)\S", tree)):
        known = tight[1] in {*Device.model_fields, *Dashboard.model_fields, *Database.model_fields}
        of = f" of {tight[1]}:, expected {tight[1]}: and its value" if known else ", expected one"
        text, line = f"no space behind the colon{of}", problems.value_line(place)
    problems.add(place, text, line)
    return None


class _Check:
    """The checks of one file."""

    def __init__(
        self,
        tree: Tree,
        problems: Problems,
        context: Mapping[str, object],
        called: Mapping[str, bool],
        stored: Collection[str],
    ) -> None:
        """Begin. `called` has for the name of each device whether it has a host; `stored`: databases."""
        self._tree = tree
        self._problems = problems
        self._context = dict(context)
        self._called = called
        self._stored = stored
        self.sites: dict[str, _Shared] = {}
        self.zone: str | None = None
        """The zone in the defaults."""
        self._knows_sites = True

    def build(self, model: type[M], settings: Parts, where: Where, *, whole: bool = True) -> M | None:
        """Given settings, return the model of them, or None after noting their flaws.

        Where they are not `whole`, as some could not be read, none is missed.
        """
        try:
            return model.model_validate(settings, context=self._context)
        except ValidationError as error:
            found = [_in_words(model, detail) for detail in error.errors(include_url=False)]
            meant = {(*place[:-1], flaw.meant) for place, flaw in found if flaw.meant}
            for (key, *inner), flaw in found:
                place = (*where(str(key)), *inner)
                missing = flaw.sentence.startswith("missing")
                # While a part of it is unreadable, nothing can be told of the whole.
                if self._problems.within(place) or (missing and (not whole or (key, *inner) in meant)):
                    continue
                self._problems.add(place, flaw.sentence)
            return None

    def dashboards(self, top: Parts) -> list[Dashboard]:
        """Given the top of a file, return its valid dashboards."""
        if "dashboard" not in top:
            self._problems.add(("dashboard",), "missing (where punches go: a mapping with a url)")
            return []
        tree = top["dashboard"]
        if not isinstance(tree, list):
            alone = {"name": Dashboard.model_fields["name"].default}
            self._earlier_names([(("dashboard",), alone | tree if isinstance(tree, dict) else tree)])
            return self._dashboard(tree, ("dashboard",), "url")
        if not tree:
            self._problems.add(("dashboard",), "found an empty list, expected a dashboard")
        self._unique("name", (("dashboard",), tree))
        self._earlier_names([(("dashboard", i), item) for i, item in enumerate(tree)])
        places = [(item, ("dashboard", i)) for i, item in enumerate(tree)]
        return [made for item, at in places for made in self._dashboard(item, at, "name", "url")]

    def _dashboard(self, tree: object, place: Place, *required: str) -> list[Dashboard]:
        """Given one dashboard's tree and the settings it needs, return it, in a list of 0 or 1."""
        own = _mapping(tree, place, self._problems)
        if own is None:
            return []
        own = self._problems.known(own, tuple(Dashboard.model_fields), place, _AT_THE_TOP)
        for key in required:
            if key not in own:
                self._problems.add((*place, key), _missing(Dashboard, key))
        made = self.build(Dashboard, own, lambda key: (*place, key))
        if made is None:
            # Credentials are compared, and files read, last, and not at all after another mistake; do it now.
            credentials: Parts = {key: own[key] for key in CREDENTIALS if key in own}
            self.build(Credentials, credentials, lambda key: (*place, key))
        elif made.format_settings:
            self._names_in(made.format_settings, (*place, made.format))
        return [made] if made else []

    def _names_in(self, settings: FormatSettings, place: Place) -> None:
        """Given the settings of a format, and their place, note names that cannot stand there."""
        for names in settings.names():
            texts = [(text, (*place, *inner)) for text, inner in names.texts]
            self._once(names.once, texts)
            if names.of_devices:
                for name, here in texts:
                    written = as_written(_at(self._tree, here))
                    if name not in self._called and name in self._stored:
                        what = f"found {found(written or name)}, a database"
                        self._problems.add(here, f"{what}: {names.no_databases}")
                    elif name not in self._called:
                        meant = None if written else nearest(name, self._called)
                        hint = f", did you mean {as_written(meant) or meant}?" if meant else ""
                        sentence = f"found {found(written or name)}, expected the name of a device{hint}"
                        self._problems.add(here, sentence)
                    elif names.no_callers and not self._called[name]:
                        what = f"found {found(written or name)}, a device without a host"
                        self._problems.add(here, f"{what}: {names.no_callers}")

    def sources(self, top: Parts) -> tuple[list[Device], list[Database]]:
        """Given the top of a file, return its valid devices and databases, what they share merged in."""
        defaults = self._shared(top.get("defaults", ""), ("defaults",))
        zone = defaults.given.get("timezone")
        self.zone = zone if isinstance(zone, str) else None
        self.sites = self._sites(top.get("sites", ""))
        trees = {key: self._list(top.get(key, ""), key) for key in ("devices", "databases")}
        if all(items == [] for items in trees.values()):
            neither = "no devices and no databases" if "databases" in top else "no devices"
            self._problems.add(("devices",), f"{neither}, expected at least one")
        lists: list[tuple[Place, list[Any]]] = [((key,), items or []) for key, items in trees.items()]
        devices = [
            _Entry(place, own, (*self._site_of(place, own), defaults))
            for place, own in self._known(_OF_DEVICES, *lists[0])
        ]
        databases = [
            _DatabaseEntry(place, own, (*self._site_of(place, own), defaults))
            for place, own in self._known(_OF_DATABASES, *lists[1])
        ]
        self._unique("name", *lists)
        self._earlier_names([((*place, i), one) for place, items in lists for i, one in enumerate(items)])
        self._apart([*devices, *databases])
        return (
            [one for one in map(self._device, devices) if one],
            [one for one in map(self._database, databases) if one],
        )

    def _sites(self, tree: object) -> dict[str, _Shared]:
        """Given the tree of `sites`, return what the devices of each share, by its name. Note its flaws."""
        if isinstance(tree, list):
            sentence = "found a list, expected a mapping: the name of each site, and its settings below it"
            self._problems.add(("sites",), f"{sentence} (dhaka: {{timezone: Asia/Dhaka}})")
        sites = _mapping(tree, ("sites",), self._problems) if tree else {}
        self._knows_sites = sites is not None
        for name in sites or {}:
            if not _is_label(name):
                self._problems.add(("sites", Hidden(name)), f"found {found(name)}, {Label.EXPECTED}")
        return {name: self._shared(one, ("sites", name)) for name, one in (sites or {}).items()}

    def _site_of(self, place: Place, own: Parts) -> list[_Shared]:
        """Given a device or database and its place, return what its site gives it, if it has one."""
        site = own.get("site")
        if not isinstance(site, str) or not site or site in self.sites:
            return [self.sites[site]] if isinstance(site, str) and site else []
        written = as_written(site)
        meant = None if written else nearest(site, self.sites)
        hint = f"did you mean {meant}?" if meant else f"there are {', '.join(self.sites)}"
        if not self.sites:
            hint = f"named under sites: at the top (sites: {{{written or site}: {{}}}})"
        text = f"found {found(written or site)}, expected the name of a site, {hint}"
        if self._knows_sites:
            self._problems.add((*place, "site"), text)
        return [_Shared(("sites", site), {}, whole=False)]

    def _list(self, tree: object, key: str) -> list[Any] | None:
        """Given the tree of a list of sources, return it, or None after noting its shape. It may be empty."""
        if isinstance(tree, list):
            return tree
        if tree == "":
            return []
        tight = [name for name in tree if re.match("-[a-z]", name)] if isinstance(tree, dict) else []
        if tight:
            self._problems.add(
                (key, Hidden(tight[0])), "no space behind the -", self._problems.line((key, tight[0]))
            )
            return None
        sentence = f"found {found_shape(tree)}, expected a list of {key} (each begins with -)"
        self._problems.add((key,), sentence)
        return None

    def _known(self, names: Collection[str], place: Place, items: list[Any]) -> Iterator[tuple[Place, Parts]]:
        """Given names of settings, and a list with its place, yield each mapping in it: its place, those."""
        for i, item in enumerate(items):
            here = (*place, i)
            if (own := _mapping(item, here, self._problems)) is not None:
                yield here, self._problems.known(own, names, here, _AT_THE_TOP)

    def _database(self, entry: _Entry) -> Database | None:
        """Given a database as the file gives it, return it, or None after noting its flaws."""
        made = self.build(Database, entry.merged, entry.where, whole=entry.whole)
        if made is None:  # its place is compared last, and not at all after another mistake; do it now
            self.build(Store, entry.telling, entry.where, whole=entry.whole)
        return made

    def _device(self, entry: _Entry) -> Device | None:
        """Given a device as the file gives it, return it, or None after noting its flaws."""
        if not entry.called and "push" in entry.merged:
            for key in CALLING:
                if key in entry.own:
                    sentence = "needs host: beside it; nobody calls a device without one"
                    self._problems.add((*entry.place, key), sentence)
        made = self.build(Device, entry.merged, entry.where, whole=entry.whole)
        if made is None:  # its doors are compared last, and not at all after another mistake; do it now
            self.build(Doors, entry.telling, entry.where, whole=entry.whole)
        return made

    def _shared(self, tree: object, place: Place) -> _Shared:
        """Given the tree of `defaults` or of a site, and its place, return what it gives. Note its flaws."""
        # All of it may be commented out.
        given = _mapping(tree, place, self._problems) if tree else {}
        known = self._problems.known(given or {}, tuple(Device.model_fields), place, _AT_THE_TOP)
        for key in ONE_DEVICE_ONLY:
            if known.pop(key, None) is not None:
                sentence = f"tells one device from another, so it cannot stand in {place[0]}"
                self._problems.add((*place, key), sentence)
        # A wrong default is told even if every device overrides it; what it needs, each may have itself.
        self.build(Defaults, known, lambda key: (*place, key))
        return _Shared(place, known, whole=given is not None)

    def _unique(self, key: str, *lists: tuple[Place, list[Any]]) -> None:
        """Given lists of mappings, note each that has the same text at a key as an earlier one."""
        entries = [((*place, i, key), item) for place, items in lists for i, item in enumerate(items)]
        texts = [(item.get(key) if isinstance(item, dict) else None, here) for here, item in entries]
        self._once(f"the {key}", [(text, here) for text, here in texts if text and isinstance(text, str)])

    def _earlier_names(self, entries: list[tuple[Place, object]]) -> None:
        """Given things with their places, note each earlier name of one that is another's, or a name now."""
        named = [(one, place) for place, one in entries if isinstance(one, dict)]
        present = {name: place for one, place in named if isinstance(name := one.get("name"), str)}
        earlier: list[tuple[str, Place]] = []
        for one, place in named:
            was, here = one.get("was"), (*place, "was")
            several = [(text, (*here, i)) for i, text in enumerate(was)] if isinstance(was, list) else []
            texts = several or [(was, here)]
            earlier += [(text, at) for text, at in texts if text and isinstance(text, str)]
        self._once("an earlier name (was:)", earlier)
        for name, at in earlier:
            if name in present:
                shown = found(as_written(_at(self._tree, at)) or name)
                line = self._problems.line(present[name])
                self._problems.add(at, f"{shown} is the name of what is on line {line}, and no earlier one")

    def _once(self, what: str, texts: Iterable[tuple[str, Place]]) -> None:
        """Given texts with their places, and a word for them, note each that repeats an earlier one."""
        first: dict[str, Place] = {}
        for text, here in texts:
            there = first.setdefault(text, here)
            if there != here:
                line = self._problems.line(there)
                shown = found(as_written(_at(self._tree, here)) or text)
                self._problems.add(here, f"{shown} is already {what} on line {line}")

    def _apart(self, entries: list[_Entry]) -> None:
        """Given the sources, note each enabled one that is the same as an earlier one."""
        seen: dict[object, _Entry] = {}
        for entry in entries:
            for key, mark, told in entry.marks(self._context):
                first = seen.setdefault(mark, entry)
                if first is not entry:
                    line = self._problems.line(first.place)
                    sentence = f"{told} is already an enabled {first.noun} on line {line}"
                    self._problems.add(entry.where(key), sentence)
        self._no_other_has(entries)

    def _no_other_has(self, entries: list[_Entry]) -> None:
        """Given the sources, note each number of one's own (trust: inventory) that one taken out has, too."""
        for entry in entries:
            serial = entry.merged.get("serial")
            if entry.merged.get("trust") != "inventory" or not isinstance(serial, str) or not serial:
                continue
            for other in entries:
                both_tell = entry.marks(self._context) and other.marks(self._context)
                if other is not entry and other.own.get("serial") == serial and not both_tell:
                    line = self._problems.line(other.place)
                    sentence = f"serial {serial} is that of the {other.noun} on line {line}; make up another"
                    self._problems.add(entry.where("serial"), sentence)


@dataclass(frozen=True)
class _Shared:
    """Settings that several devices have from one place: from `defaults`, or from their site."""

    place: Place
    given: Parts
    whole: bool = True
    """Whether all of them could be read."""


@dataclass(frozen=True)
class _Entry:
    """One device as the file gives it."""

    place: Place
    own: Parts
    shared: tuple[_Shared, ...]
    """What it has from its site, if it has one, then from the defaults; what comes first counts."""
    noun: ClassVar[str] = "device"

    @property
    def called(self) -> bool:
        """Whether it has a host."""
        return "host" in self.own

    @property
    def whole(self) -> bool:
        """Whether all of its settings could be read, so that one that lacks is missing."""
        return all(one.whole for one in self.shared)

    @property
    def given(self) -> Parts:
        """All that is given for it, wherever."""
        given: Parts = {}
        for one in reversed(self.shared):
            given |= one.given
        return given | self.own

    @property
    def merged(self) -> Parts:
        """Its settings. Where nobody calls it, what it shares of calls is not for it."""
        given = self.given
        return {key: given[key] for key in given if self.called or key not in CALLING or key in self.own}

    @property
    def telling(self) -> Parts:
        """Those of its settings that tell it apart, and how its punches come."""
        return {key: value for key, value in self.merged.items() if key in Doors.model_fields}

    def where(self, key: str) -> Place:
        """Given a setting, return its place in the file."""
        if key not in self.own:
            for one in self.shared:
                if key in one.given:
                    return (*one.place, key)
        return (*self.place, key)

    def marks(self, context: Parts) -> list[tuple[str, object, str]]:
        """Return the marks that no other enabled source may share: setting, value, words."""
        telling = self.telling
        try:
            device = Doors.model_validate(telling, context=context)
        except ValidationError:  # told when all of it is checked
            return []
        if not device.enabled:
            return []
        shown = {key: as_written(telling.get(key)) or getattr(device, key) for key in Doors.model_fields}
        marks: list[tuple[str, object, str]] = []
        if device.host is not None:
            address = (same_host(device.host), device.port, device.transport)
            marks.append(("host", address, "{host} port {port} ({transport})".format_map(shown)))
        if device.serial:
            marks.append(("serial", device.serial, "serial {serial}".format_map(shown)))
        return marks


@dataclass(frozen=True)
class _DatabaseEntry(_Entry):
    """One database as the file gives it."""

    noun: ClassVar[str] = "database"

    @property
    def merged(self) -> Parts:
        """Its settings, with those that it shares and that mean something for a database."""
        return {key: value for key, value in self.given.items() if key in Database.model_fields}

    @property
    def telling(self) -> Parts:
        """Those of its settings that tell it apart, and how it is reached."""
        return {key: value for key, value in self.merged.items() if key in Store.model_fields}

    def marks(self, context: Parts) -> list[tuple[str, object, str]]:
        """Return the marks that no other enabled source may share: setting, value, words."""
        telling = self.telling
        try:
            store = Store.model_validate(telling, context=context)
        except ValidationError:  # told when all of it is checked
            return []
        if not store.enabled:
            return []
        key = "file" if store.file else "url"
        marks: list[tuple[str, object, str]] = [
            (key, store.address, as_written(telling[key]) or store.address)
        ]
        if store.serial:
            marks.append(("serial", store.serial, f"serial {as_written(telling['serial']) or store.serial}"))
        return marks


@dataclass(frozen=True)
class _Flaw:
    """What is wrong with a setting."""

    sentence: str
    meant: str | None = None
    """The setting that is meant, if the name is the flaw."""


def _in_words(model: type[BaseModel], detail: ErrorDetails) -> tuple[Place, _Flaw]:
    """Given one of pydantic's errors, return the setting of the model it is about and a sentence on it.

    The setting is a place within the model's settings: `("port",)`, or `("clock", "set_when_off_by")`.
    """
    place = detail["loc"] or ("",)
    sections = [SECTIONS[step] for step in place[:-1] if isinstance(step, str) and step in SECTIONS]
    owner = sections[-1] if sections else model  # the innermost
    if place[-1] == "[key]":  # of an entry whose name is wrong; it stands where its value does
        place = place[:-1]
    if detail["type"] == "missing":
        return place, _Flaw(_missing(owner, str(place[-1])))
    if detail["type"] == "extra_forbidden":
        key, sentence, meant = unknown(str(place[-1]), detail["input"], owner.model_fields)
        return (*place[:-1], key), _Flaw(sentence, meant)
    error = detail.get("ctx", {}).get("error", detail["msg"])
    if isinstance(error, Sentence):
        sentence = error.told(as_written(_at(detail["input"], error.place)))
        return (*detail["loc"], *error.place) if error.place else place, _Flaw(sentence)
    return place, _Flaw(f"found {found(detail['input'])}, {error}")


def _at(tree: object, place: Place) -> object:
    """Given a tree as it was read and a place in it, return the value there, None if there is none."""
    for step in place:
        try:
            tree = tree[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _missing(model: type[BaseModel], key: str) -> str:
    return f"missing ({model.model_fields[key].description})"
