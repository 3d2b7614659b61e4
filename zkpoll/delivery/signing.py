"""Signatures of requests, as Standard Webhooks (https://www.standardwebhooks.com) has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def signed(secrets: Sequence[str], key: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Given secrets, a request's key and body and the time of the attempt, return the headers that sign it.

    Each secret (base64, after `whsec_` or not) gives a signature, in their order. The time is in whole
    seconds since 1970, UTC.
    """
    content = f"{key}.{timestamp}.".encode() + body
    keys = (secret.removeprefix("whsec_") for secret in secrets)
    padded = (base64.b64decode(digits + "=" * (-len(digits) % 4)) for digits in keys)
    digests = (hmac.digest(one, content, hashlib.sha256) for one in padded)
    return {
        "webhook-id": key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
