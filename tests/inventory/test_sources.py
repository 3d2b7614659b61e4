"""What all doors share of a source of punches."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from zkpoll.inventory import Device, Source
from zkpoll.inventory.settings import Settings, in_order


def test_a_source_needs_no_address() -> None:
    """A source that nobody calls has a name and a zone, and the rest of what is shared by default."""
    made = Source(name="gate", timezone="Asia/Dhaka", serial="CQZ7224760045")
    called = Device(name="gate", timezone="Asia/Dhaka", serial="CQZ7224760045", host="192.0.2.1")
    assert made.model_dump().items() <= called.model_dump().items()
    with pytest.raises(ValidationError):
        Source.model_validate({"name": "gate", "timezone": "UTC", "latitude": 1})


def test_an_order_names_every_setting() -> None:
    """A setting without a place in the order is a mistake that shows at once."""

    class Pair(Settings):
        one: int = 1
        two: int = 2

    assert list(in_order("two", "one")(Pair).model_fields) == ["two", "one"]
    with pytest.raises(KeyError):
        in_order("two")(Pair)
    assert list(Device.model_fields)[:3] == ["name", "was", "host"]
