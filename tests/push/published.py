"""Published requests of real terminals (`tests/captures/push.yaml`, whose header explains its fields)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).parents[1] / "captures" / "push.yaml"
_TARGETS = {"attlog": "cdata?table=ATTLOG", "rtlog": "cdata?table=rtlog", "devicecmd": "devicecmd"}
_SAID = {
    "(OPERLOG)": "/iclock/cdata?table=OPERLOG",
    "(BIODATA)": "/iclock/cdata?table=BIODATA",
}
"""Targets that were told in words."""


@dataclass(frozen=True)
class Published:
    """One published request."""

    name: str
    """The capture's id, and the request's place in it: `C16-1`."""
    target: str
    body: bytes
    punches: list[list[Any]] | None
    """None where none are told."""
    quarantined: int
    content_length: int | None
    method: str


@cache
def published() -> dict[str, Published]:
    """Return all requests whose target is known, or told by their kind."""
    found = {}
    for entry in yaml.safe_load(_FILE.read_text("utf-8"))["captures"]:
        for place, one in enumerate(entry.get("requests", [entry["request"]] if "request" in entry else [])):
            kind = _TARGETS.get(entry["kind"])
            target = one.get("target") or (f"/iclock/{kind}" if kind else "")
            target = _SAID.get(target, target).replace("<sn>", "RDPK278648853")
            if target.startswith("(SenseFace-type) INFO="):
                target = "/iclock/getrequest?" + target.partition(" ")[2]
            if not target:
                continue
            name = f"{entry['id']}-{place}"
            found[name] = Published(
                name,
                target,
                one.get("body", "").encode("utf-8"),
                one.get("punches"),
                one.get("quarantined", 0),
                one.get("content_length"),
                one.get("method") or ("POST" if "body" in one else "GET"),
            )
    return found
