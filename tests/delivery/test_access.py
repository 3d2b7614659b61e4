"""Settings of a dashboard -> what the client needs, and nothing of it where it can be read."""

from __future__ import annotations

import base64

from pydantic import SecretStr

from zkpoll.delivery.access import Access
from zkpoll.delivery.contract import Reply
from zkpoll.delivery.verdicts import judge
from zkpoll.inventory import Basic, Dashboard, Signing

NEW, OLD = (base64.b64encode(bytes([letter]) * 24).decode() for letter in b"no")


def full() -> Dashboard:
    """Return a dashboard with every credential that is text."""
    return Dashboard(
        url="https://dashboard.example.com/v1",
        timeout=7,
        basic=Basic(user="zkpoll", password=SecretStr("p\u00e4ssword")),
        headers={"X-Api-Key": SecretStr("api-key-1"), "X-Site": SecretStr("7")},
        signing=Signing(secret=SecretStr(f"whsec_{NEW}"), previous=SecretStr(OLD)),
        gzip=True,
    )


def test_settings_become_an_access() -> None:
    """Every setting that the client needs is in the access, as plain text."""
    assert Access.to(full()) == Access(
        url="https://dashboard.example.com/v1",
        timeout=7.0,
        basic=("zkpoll", "p\u00e4ssword"),
        headers={"X-Api-Key": "api-key-1", "X-Site": "7"},
        signing=(f"whsec_{NEW}", OLD),
        gzip=True,
    )
    assert Access.to(Dashboard(url="http://a", token=SecretStr("t0ken"))) == Access("http://a", 30.0, "t0ken")


def test_authorization() -> None:
    """A token goes as Bearer, a user and a password as Basic in UTF-8, and without them there is nothing."""
    basic = base64.b64encode("zkpoll:p\u00e4ssword".encode()).decode()
    assert Access("http://a", 1.0, "t0ken").authorization == "Bearer t0ken"
    assert Access.to(full()).authorization == f"Basic {basic}"
    assert Access("http://a", 1.0).authorization is None


def test_no_message_holds_a_secret() -> None:
    """Whatever of it a dashboard echoes, no credential reaches a message; a short header is no secret."""
    access = Access.to(full())
    basic = base64.b64encode("zkpoll:p\u00e4ssword".encode()).decode()
    secrets = ("p\u00e4ssword", basic, "api-key-1", NEW, OLD)
    echo = " ".join(["7 of", *secrets]).encode()
    message = judge(Reply(401, "text/plain", echo), access.secrets).message
    assert "7 of *** *** *** *** ***" in message
    assert "t0ken" in Access("http://a", 1.0, "t0ken").secrets


def test_the_word_behind_bearer_is_a_secret_too() -> None:
    """Of an Authorization among the headers, the dashboard may echo the token alone."""
    access = Access("http://a", 1.0, headers={"Authorization": "Bearer hunter2"})
    assert set(access.secrets) == {"Bearer hunter2", "hunter2"}


def test_no_repr_shows_a_secret() -> None:
    """Neither the record nor the settings show a credential where they are printed."""
    shown = repr(Access.to(full())) + repr(full()) + str(full().model_dump(mode="json"))
    assert not [secret for secret in Access.to(full()).secrets if secret in shown]
    assert "t0ken" not in repr(Access("http://a", 1.0, "t0ken"))
