"""Answers of somebody between here and the dashboard, which never saw the request. Pure.

Guards that want a browser tell of themselves in headers (developers.cloudflare.com, "Detect a Challenge Page
response"; AWS WAF API reference, ChallengeAction and CaptchaAction). AWS WAF does so with a 202 without a
body, which would otherwise confirm punches that nobody has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zkpoll.delivery.contract import Reply

MARKS: Final = ("server", "cf-mitigated", "x-amzn-waf-action")
"""The headers of an answer that are looked at."""
_OF_CLOUDFLARE: Final = re.compile(
    r"<title>\s*(just a moment|attention required)|_cf_chl_opt|^\s*error code: 10(0[6-9]|10|12|20)\b",
    re.IGNORECASE,
)
"""What its challenges and blocks hold, also those of before there was a header for it."""
_WANTS_TLS: Final = re.compile(
    "plain HTTP request was sent to HTTPS port"  # nginx
    "|speaking plain HTTP to an SSL-enabled server port"  # Apache
    "|sent an HTTP request to an HTTPS server"  # Go
    "|combination of host and port requires TLS",  # Tomcat
    re.IGNORECASE,
)


def guard_of(reply: Reply) -> str:
    """Given a reply, return the name of the guard that wants a browser in place of us. Empty if none does."""
    marks, text = reply.marks, reply.content.text
    if "x-amzn-waf-action" in marks:
        return "AWS WAF"
    server = marks.get("server", "").lower()
    asks = server.startswith("cloudflare") and reply.status // 100 != 2 and _OF_CLOUDFLARE.search(text)
    return "Cloudflare" if marks.get("cf-mitigated", "").lower() == "challenge" or asks else ""


def wants_tls(reply: Reply) -> bool:
    """Given a reply, return whether it is that of a port for TLS to a request without."""
    return reply.status == 400 and _WANTS_TLS.search(reply.content.text[:4096]) is not None
