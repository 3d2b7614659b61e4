"""Heads that two readers may read in two ways, by which a request is smuggled past a proxy. Pure."""

from __future__ import annotations

from typing import Final

_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_LONGEST_NUMBER: Final = 15
"""Digits of a length: a petabyte."""


def is_ambiguous(head: bytes) -> bool:
    """Given a request's line and headers, say whether it is in doubt where its body ends.

    No terminal was ever seen to send a folded line, two lengths, or a coding of its body; `chunked` alone and
    in HTTP/1.1 is clear.
    """
    line, *headers = head.split(b"\r\n")
    if any(header.startswith((b" ", b"\t")) for header in headers):
        return True
    fields = [
        (name.lower(), value.strip(b" \t")) for name, _, value in (one.partition(b":") for one in headers)
    ]
    told = [field for field in fields if field[0] in (_LENGTH, _CODING)]
    if not told:
        return False
    (name, value), *more = told
    if more:
        return True
    if name == _CODING:
        return value.lower() != b"chunked" or not line.endswith(b" HTTP/1.1")
    return not value.isdigit() or len(value) > _LONGEST_NUMBER
