"""The first request to a dashboard, as a person may see it: whole, without its secrets. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zkpoll.delivery.contract import Decision, to_repeat
from zkpoll.delivery.excerpts import as_text, redact
from zkpoll.inventory.settings import MASK, without_query
from zkpoll.model.delivery import Preview

if TYPE_CHECKING:
    from zkpoll.delivery.access import Access
    from zkpoll.delivery.contract import Format, Request
    from zkpoll.model.delivery import SentRequest
    from zkpoll.model.punch import Event


def preview(dashboard: str, access: Access, form: Format, event: Event) -> Preview:
    """Given a dashboard's name, the access to it, its format and a punch, return the request it would get."""
    request = form.carry([event])
    if isinstance(request, Decision):
        return Preview(dashboard, problem=" ".join(request.rejected.values()))
    return _shown(dashboard, access, request)


def preview_again(dashboard: str, access: Access, form: Format, sent: SentRequest) -> Preview | None:
    """Given a request as it went out, return it if it would be sent again as it was."""
    request = to_repeat(form, sent)
    if request is None:
        return None
    shown = _shown(dashboard, access, request)
    return replace(shown, again=len(request.ids), sent_at=sent.began_at)


def _shown(dashboard: str, access: Access, request: Request) -> Preview:
    headers: dict[str, str] = {}
    if access.authorization is not None:
        headers["Authorization"] = f"{access.authorization.partition(' ')[0]} {MASK}"
    headers |= dict.fromkeys(access.headers, MASK)
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    headers |= request.headers
    if request.key is not None:
        headers["Idempotency-Key"] = request.key
        headers |= {"webhook-signature": MASK} if access.signing else {}
    return Preview(
        dashboard,
        request.method,
        redact(without_query(access.url_of(request)), access.secrets),
        headers,
        redact(as_text(request.body or b""), access.secrets),
    )
