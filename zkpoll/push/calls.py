"""Reading a request's head: its route, secret, serial number and parameters. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from zkpoll.push.contract import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.push.contract import Head

_ROOT: Final = "iclock"
_ASPX: Final = ".aspx"
"""eSSL boards append it to every route (eSSL AiFace-Arion, X2008: captures)."""
_SERIAL: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_ANY_CASE: Final = ("sn", "table")
"""The parameters whose key is taken in any case."""


def parse(head: Head) -> Call | None:
    """Given a head, return its call, or None where its path is not `[/SECRET]/iclock/NAME`.

    Nothing that is sent makes it fail. Repeated and trailing slashes mean nothing: some firmware doubles
    them. A bare `/iclock/` is a call with an empty name. Where more than one word stands in front, as where
    `http://HOST/iclock/cdata` was typed in, all of it is taken for a secret: it is nobody's, and a person
    can see that it was refused.
    """
    match [part for part in head.path.split("/") if part]:
        case [*before, root, name] if root == _ROOT:
            return _call(head, "/".join(before) or None, name)
        case [*before, root] if root == _ROOT:
            return _call(head, "/".join(before) or None, "")
    return None


def _call(head: Head, secret: str | None, name: str) -> Call:
    pairs = [_pair(part) for part in head.query.split("&") if part]
    serial = _only([value for key, value in pairs if key.lower() == "sn"])
    table = _only([value for key, value in pairs if key.lower() == "table"])
    query = {key: value for key, value in reversed(pairs) if key.lower() not in _ANY_CASE}
    if table is not None:
        query["table"] = table
    well_formed = serial is not None and _SERIAL.fullmatch(serial)
    route = name.lower().removesuffix(_ASPX)
    return Call(head.method, route, secret, serial if well_formed else None, query)


def _pair(part: str) -> tuple[str, str]:
    """Given `key=value` as sent, return both, decoded: `%20` and `+` are spaces, bad UTF-8 is replaced."""
    key, _, value = part.partition("=")
    return unquote_plus(key), unquote_plus(value)


def _only(values: Sequence[str]) -> str | None:
    """Return the one value there is; None where there is none, or where two leave open which is meant."""
    return values[0] if len(values) == 1 else None
