"""Who is meant: people by their ids and names, as users were exported last. Pure but for `people_of`."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zkpoll.model.printable import shown
from zkpoll.reports.user_rows import readable
from zkpoll.reports.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal

_ENCODING: Final = "utf-8"
"""Of the names of a database, and of a device that left the inventory."""
_NEAR: Final = 3
"""People that are offered in place of one whom nobody knows."""
_ALIKE: Final = 0.6
"""How much of an id and of a wrong one must be the same: a digit too much, two that changed places."""
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
"""The accents of Latin, Greek and Cyrillic. Vowel signs of India, too, are marks, and stay."""
_Names: TypeAlias = "Mapping[str, Mapping[str, Sequence[str]]]"
"""By user id: each name of it, and the keys of the devices that have it so."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person, as devices know one."""

    user_id: str
    names: tuple[str, ...] = ()
    """Different ones where devices have different ones; none where nobody has told one."""
    places: tuple[str, ...] = ()
    """The devices and databases that know the id."""

    @property
    def name(self) -> str | None:
        """The name, or all of them; None where there is none."""
        return " / ".join(self.names) or None

    def __str__(self) -> str:
        """Return the id, and the name behind it."""
        return f"{self.user_id} {self.name or ''}".rstrip()

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"user_id": self.user_id, "name": self.name, "places": list(self.places)}


@dataclass(frozen=True, slots=True)
class People:
    """All of whom a device or a database told, in the last export of its users."""

    known: _Names = field(default_factory=dict, repr=False)
    places: Mapping[str, str] = field(default_factory=dict)
    """What the devices are called, by key."""

    def name_at(self, key: str, user_id: str) -> str | None:
        """Return a person's name at a device, else the only one that is known of that id anywhere."""
        names = {name: keys for name, keys in self.known.get(user_id, {}).items() if name}
        if len(names) == 1:
            return next(iter(names))
        return next((name for name, keys in names.items() if key in keys), None)

    def person(self, user_id: str) -> Person:
        """Return all that is known of the person with this id."""
        names = self.known.get(user_id, {})
        keys = dict.fromkeys(key for keys in names.values() for key in keys)
        return Person(user_id, tuple(filter(None, names)), tuple(self.places.get(key, key) for key in keys))

    def called(self, text: str) -> list[Person]:
        """Return the persons in whose names that text is, however it is written."""
        part = folded(text)
        found = (one for one, names in self.known.items() if any(part in folded(name) for name in names))
        return [self.person(user_id) for user_id in sorted(found)] if part else []

    def nearest(self, text: str, punched: Collection[str]) -> list[Person]:
        """Return the persons whose id or name is most like that text, the likest first."""
        owners: dict[str, str] = {user_id.casefold(): user_id for user_id in (*punched, *self.known)}
        for user_id, names in self.known.items():
            owners |= {word: user_id for name in names for word in (folded(name), *folded(name).split())}
        word = folded(text)
        padded = sorted(one for one in owners if word.isdigit() and one.lstrip("0") == word.lstrip("0"))
        close = difflib.get_close_matches(word, owners, n=2 * _NEAR, cutoff=_ALIKE)
        close.sort(key=lambda one: (-difflib.SequenceMatcher(None, one, word).ratio(), one))
        return [self.person(one) for one in dict.fromkeys(owners[word] for word in (*padded, *close))][:_NEAR]


def folded(text: str) -> str:
    """Return a name without the case of its letters, their accents, and double spaces."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(unicodedata.normalize("NFC", plain).casefold().split())


def people_of(inventory: Inventory, journal: Journal) -> People:
    """Return the people whom the last exports of users know, of devices and of databases."""
    from zkpoll.journal.names import exported_names

    encodings = {device.name: device.encoding for device in inventory.devices}
    by_serial = {device.serial: device.name for device in inventory.devices if device.serial}
    known: dict[str, dict[str, list[str]]] = {}
    places: dict[str, str] = {}
    for key, told, users in exported_names(journal):
        places[key] = place = told or by_serial.get(key) or key
        encoding = encodings.get(place, _ENCODING)
        for user_id, given in users:
            known.setdefault(user_id, {}).setdefault(readable(given, encoding), []).append(key)
    return People(known, places)


# --- who is meant by a word ---


@dataclass(frozen=True, slots=True)
class Meant:
    """Who is meant by an id or a name."""

    asked: str
    found: tuple[Person, ...]
    """One; or several, of whom nobody is chosen; or none."""
    nearest: tuple[Person, ...] = ()
    """Where none is found, who may be meant."""
    names_are_known: bool = True
    """Whether any users were exported, so that names can be found at all."""

    @property
    def is_id(self) -> bool:
        """Whether it looks like a user id, known or not, and not like a name."""
        return any(map(str.isdigit, self.asked))

    def sentence(self) -> str:
        """Return why nobody is found or chosen."""
        if self.found:
            return f"{counted(len(self.found), 'person', 'people')} fit {self.asked!r}; say the user id"
        asked = shown(self.asked)
        if not (self.is_id or self.names_are_known):
            return f"nobody has the id {asked}, and no names are known; `zkpoll users export` keeps them"
        what = "id" if self.is_id else "id or the name"
        near = ", ".join(f"{one.user_id}{f' ({one.name})' if one.name else ''}" for one in self.nearest)
        verb = "the nearest are" if len(self.nearest) > 1 else "the nearest is"
        return f"nobody has the {what} {asked}; {f'{verb} {near}' if near else 'none is near it'}"

    def lines(self) -> Iterator[str]:
        """Yield a line for each of those who may be meant."""
        yield from ("  ".join((one.user_id, one.name or "", ", ".join(one.places))) for one in self.found)

    def document(self) -> dict[str, Any]:
        """Return those who may be meant as JSON has them."""
        return {"candidates": [one.document() for one in self.found]}


def who(inventory: Inventory, journal: Journal, asked: str) -> Meant:
    """Given a user id, or a name or a part of one, return who is meant. An id wins over any name."""
    from zkpoll.journal.names import has_punched, ids_of_punches

    people = people_of(inventory, journal)
    if asked in people.known or has_punched(journal, asked):
        return Meant(asked, (people.person(asked),))
    if found := people.called(asked):
        return Meant(asked, tuple(found))
    near = tuple(people.nearest(asked, ids_of_punches(journal)))
    return Meant(asked, (), near, names_are_known=bool(people.known))
