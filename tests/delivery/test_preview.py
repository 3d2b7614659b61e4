"""What a person sees of a request: all of it, but for its secrets."""

from __future__ import annotations

import json

import pytest

from tests.delivery.forms import FORMS
from tests.delivery.outbox import EXAMPLE
from zkpoll.delivery.access import Access
from zkpoll.delivery.excerpts import redact
from zkpoll.delivery.preview import preview

SECRET = 's3cret/k\u00e9y"8f7e'
TOKEN = "s3cret-k3y-8f7e"


def test_a_request() -> None:
    """The method, the address, the headers and the body are what goes out."""
    access = Access("https://a/v1", 5, TOKEN, headers={"X-Key": "k"}, signing=("c2lnbmluZw==",))
    shown = preview("main", access, FORMS["event"], EXAMPLE)
    assert (shown.dashboard, shown.method, shown.url, shown.problem) == ("main", "POST", "https://a/v1", None)
    key = shown.headers["Idempotency-Key"]
    assert dict(shown.headers) == {
        "Authorization": "Bearer ********",
        "X-Key": "********",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
        "webhook-signature": "********",
    }
    assert len(key) == 64
    assert json.loads(shown.body)["id"] == EXAMPLE.id


def test_a_key_in_the_address() -> None:
    """What follows the question mark may be a key, and is not shown."""
    shown = preview("main", Access(f"https://a/v1?key={TOKEN}&x=1", 5), FORMS["event"], EXAMPLE)
    assert shown.url == "https://a/v1?********"
    assert TOKEN not in repr(shown)


def test_a_secret_in_the_body() -> None:
    """A secret of the body, in whatever spelling JSON has for it, is masked."""
    access = Access("https://a", 5, in_bodies=(SECRET,))
    shown = preview("main", access, FORMS["event"], EXAMPLE._replace(user_id=SECRET))
    assert "8f7e" not in shown.body
    assert '"user_id":"***"' in shown.body


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("php", [False, True])
def test_every_spelling_of_an_echo(kept: bool, php: bool) -> None:
    """Whether letters and slashes are escaped or not, an echoed secret is not repeated."""
    echo = json.dumps({"you sent": SECRET}, ensure_ascii=kept)
    shown = redact(echo.replace("/", "\\/") if php else echo, [SECRET])
    assert json.loads(shown) == {"you sent": "***"}
