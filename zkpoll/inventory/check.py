"""A tree of text -> an Inventory, or all the reasons why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from zkpoll.inventory.dashboards import CREDENTIALS, Credentials, Dashboard
from zkpoll.inventory.hosts import same_host
from zkpoll.inventory.models import CALLING, SECTIONS, Defaults, Device, Doors, Inventory
from zkpoll.inventory.problems import Sentence, found, found_shape, nearest, unknown
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

_PLAIN = ("journal", "parallel", "keep_raw", "alert_after", "metrics", "health", "listen")
TOP = ("dashboard", *_PLAIN, "defaults", "devices")
ONE_DEVICE_ONLY = ("name", "host", "serial")
"""The settings that tell devices apart, so that they cannot stand in `defaults`."""


def inventory(tree: Tree, problems: Problems, folder: Path, *, strict: bool) -> Inventory | None:
    """Given a file's tree and folder, return the inventory; its flaws are noted in `problems`.

    `strict` is for the kinds of settings that else tell of a smaller mistake later, when it matters.

    If there are problems, the result (None or not) cannot be used.
    """
    if tree in ("", {}):
        problems.add((), "the file is empty, expected an inventory")
        return None
    top = _mapping(tree, (), problems)
    if top is None:
        return None
    settings = problems.known(top, TOP, ())
    devices = settings.get("devices")
    entries = [one for one in devices if isinstance(one, dict)] if isinstance(devices, list) else []
    named = [(one.get("name"), "host" in one) for one in entries]
    called = {name: has_host for name, has_host in named if name and isinstance(name, str)}
    check = _Check(top, problems, {"folder": folder, "strict": strict}, called)
    parts: Parts = {key: settings[key] for key in _PLAIN if key in settings}
    parts["dashboards"] = check.dashboards(settings)
    parts["devices"] = check.devices(settings)
    return check.build(Inventory, parts, lambda key: (key,))


def _mapping(tree: object, place: Place, problems: Problems) -> Parts | None:
    """Given a value in the place of a mapping, return it, or None after noting its shape."""
    if isinstance(tree, dict):
        return tree
    problems.add(place, f"found {found_shape(tree)}, expected a mapping of settings (name: value)")
    return None


class _Check:
    """The checks of one file."""

    def __init__(
        self, tree: Tree, problems: Problems, context: Mapping[str, object], called: Mapping[str, bool]
    ) -> None:
        """Begin. `called` has for the name of each device whether it has a host."""
        self._tree = tree
        self._problems = problems
        self._context = dict(context)
        self._called = called

    def build(self, model: type[M], settings: Parts, where: Where) -> M | None:
        """Given settings, return the model of them, or None after noting their flaws."""
        try:
            return model.model_validate(settings, context=self._context)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                (key, *inner), sentence = _in_words(model, detail)
                place = (*where(str(key)), *inner)
                # While a part of it is unreadable, nothing can be told of the whole.
                if not self._problems.within(place):
                    self._problems.add(place, sentence)
            return None

    def dashboards(self, top: Parts) -> list[Dashboard]:
        """Given the top of a file, return its valid dashboards."""
        if "dashboard" not in top:
            self._problems.add(("dashboard",), "missing (where punches go: a mapping with a url)")
            return []
        tree = top["dashboard"]
        if not isinstance(tree, list):
            return self._dashboard(tree, ("dashboard",), "url")
        if not tree:
            self._problems.add(("dashboard",), "found an empty list, expected a dashboard")
        self._unique("name", tree, ("dashboard",))
        places = [(item, ("dashboard", i)) for i, item in enumerate(tree)]
        return [made for item, at in places for made in self._dashboard(item, at, "name", "url")]

    def _dashboard(self, tree: object, place: Place, *required: str) -> list[Dashboard]:
        """Given one dashboard's tree and the settings it needs, return it, in a list of 0 or 1."""
        own = _mapping(tree, place, self._problems)
        if own is None:
            return []
        own = self._problems.known(own, tuple(Dashboard.model_fields), place)
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
                    if name not in self._called:
                        meant = None if written else nearest(name, self._called)
                        hint = f", did you mean {as_written(meant) or meant}?" if meant else ""
                        sentence = f"found {found(written or name)}, expected the name of a device{hint}"
                        self._problems.add(here, sentence)
                    elif names.no_callers and not self._called[name]:
                        what = f"found {found(written or name)}, a device without a host"
                        self._problems.add(here, f"{what}: {names.no_callers}")

    def devices(self, top: Parts) -> list[Device]:
        """Given the top of a file, return its valid devices, defaults merged in."""
        defaults = self._defaults(top.get("defaults", ""))
        tree = top.get("devices", "")
        if not isinstance(tree, list) or not tree:
            sentence = f"found {found_shape(tree)}, expected a list of devices (each begins with -)"
            none = tree in ("", [])
            self._problems.add(("devices",), "no devices, expected at least one" if none else sentence)
            return []
        entries = []
        for i, item in enumerate(tree):
            place: Place = ("devices", i)
            if (own := _mapping(item, place, self._problems)) is not None:
                own = self._problems.known(own, tuple(Device.model_fields), place)
                entries.append(_Entry(place, own, defaults))
        self._unique("name", tree, ("devices",))
        self._apart(entries)
        made = [self._device(entry) for entry in entries]
        return [device for device in made if device]

    def _device(self, entry: _Entry) -> Device | None:
        """Given a device as the file gives it, return it, or None after noting its flaws."""
        if not entry.called and "push" in entry.merged:
            for key in CALLING:
                if key in entry.own:
                    sentence = "needs host: beside it; nobody calls a device without one"
                    self._problems.add((*entry.place, key), sentence)
        made = self.build(Device, entry.merged, entry.where)
        if made is None:  # its doors are compared last, and not at all after another mistake; do it now
            self.build(Doors, entry.doors, entry.where)
        return made

    def _defaults(self, tree: object) -> Parts:
        """Given the tree of `defaults`, return the settings that may stand there. Note its flaws."""
        place: Place = ("defaults",)
        # All of it may be commented out.
        given = _mapping(tree, place, self._problems) if tree else {}
        known = self._problems.known(given or {}, tuple(Device.model_fields), place)
        for key in ONE_DEVICE_ONLY:
            if known.pop(key, None) is not None:
                sentence = "tells one device from another, so it cannot stand in defaults"
                self._problems.add((*place, key), sentence)
        # A wrong default is told even if every device overrides it; what it needs, each may have itself.
        self.build(Defaults, known, lambda key: (*place, key))
        return known

    def _unique(self, key: str, items: list[Any], place: Place) -> None:
        """Given a list of mappings, note each that has the same text at a key as an earlier one."""
        texts = [(item.get(key) if isinstance(item, dict) else None) for item in items]
        given = [(text, (*place, i, key)) for i, text in enumerate(texts) if text and isinstance(text, str)]
        self._once(f"the {key}", given)

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
        """Given the devices, note each enabled one that is the same terminal as an earlier one."""
        seen: dict[object, Place] = {}
        for entry in entries:
            for key, mark, told in entry.marks():
                there = seen.setdefault(mark, entry.place)
                if there != entry.place:
                    line = self._problems.line(there)
                    sentence = f"{told} is already an enabled device on line {line}"
                    self._problems.add(entry.where(key), sentence)


@dataclass(frozen=True)
class _Entry:
    """One device as the file gives it."""

    place: Place
    own: Parts
    defaults: Parts

    @property
    def called(self) -> bool:
        """Whether it has a host."""
        return "host" in self.own

    @property
    def merged(self) -> Parts:
        """Its settings. Where nobody calls it, what the defaults say of calls is not for it."""
        given = self.defaults | self.own
        return {key: given[key] for key in given if self.called or key not in CALLING or key in self.own}

    @property
    def doors(self) -> Parts:
        """Those of its settings that tell it apart, and how its punches come."""
        return {key: value for key, value in self.merged.items() if key in Doors.model_fields}

    def where(self, key: str) -> Place:
        """Given a setting, return its place in the file."""
        if key in self.defaults and key not in self.own:
            return ("defaults", key)
        return (*self.place, key)

    def marks(self) -> list[tuple[str, object, str]]:
        """Return the marks that no other enabled device may share: setting, value, words."""
        telling = self.doors
        try:
            device = Doors.model_validate(telling)
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


def _in_words(model: type[BaseModel], detail: ErrorDetails) -> tuple[Place, str]:
    """Given one of pydantic's errors, return the setting of the model it is about and a sentence on it.

    The setting is a place within the model's settings: `("port",)`, or `("clock", "set_when_off_by")`.
    """
    place = detail["loc"] or ("",)
    sections = [SECTIONS[step] for step in place[:-1] if isinstance(step, str) and step in SECTIONS]
    owner = sections[-1] if sections else model  # the innermost
    if place[-1] == "[key]":  # of an entry whose name is wrong; it stands where its value does
        place = place[:-1]
    if detail["type"] == "missing":
        return place, _missing(owner, str(place[-1]))
    if detail["type"] == "extra_forbidden":
        key, sentence = unknown(str(place[-1]), detail["input"], owner.model_fields)
        return (*place[:-1], key), sentence
    error = detail.get("ctx", {}).get("error", detail["msg"])
    if isinstance(error, Sentence):
        sentence = error.told(as_written(_at(detail["input"], error.place)))
        return (*detail["loc"], *error.place) if error.place else place, sentence
    return place, f"found {found(detail['input'])}, {error}"


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
