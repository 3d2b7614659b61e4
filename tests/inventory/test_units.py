"""Credentials, where the units of zkpoll have them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from zkpoll.inventory.units import credential

if TYPE_CHECKING:
    from pathlib import Path


class Machine:
    """Folders for units and credentials, as a machine has them."""

    def __init__(self, folder: Path) -> None:
        self.token = folder / "token"
        self.token.write_text("t0ken")
        self.other = folder / "other"
        self.other.write_text("other")
        self.etc, self.run, self.lib = (folder / name for name in ("etc", "run", "lib"))
        self.store = folder / "store"

    def write(self, file: Path, *lines: str, section: str = "Service") -> None:
        """Write a unit, or what is dropped in."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join((f"[{section}]", *lines, "")))

    def find(self, name: str = "token") -> Path:
        """Return the file of a credential."""
        return credential(name, (self.etc, self.run, self.lib), (self.store,))

    def why_not(self, name: str = "token") -> str:
        """Return why it has none."""
        with pytest.raises(ValueError) as caught:  # noqa: PT011  # the sentence is what is looked at
            self.find(name)
        return str(caught.value)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine without units."""
    return Machine(tmp_path)


def test_a_unit_and_what_is_dropped_in(machine: Machine) -> None:
    """The unit that systemd takes is read, with its drop-ins by their names; the last word counts."""
    load = f"LoadCredential=token:{machine.token}"
    machine.write(machine.lib / "zkpoll.service", f"LoadCredential=token:{machine.other}")
    machine.write(machine.etc / "zkpoll.service", "# LoadCredential=token:/no", load)
    assert machine.find() == machine.token
    machine.write(machine.etc / "zkpoll.service.d" / "override.conf", f"LoadCredential=token:{machine.other}")
    assert machine.find() == machine.other
    machine.write(machine.run / "zkpoll.service.d" / "a.conf", "LoadCredential=")
    assert machine.find() == machine.other  # a.conf comes before override.conf
    machine.write(machine.etc / "zkpoll.service.d" / "z.conf", "LoadCredential= \\", f"  key:{machine.token}")
    assert (machine.find("key"), machine.find()) == (machine.token, machine.other)
    machine.write(machine.etc / "zkpoll.service.d" / "z.conf", "LoadCredential=")
    assert "no unit of zkpoll has LoadCredential=token:PATH" in machine.why_not()
    machine.write(machine.etc / "zkpoll-serve.service", load)
    assert machine.find() == machine.token
    machine.write(machine.etc / "zkpoll-serve.service", load, section="Unit")
    assert "CREDENTIALS_DIRECTORY is not set, and no unit" in machine.why_not()


def test_a_credential_of_the_machine(machine: Machine) -> None:
    """A name without a path is one of systemd's own folder."""
    machine.store.mkdir()
    (machine.store / "token").write_text("t0ken")
    machine.write(machine.etc / "zkpoll.service", "LoadCredential=token")
    assert machine.find() == machine.store / "token"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            "LoadCredentialEncrypted=token:/x",
            "LoadCredentialEncrypted= in {unit}, which only systemd can read",
        ),
        ("SetCredential=token:abc", "SetCredential= in {unit}, which only systemd can read"),
        ("LoadCredential=token:%h/token", "a path with % in {unit}, which only systemd can fill"),
        ("LoadCredential=token:/no/such/file", "/no/such/file (says {unit}), and there is no such file"),
    ],
)
def test_what_only_systemd_has(machine: Machine, line: str, why: str) -> None:
    """What cannot be read is named with the unit that says so, and nothing of a value is shown."""
    unit = machine.etc / "zkpoll.service"
    machine.write(unit, line)
    told = machine.why_not()
    assert f"credential token is {why.format(unit=unit)}" in told
    assert "abc" not in told


def test_strange_units(machine: Machine) -> None:
    """A pipe, a loop of links or a device in a unit's place is no unit; no name is too long to be told."""
    long = "a" * 300
    machine.write(machine.etc / "zkpoll-serve.service", f"LoadCredential=token:{machine.token}")
    machine.write(machine.etc / "zkpoll-serve.service.d" / "a.conf", f"LoadCredential=key:{long}")
    os.mkfifo(machine.etc / "zkpoll.service")
    assert machine.find() == machine.token
    assert f"{long} (says " in machine.why_not("key")
    for target in ("zkpoll.service", "/dev/zero"):
        (machine.etc / "zkpoll.service").unlink()
        (machine.etc / "zkpoll.service").symlink_to(target)
        assert machine.find() == machine.token
