"""A digest of the settings of one device, database or dashboard. Pure."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from zkpoll.inventory.dashboards import CREDENTIALS

if TYPE_CHECKING:
    from zkpoll.inventory.dashboards import Dashboard
    from zkpoll.inventory.sources import Source

_OF_THIS_MACHINE: Final = frozenset({"comm_key", "password", "password_file", *CREDENTIALS})
"""Secrets, and how they are come by: each machine may have a way of its own."""
_DIGITS: Final = 16


def settings_digest(settings: Source | Dashboard) -> str:
    """Given a device, a database or a dashboard, return the digest of its settings: 16 hex digits.

    It is the same on all machines with the same inventory, however that is spelled, and differs where any
    setting does that changes what a visit or a delivery does. Secrets are not in it, and of a file only the
    name, not its folder and not its content. A setting that has its default counts as left out: so a release
    with a new setting changes no digest, but one with another default or another way to write a value may.
    It is for an inventory that was read with its secrets: without them other settings are left out as well.
    """
    written = settings.model_dump(mode="json", exclude_defaults=True, exclude=set(_OF_THIS_MACHINE))
    for place, key in ((written, "file"), (written.get("user_id"), "map_file")):
        if isinstance(place, dict) and key in place:
            place[key] = PurePath(place[key]).name
    if isinstance(push := written.get("push"), dict):
        written["push"] = {key: value for key, value in push.items() if key != "secret"} or True
    text = json.dumps([type(settings).__name__, written], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
