"""What an installation brings, with every extra, may go together with GPL-2.0-or-later.

zkpoll hands out no other package: pip fetches them from their authors. Who makes an image hands them out
together, and there the licences have to agree. Some go with GPL 3 alone; since zkpoll is "2 or later", such
an image is under GPL 3.

The one doubt is pyzk, without which there is no zkpoll. Its package (0.9) has neither a licence nor a notice:
its metadata name a file LICENSE.txt that it lacks. Its project goes by the GPL, with the text of version 2;
none of its modules says "only" or "or later". Section 9 of that text lets one choose any version where none
is named. Who holds that version 2 alone is meant has to leave out of an image what is marked 3 below:
requests, tenacity, tzdata, prometheus-client, psycopg.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distribution
from typing import Final

import pytest
from packaging.requirements import Requirement

EXTRAS: Final = frozenset({"serve", "bridge", "postgres", "celery", "xlsx"})
GOES_WITH: Final = {
    "0BSD": 2,
    "Apache-2.0": 3,  # its terms on patents are too much for version 2
    "BSD-2-Clause": 2,
    "BSD-3-Clause": 2,
    "GPL-2.0-or-later": 2,
    "ISC": 2,
    "LGPL-2.1-only": 2,  # its section 3: or as GPL 2 or later
    "LGPL-2.1-or-later": 2,
    "LGPL-3.0-only": 3,  # it is GPL 3 with more permissions
    "LGPL-3.0-or-later": 3,
    "MIT": 2,
    "MPL-2.0": 2,  # its section 3.3, unless a file says otherwise
    "PSF-2.0": 2,
    "Unlicense": 2,
    "ZPL-2.1": 2,
}
"""The first version of the GPL that a licence goes with, by its SPDX id."""
IN_OTHER_WORDS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "New BSD": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
    "ZPL 2.1": "ZPL-2.1",
}
"""What metadata say that are older than SPDX ids."""
READ: Final = {
    "pymssql": "LGPL-2.1-only",  # the text itself stands where the name belongs
    "pyzk": "GPL-2.0-or-later",  # see above
}
"""Of packages whose metadata say nothing that can be read by a program: what a person found."""


def brought() -> dict[str, Distribution]:
    """Return what an installation with all extras brings here, by name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    left = [("zkpoll", EXTRAS)]
    while left:
        wanted = left.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        name, extras = wanted
        found[name] = distribution(name)
        for line in found[name].requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": one}) for one in extras | {""}):
                left.append((re.sub("[-_.]+", "-", needed.name).lower(), frozenset(needed.extras)))
    del found["zkpoll"]
    return found


def said(name: str, package: Distribution) -> list[str]:
    """Return the licences of a package, of which one may be chosen: SPDX expressions or other words."""
    told = package.metadata
    if name in READ:
        return [READ[name]]
    if expressions := told.get_all("License-Expression"):
        return expressions
    classified = [
        one.split(" :: ")[-1] for one in told.get_all("Classifier", []) if one.startswith("License ::")
    ]
    named: list[str] = told.get_all("License", [])
    return named if any(map(agreed, named)) else [*classified, *named]


def agreed(licence: str) -> bool:
    """Tell whether a licence goes with some version of the GPL from 2 on. One that is not known does not."""
    words = IN_OTHER_WORDS.get(licence, licence)
    choices = (choice.split(" AND ") for choice in words.split(" OR "))
    return any(all(one.strip() in GOES_WITH for one in together) for together in choices)


def test_every_licence_goes_with_ours() -> None:
    """Each package that an installation brings has a licence that goes with ours."""
    packages = brought()
    assert {"pyzk", "waitress", "redis", "psycopg-binary", "pymssql", "et-xmlfile", "urllib3"} <= set(
        packages
    )
    unknown = {name: said(name, package) for name, package in packages.items()}
    unknown = {name: words for name, words in unknown.items() if not any(map(agreed, words))}
    assert not unknown, (
        f"{unknown}: not known here. Read the licences of these packages. Where they go with"
        " GPL-2.0-or-later, add a row to GOES_WITH, IN_OTHER_WORDS or READ; else zkpoll cannot bring them"
    )


def test_what_a_person_read_is_still_needed() -> None:
    """Nobody's licence is looked up in a table for longer than its metadata are silent."""
    for name, package in brought().items():
        if name in READ:
            assert "License-Expression" not in package.metadata


@pytest.mark.parametrize(
    ("licence", "goes"),
    [
        ("MIT", True),
        ("Apache-2.0 OR Proprietary", True),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("MIT AND SSPL-1.0", False),
        ("GPL-2.0-only WITH Something", False),
        ("LICENSE.txt", False),
        ("", False),
    ],
)
def test_an_unknown_licence_does_not(licence: str, goes: bool) -> None:
    """One of several may be chosen, all of several have to go, and what is not in the table does not."""
    assert agreed(licence) is goes
