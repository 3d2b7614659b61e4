"""Every answer of the tables, given by a real server to a real request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.delivery.answers import CASES, IDS, Case
from tests.delivery.dashboard import Dashboard, Script
from tests.delivery.template_answers import CASES as TEMPLATE_CASES
from tests.delivery.template_answers import TemplateCase
from tests.delivery.test_registry import terminals
from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Reply, Request, carried_out
from zkpoll.delivery.formats.template import TemplateFormat
from zkpoll.delivery.verdicts import judge
from zkpoll.inventory.formats.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable

    Serve = Callable[..., Dashboard]

MUCH = b"[" + b"1," * 2_200_000 + b"1]"
"""More than is read of an answer."""


def scripts(case: Case) -> tuple[Script, ...]:
    """Return how a server gives the answers of a case, as far as there is something to send."""
    replies = [one for one in case.answers if isinstance(one, Reply) and one.status >= 200]
    return (*(Script(raw=raw) for raw in case.raw), *map(script_of, replies))


def script_of(reply: Reply) -> Script:
    """Return how a server gives a reply."""
    headers = {"Content-Type": reply.content_type, **reply.marks}
    if reply.status in {204, 304}:  # these have no body, and no length
        return Script(reply.status, headers, b"", length=False)
    return Script(reply.status, headers, reply.body if reply.whole else MUCH)


@pytest.mark.parametrize("case", CASES, ids=[case.shown for case in CASES])
def test_each_answer_of_the_table(serve: Serve, case: Case) -> None:
    """What the table says of an answer holds for the bytes that a server sends."""
    served, request = scripts(case), Request(b"{}", "k" * 64, IDS)
    access, found = Access(serve(*served).url if served else "", 10.0), []
    for script in served:
        with Client(access) as client:  # a server that sends bytes of its own may hang up behind them
            found.append((script, judge(client.send(request), (), IDS).verdict))
    assert found == [(script, case.verdict) for script in served]


@pytest.mark.parametrize("case", TEMPLATE_CASES, ids=[case.shown for case in TEMPLATE_CASES])
def test_each_answer_of_the_table_for_templates(serve: Serve, case: TemplateCase) -> None:
    """What the table for templates says of an answer holds for the bytes that a server sends."""
    settings = Template.model_validate({"body": {"id": "{{ id }}"}})
    form = TemplateFormat(settings.model_copy(update={"success": case.success}), terminals())
    served, request = scripts(case), Request(b"{}", "k" * 64, case.ids)
    access, found = Access(serve(*served).url if served else "", 10.0), []
    for script in served:
        with Client(access) as client:
            found.append((script, carried_out(form.resend(request), client.send).verdict))
    assert found == [(script, case.verdict) for script in served]
