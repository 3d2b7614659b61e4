"""What is signed is what receivers of Standard Webhooks verify."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from tests.delivery.forms import carried
from tests.delivery.outbox import EXAMPLE
from zkpoll.delivery.signing import signed

SECRETS = st.binary(min_size=24, max_size=64).map(lambda raw: base64.b64encode(raw).decode())


@given(new=SECRETS, old=SECRETS, key=st.text("0123456789abcdef", min_size=64, max_size=64), text=st.text())
def test_receivers_verify_what_is_signed(new: str, old: str, key: str, text: str) -> None:
    """The reference implementation accepts the signature by the new secret and by the one before it."""
    body = text.encode("utf-8", "replace")
    headers = signed([f"whsec_{new}", old.rstrip("=")], key, int(time.time()), body)
    for secret in (new, old):
        Webhook(secret).verify(body, headers, json_parse=False)


def test_the_published_example() -> None:
    """The example of the reference implementation comes out, to the letter."""
    secret, message = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert signed([secret], message, 1_614_265_330, b'{"test": 2432232314}') == {
        "webhook-id": message,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_changed_body_is_refused() -> None:
    """A signature is of one body; the newest secret's comes first."""
    new, old = (base64.b64encode(bytes([letter]) * 32).decode() for letter in b"no")
    sent = carried("events", [EXAMPLE])
    now = int(time.time())
    both = signed([new, old], sent.key, now, sent.body)
    alone = signed([new], sent.key, now, sent.body)
    assert both["webhook-signature"].split(" ")[0] == alone["webhook-signature"]
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(sent.body + b" ", both, json_parse=False)
