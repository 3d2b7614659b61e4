"""Where the inventory is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkpoll.errors import InventoryError
from zkpoll.inventory import file, locate


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the three places, in a working folder, a home and an /etc of our own."""
    etc = tmp_path / "etc" / "devices.yaml"
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(file, "PLACES", (*file.PLACES[:2], str(etc)))
    return [Path("devices.yaml"), tmp_path / "home/.config/zkpoll/devices.yaml", etc]


def test_what_is_asked_for_comes_first(places: list[Path]) -> None:
    """--config beats ZKPOLL_CONFIG, which beats every place, whether it exists or not."""
    places[0].touch()
    env = {"ZKPOLL_CONFIG": "/from/env.yaml"}
    assert locate(Path("/given.yaml"), env) == Path("/given.yaml")
    assert locate(None, env) == Path("/from/env.yaml")
    assert locate(None, {"ZKPOLL_CONFIG": ""}) == places[0]


def test_the_home_folder_is_expanded_in_what_is_asked_for(places: list[Path]) -> None:
    """`~` works where no shell expands it, as in a unit file."""
    assert locate(None, {"ZKPOLL_CONFIG": "~/.config/zkpoll/devices.yaml"}) == places[1]
    assert locate(Path("~nobody-at-all/x"), {}) == Path("~nobody-at-all/x")


def test_the_places_are_searched_in_order(places: list[Path]) -> None:
    """The working folder, then the home folder, then /etc."""
    for place in reversed(places):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        assert locate(None, {}) == place


@pytest.mark.usefixtures("places")
def test_an_inventory_that_is_nowhere_names_the_places() -> None:
    """The error says where was looked and how to name another place."""
    with pytest.raises(InventoryError) as caught:
        locate(None, {})
    assert str(caught.value).startswith(
        "no inventory found; looked for ./devices.yaml, ~/.config/zkpoll/devices.yaml, "
    )
    assert str(caught.value).endswith("Name one with --config or ZKPOLL_CONFIG")


def test_the_last_place_is_in_etc() -> None:
    """System services find their inventory in /etc/zkpoll."""
    assert file.PLACES[-1] == "/etc/zkpoll/devices.yaml"
