"""`workers:`: the broker that carries errands, and how often they are sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from tests.inventory.helpers import GOOD, read, wrong
from zkpoll.errors import InventoryError
from zkpoll.inventory import Workers, load
from zkpoll.inventory.scalars import Scalar

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "p@ss/w:rd #1"
QUOTED = "p%40ss%2Fw%3Ard%20%231"
SAMPLES = "such as redis://10.0.0.5:6379/1 or amqps://zkpoll@10.0.0.5/zkpoll"
NUMBER = "expected the number of a database at its end, such as redis://10.0.0.5/1"
HOST = "expected an IPv4 or IPv6 address, or a DNS name of letters, digits, '-', '_' and '.'"
SPAN = "expected a duration from 1m to 1d, such as 10 (seconds), 500ms, 15m or 2h"
NO_NUMBER = (
    "expected a mapping with broker: and every:; how many devices are visited at the same time is parallel:"
)
TWICE = "a password in broker and password_file exclude each other; keep one of them"
EXPECTED = f"expected the URL of a broker, {SAMPLES}"
WRITTEN_OUT = "found a password written out, expected ${NAME} in its place, or password_file:"


def having(workers: str) -> str:
    """Given the value of `workers`, on line 5, return an inventory with it."""
    return GOOD.replace("defaults:", f"workers: {workers}\ndefaults:")


def workers_of(folder: Path, written: str) -> Workers:
    """Given the value of `workers`, return what it is read as."""
    made = read(folder, having(written), {"PW": SECRET, "BROKER": f"amqp://zkpoll:{QUOTED}@b/v"}).workers
    assert made is not None
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a password in a file."""
    (tmp_path / "password").write_text(f"{SECRET}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("written", "url", "address"),
    [
        ("{broker: 'redis://10.0.0.5'}", "redis://10.0.0.5", "redis://10.0.0.5"),
        ("{broker: 'redis://10.0.0.5:6380/3'}", "redis://10.0.0.5:6380/3", "redis://10.0.0.5:6380/3"),
        ("{broker: 'redis://:${PW}@b/1'}", f"redis://:{QUOTED}@b/1", "redis://@b/1"),
        ("{broker: 'rediss://zk:${PW}@b'}", f"rediss://zk:{QUOTED}@b", "rediss://zk@b"),
        ("{broker: 'redis://b/1', password_file: password}", f"redis://:{QUOTED}@b/1", "redis://b/1"),
        ("{broker: 'amqp://zk@b', password_file: password}", f"amqp://zk:{QUOTED}@b", "amqp://zk@b"),
        ("{broker: 'amqps://z%40k@b:5671/v'}", "amqps://z%40k@b:5671/v", "amqps://z%40k@b:5671/v"),
        ("{broker: 'amqp://b/a%2Fb'}", "amqp://b/a%2Fb", "amqp://b/a%2Fb"),
        ("{broker: 'amqp://b//'}", "amqp://b/%2F", "amqp://b//"),
        ("{broker: 'amqp://[fd00::5]:5672/v'}", "amqp://[fd00::5]:5672/v", "amqp://[fd00::5]:5672/v"),
        ("{broker: '${BROKER}'}", f"amqp://zkpoll:{QUOTED}@b/v", "amqp://zkpoll@b/v"),
    ],
)
def test_a_broker_is_named_by_its_url(folder: Path, written: str, url: str, address: str) -> None:
    """The client library gets all of it, percent-encoded; people see it without the password."""
    made = workers_of(folder, written)
    assert (made.broker_url(), made.address, made.every) == (url, address, 300)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_any_password_of_a_file_reaches_the_broker_as_it_is(tmp_path: Path, password: str) -> None:
    """Whatever signs are in it, a library that takes the URL apart has the password, user and host."""
    (tmp_path / "password").write_text(password, encoding="utf-8")
    parts = urlsplit(
        workers_of(tmp_path, "{broker: 'amqp://zk@b:5672/v', password_file: password}").broker_url()
    )
    assert unquote(parts.password or "") == password
    assert (parts.username, parts.hostname, parts.port, parts.path) == ("zk", "b", 5672, "/v")


@pytest.mark.parametrize(
    "written",
    [
        "{broker: 'redis://zk:${PW}@10.0.0.5/1'}",
        "{broker: 'amqp://zk@b/v', password_file: password}",
        "{broker: '${BROKER}'}",
    ],
)
def test_the_password_is_never_shown(folder: Path, written: str) -> None:
    """It is in no representation, and masked where the settings are shown."""
    made = workers_of(folder, written)
    inventory = read(folder, having(written), {"PW": SECRET, "BROKER": f"amqp://zkpoll:{QUOTED}@b/v"})
    shown = [repr(made), str(made), made.address, repr(inventory), str(inventory.masked())]
    assert not [text for text in shown if SECRET in text or QUOTED in text]


def test_it_is_shown_as_it_is_written(folder: Path) -> None:
    """The mask stands for a password in the URL; the file of one is named."""
    first = read(folder, having("{broker: 'redis://zk:${PW}@b/1', every: 10m}"), {"PW": SECRET})
    assert first.masked()["workers"] == {"broker": "redis://zk:********@b/1", "every": 600}
    assert first.masked(for_people=True)["workers"]["every"] == "10m"
    second = read(folder, having("{broker: 'amqp://zk@b/v', password_file: password}"))
    assert second.masked()["workers"] == {
        "broker": "amqp://zk@b/v",
        "password_file": str(folder / "password"),
        "every": 300,
    }
    assert read(folder, GOOD).workers is None
    assert "workers" not in read(folder, GOOD).masked()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{broker: 'http://b'}", f".broker: found 'http://b', {EXPECTED}"),
        ("{broker: 'b:6379'}", f".broker: found 'b:(hidden)', {EXPECTED}"),
        ("{broker: 'redis://b/x'}", f".broker: found 'redis://b/x', {NUMBER}"),
        (
            "{broker: 'redis://b:70000'}",
            ".broker: found 'redis://b:(hidden)', expected a port from 1 to 65535",
        ),
        ("{broker: 'redis://'}", f".broker: found 'redis://', {HOST}"),
        ("{broker: 'amqp://b/a/b'}", f".broker: found 'amqp://b/a/b', {EXPECTED}"),
        ("{broker: 'redis://b/1?ssl_cert_reqs=none'}", f".broker: found 'redis://b/1?(hidden)', {EXPECTED}"),
        ("{broker: 'redis://:hunter2/1'}", f".broker: found 'redis://:(hidden)', {EXPECTED}"),
        ("{broker: 'redis://zk:hunter2@b/x'}", f".broker: found '(hidden)@b/x', {NUMBER}"),
        ("{broker: 'redis://zk:hunter2@b/1'}", f".broker: {WRITTEN_OUT}"),
        ("{broker: 'redis://zk:hunter2@${HOST}/1'}", f".broker: {WRITTEN_OUT}"),
        ("{broker: 'redis://${HOST:-a}:hunter2@b/1'}", f".broker: {WRITTEN_OUT}"),
        ("{broker: 'redis://:${NOPE}@b'}", ".broker: environment variable NOPE is not set"),
        ("{broker: }", f".broker: found nothing, {EXPECTED}"),
        ("{broker: [a]}", f".broker: found a list, {EXPECTED}"),
        ("{broker: 'redis://:${PW}@b', password_file: password}", f".password_file: {TWICE}"),
        (
            "{broker: 'amqp://b', password: hunter2}",
            ".password: unknown setting, did you mean password_file?",
        ),
        ("{broker: 'redis://b', every: 59s}", f".every: found '59s', {SPAN}"),
        (
            "{broker: 'redis://b', password_file: nope}",
            ".password_file: cannot read {folder}/nope: No such file or directory",
        ),
        ("8", f": found '8', {NO_NUMBER}"),
        ("{url: 'redis://b', broker: 'redis://b'}", ".url: unknown setting, did you mean broker?"),
        ("redis://b", ": found text, expected a mapping of settings (name: value)"),
    ],
)
def test_a_wrong_one_is_told_without_its_password(folder: Path, written: str, told: str) -> None:
    """What is wrong is said with its line and place, and what may be a password is hidden."""
    (line,) = wrong(folder, having(written), {"HOST": "b", "PW": SECRET})
    assert line == f"devices.yaml:5: workers{told.replace('{folder}', str(folder))}"
    assert "hunter2" not in line


def test_workers_need_a_broker(folder: Path) -> None:
    """Without one it is asked for, by its place, with an example."""
    for written in ("{every: 5m}", "{password_file: password}"):
        (line,) = wrong(folder, having(written))
        assert line.startswith("devices.yaml:5: workers.broker: missing (The URL of the broker that carries")
        assert SAMPLES in line


def test_a_look_without_secrets_knows_how_often(folder: Path) -> None:
    """What looks into the journal has neither the variable nor the file, and can tell what is late."""
    text = having("{broker: 'redis://:${NOPE}@b', password_file: nope, every: 7m}")
    (folder / "devices.yaml").write_text(text, encoding="utf-8")
    made = load(folder / "devices.yaml", {}, secrets=False).workers
    assert made is not None
    assert made.every == 420
    for asked in (made.broker_url, lambda: made.address):
        with pytest.raises(LookupError, match="broker was left unread"):
            asked()
    with pytest.raises(InventoryError, match="NOPE"):
        load(folder / "devices.yaml", {})


def test_code_builds_workers_by_the_same_rules() -> None:
    """A password in code is nobody's mistake in a file; a broker is needed, and must be one."""
    assert Workers(broker=SecretStr("redis://:a@b")).broker_url() == "redis://:a@b"
    with pytest.raises(ValidationError, match="missing"):
        Workers()
    with pytest.raises(ValidationError, match="written out"):
        Workers.model_validate({"broker": Scalar("redis://:a@b", written="redis://:a@b")})


@given(url=st.from_regex(r"(redis|amqp)://[a-z]{0,3}(:hunter2)[@/:a-z0-9]{0,9}", fullmatch=True))
def test_no_complaint_shows_what_may_be_a_password(url: str) -> None:
    """However a URL is wrong, what stands behind its user is not told."""
    try:
        Workers.model_validate({"broker": Scalar(url, written=url)})
    except ValidationError as error:
        told = " ".join(one["msg"] for one in error.errors(include_url=False, include_input=False))
        assert "hunter2" not in re.sub(r"such as .*", "", told)
    else:
        pytest.fail("a password that is written out was taken")
