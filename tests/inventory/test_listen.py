"""The settings of the push door: `listen:`, `push:`, and devices that nobody calls."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

import pytest
import yaml
from pydantic import SecretStr

from tests.inventory.helpers import GOOD, device, read, wrong
from zkpoll.errors import InventoryError
from zkpoll.inventory import Binding, Device, Listen, Push, load

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = "hunter2_swordfish-16"
NETWORK: Final = "expected an IP address or a network, such as 203.0.113.0/24 (not 203.0.113.7/24)"
LETTERS: Final = "expected 16 to 64 letters, digits, - and _"
LIST: Final = "expected a list, such as [203.0.113.0/24]"
NEEDS_HOST: Final = "needs host: beside it; nobody calls a device without one"
BINDING: Final = 'expected a host and a port, such as 0.0.0.0:8081 or "[::]:8081"'
POLL: Final = "expected a duration from 2s to 60s, such as 10 (seconds), 500ms, 15m or 2h"
PUSH: Final = "expected true, false or settings, such as {secret: ...}"


def listening(inside: str) -> str:
    """Given the inside of `listen:`, return an inventory that has it on line 5."""
    return GOOD.replace("defaults:", f"listen: {{{inside}}}\ndefaults:")


def calling(*lines: str, defaults: str = "") -> str:
    """Given settings of a device without a host, return an inventory whose only device has them from line 10.

    `defaults` is one more setting there, on line 6.
    """
    text = device(*lines).replace("    host: 192.168.1.201\n", "    serial: CQZ7224760045\n")
    return text.replace("  timezone", f"  {defaults}\n  timezone") if defaults else text


# --- listen: ---


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("0.0.0.0:8081", Binding("0.0.0.0", 8081)),
        ("'[::]:8081'", Binding("::", 8081)),
        ("'[fe80::1%eth0]:80'", Binding("fe80::1%eth0", 80)),
        ("127.0.0.1:0", Binding("127.0.0.1", 0)),
        ("localhost:65535", Binding("localhost", 65_535)),
        ("systemd", "systemd"),
        ("'${ADDRESS}'", Binding("10.0.0.1", 8081)),
    ],
)
def test_where_we_listen(tmp_path: Path, written: str, address: Binding | str) -> None:
    """An address of either kind, a name, any free port, or the word for a socket that is handed over."""
    made = read(tmp_path, listening(f"address: {written}"), {"ADDRESS": "10.0.0.1:8081"})
    assert made.listen is not None
    assert made.listen.address == address
    assert str(made.listen.address) in {written.strip("'"), "10.0.0.1:8081"}


def test_a_listener_by_default_and_in_full(tmp_path: Path) -> None:
    """Without `listen:` there is none; else devices call twice a minute, and no proxy is believed."""
    assert read(tmp_path, GOOD).listen is None
    bare = read(tmp_path, listening("address: systemd")).listen
    assert bare is not None
    assert (bare.health, bare.poll_every, bare.trusted_proxies) == (None, 30, ())
    whole = (
        "address: a:1, health: '127.0.0.1:8082', poll_every: 1m, trusted_proxies: [10.0.0.2, 2001:db8::/32]"
    )
    made = read(tmp_path, listening(whole)).listen
    assert made is not None
    assert (made.health, made.poll_every) == (Binding("127.0.0.1", 8082), 60)
    assert made.trusted_proxies == (ip_network("10.0.0.2/32"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        (
            "health: a:1",
            f"listen.address: missing ({Listen.model_fields['address'].description})",
        ),
        ("address: 8081", f"listen.address: found '8081', {BINDING}, or systemd"),
        ("address: ':8081'", f"listen.address: found ':8081', {BINDING}, or systemd"),
        ("address: '::1:8081'", f"listen.address: found '::1:8081', {BINDING}, or systemd"),
        ("address: '[a]:8081'", f"listen.address: found '[a]:8081', {BINDING}, or systemd"),
        ("address: a:65536", f"listen.address: found 'a:65536', {BINDING}, or systemd"),
        ("address: [a]", f"listen.address: found a list, {BINDING}, or systemd"),
        ("address: ", f"listen.address: found nothing, {BINDING}, or systemd"),
        ("address: a:1, health: systemd", f"listen.health: found 'systemd', {BINDING}"),
        (
            "address: a:1, health: a:1",
            "listen.health: is where devices call; they and this have each a port of their own",
        ),
        ("address: a:1, poll_every: 1", f"listen.poll_every: found '1', {POLL}"),
        ("address: a:1, poll_every: 2.5s", "listen.poll_every: found '2.5s', expected whole seconds"),
        (
            "address: a:1, trusted_proxies: 10.0.0.2",
            "listen.trusted_proxies: found text, expected a list, such as [10.0.0.2]",
        ),
        ("address: a:1, trusted_proxies: ['::', a.b]", f"listen.trusted_proxies[1]: found 'a.b', {NETWORK}"),
        (
            "address: a:1, trusted_proxies: [10.0.0.1/8]",
            f"listen.trusted_proxies[0]: found '10.0.0.1/8', {NETWORK}",
        ),
        ("address: a:1, poll_evry: 2", "listen.poll_evry: unknown setting, did you mean poll_every?"),
    ],
)
def test_a_wrong_listener_is_one_exact_line(tmp_path: Path, inside: str, told: str) -> None:
    """A mistake in `listen:` is told with its line and place, what was found and what is expected."""
    assert wrong(tmp_path, listening(inside)) == [f"devices.yaml:5: {told}"]


# --- push: ---


@pytest.mark.parametrize(
    ("written", "push"),
    [
        ("true", Push()),
        ("{}", Push()),
        ("false", None),
        (f"{{secret: {SECRET}}}", Push(secret=SecretStr(SECRET))),
        ("{secret: '${SECRET}'}", Push(secret=SecretStr(SECRET))),
        ("{secret: '${file:secret}'}", Push(secret=SecretStr(SECRET))),
        (
            "{networks: [203.0.113.0/24, 2001:db8::1]}",
            Push(networks=(ip_network("203.0.113.0/24"), ip_network("2001:db8::1/128"))),
        ),
        (
            "{networks: ['::ffff:203.0.113.0/120', '::ffff:198.51.100.7']}",  # as logs show who called
            Push(networks=(ip_network("203.0.113.0/24"), ip_network("198.51.100.7/32"))),
        ),
    ],
)
def test_how_a_device_pushes(tmp_path: Path, written: str, push: Push | None) -> None:
    """A switch, or the secret in its calls and where they come from; it may be called as well."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    made = read(tmp_path, device("serial: CQZ7224760045", f"push: {written}"), {"SECRET": SECRET})
    assert made.devices[0].push == push
    assert made.called == made.devices
    assert made.pushing == (made.devices if push else ())


def test_a_device_that_nobody_calls(tmp_path: Path) -> None:
    """A device without a host pushes; what the defaults say of calls is not for it, and all else is."""
    text = calling("push: true", "enabled: no", defaults="clear: confirmed")
    made = read(tmp_path, text + "  - {name: back, host: 10.0.0.1}\n")
    gate, back = made.devices
    assert gate == Device(
        name="front", serial="CQZ7224760045", timezone="Asia/Dhaka", push=Push(), enabled=False
    )
    assert back.clear.above == 0
    assert (made.called, made.pushing) == ((back,), (gate,))
    assert back.address == ("10.0.0.1", 4370, "tcp")
    with pytest.raises(LookupError, match="calls us"):
        gate.address  # noqa: B018  (a property)


def test_all_devices_may_push_by_default(tmp_path: Path) -> None:
    """`push: true` may stand in the defaults; a device that does not push says so itself."""
    text = calling(defaults="push: {networks: [10.0.0.0/8]}")
    made = read(tmp_path, text + "  - {name: back, host: 10.0.0.1, push: false}\n")
    assert [one.name for one in made.pushing] == ["front"]
    assert made.devices[0].push == Push(networks=(ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("push: often", f"push: found text, {PUSH}"),
        (f"push: {SECRET}", f"push: found text, {PUSH}"),
        ("push:", f"push: found nothing, {PUSH}"),
        ("push: [a]", f"push: found a list, {PUSH}"),
        ("push: '${GONE}'", "push: environment variable GONE is not set"),
        ("push: {secrt: a}", "push.secrt: unknown setting, did you mean secret?"),
        *(
            (f"push: {{secret: {secret}}}", f"push.secret: found (hidden), {LETTERS}")
            for secret in ["a" * 15, "a" * 65, f"{SECRET}/", f"'{SECRET} '", "ein-Geheimnis-für-uns"]
        ),
        ("push: {secret: }", f"push.secret: found nothing, {LETTERS}"),
        ("push: {secret: '${GONE}'}", "push.secret: environment variable GONE is not set"),
        ("push: {networks: 10.0.0.0/8}", f"push.networks: found text, {LIST}"),
        ("push: {networks: []}", f"push.networks: found nothing, {LIST}"),
        ("push: {networks: [10.0.0.0/33]}", f"push.networks[0]: found '10.0.0.0/33', {NETWORK}"),
        ("push: {networks: [gate.example.com]}", f"push.networks[0]: found 'gate.example.com', {NETWORK}"),
        *(
            (f"push: true, {key}: {value}", f"{key}: {NEEDS_HOST}")
            for key, value in {
                "comm_key": "1", "port": "4370", "transport": "udp", "clear": "never", "encoding": "utf-8",
                "clock": "{set_when_off_by: 30s}", "quiet_hours": "22:00-05:00", "visit_limit": "1m",
                "yield_seat": "5m",
                "timeout": "1s",
            }.items()
        ),
    ],
)  # fmt: skip
def test_a_wrong_push_is_one_exact_line(tmp_path: Path, line: str, told: str) -> None:
    """A mistake in the settings of a device that pushes is told once, at its place, without its secret."""
    text = calling().replace(
        "- name: front\n    serial: CQZ7224760045", f"- {{name: front, serial: A, {line}}}"
    )
    (only,) = wrong(tmp_path, text)
    assert only == f"devices.yaml:8: devices[0] (front).{told}"
    assert "hunter2" not in only


def test_a_device_has_a_door(tmp_path: Path) -> None:
    """A device that is neither called nor pushes is an error that names both settings, at its line."""
    told = "devices[0] (front).host: missing, and push: as well (host: to call it, push: true if it calls us)"
    assert wrong(tmp_path, calling()) == [f"devices.yaml:8: {told}"]
    assert wrong(tmp_path, calling("push: no", "port: 1")) == [
        f"devices.yaml:8: {told}",
        f"devices.yaml:11: devices[0] (front).port: {NEEDS_HOST}",
    ]


@pytest.mark.parametrize("where", ["    push: true\n", ""])
def test_what_pushes_is_known_by_its_serial(tmp_path: Path, where: str) -> None:
    """Also if it is called as well, or pushes by default, and beside any other mistake."""
    text = GOOD + where if where else GOOD.replace("  timezone", "  push: true\n  timezone")
    line = 8 if where else 9
    told = f"devices.yaml:{line}: devices[0] (front).serial: missing (a device that pushes is known by it)"
    assert wrong(tmp_path, text) == [told]
    assert wrong(tmp_path, text + "    latitude: x\n")[0] == told


@pytest.mark.parametrize("serial", ["A/B", "a b", "x" * 33, "é", "${S}"])
def test_a_serial_that_no_call_can_tell(tmp_path: Path, serial: str) -> None:
    """The serial number of a device that pushes has the characters that stand in its calls."""
    (only,) = wrong(tmp_path, device(f"serial: {serial}", "push: true"), {"S": "hunter 2"})
    shown = repr(serial)
    expected = "expected 1 to 32 letters, digits, - and _, as the device tells it"
    assert only == f"devices.yaml:10: devices[0] (front).serial: found {shown}, {expected}"


def test_a_secret_for_all_is_none(tmp_path: Path) -> None:
    """In the defaults a secret is refused: it tells nobody apart."""
    text = calling(defaults=f"push: {{secret: {SECRET}}}")
    (only,) = wrong(tmp_path, text)
    told = "tells nobody apart where all devices have it, so it cannot stand in defaults"
    assert only == f"devices.yaml:6: defaults.push.secret: {told}"


def test_two_that_push_are_two_devices(tmp_path: Path) -> None:
    """Devices without a host share no address, and none may share a serial number."""
    one = calling("push: true")
    assert len(read(tmp_path, one + "  - {name: b, serial: B, push: true}\n").devices) == 2
    assert wrong(tmp_path, one + "  - {name: b, serial: CQZ7224760045, push: true}\n") == [
        "devices.yaml:11: devices[1] (b).serial: serial CQZ7224760045 is already an enabled device on line 8"
    ]


# --- secrets ---


def test_no_text_of_the_settings_has_the_secret(tmp_path: Path) -> None:
    """Printing settings shows no secret, and what `config check` prints loads again."""
    inside = f"push: {{secret: {SECRET}, networks: [10.0.0.0/8]}}"
    made = read(tmp_path, calling(inside).replace("defaults:", "listen: {address: '[::]:0'}\ndefaults:"))
    for text in (repr(made), str(made), str(made.masked())):
        assert SECRET not in text
    shown = made.masked()
    assert shown["listen"] == {"address": "[::]:0", "poll_every": 30, "trusted_proxies": []}
    (gate,) = shown["devices"]
    assert gate["push"] == {"secret": "********", "networks": ["10.0.0.0/8"]}
    assert not gate.keys() & {"host", "port", "transport", "clear", "timeout"}
    plain = read(tmp_path, calling("push: true"))
    assert plain.masked()["devices"][0]["push"] is True
    assert read(tmp_path, yaml.safe_dump(plain.masked())).pushing == plain.pushing


def test_without_secrets_a_device_still_pushes(tmp_path: Path) -> None:
    """Where secrets are not asked for, that of a device that pushes is not needed, and it still pushes."""
    path = tmp_path / "devices.yaml"
    for more, push in {
        "": Push(),
        ", networks: [10.0.0.0/8]": Push(networks=(ip_network("10.0.0.0/8"),)),
    }.items():
        path.write_text(calling(f"push: {{secret: '${{GONE}}'{more}}}"), encoding="utf-8")
        assert load(path, {}, secrets=False).devices[0].push == push
        with pytest.raises(InventoryError, match="GONE"):
            load(path, {})


# --- shifts ---


def test_a_shift_has_no_device_that_nobody_reads(tmp_path: Path) -> None:
    """A shift is complete as far as all of its devices were read, so one that is never read is refused."""
    site = "a:b\n  format: frappe\n  frappe: {timezone: UTC, shifts: [{name: Day, devices: [front]}]}"
    text = calling("push: true").replace("secret-token", site)
    (only,) = wrong(tmp_path, text)
    place = "devices.yaml:5: dashboard.frappe.shifts[0].devices[0]"
    assert only.startswith(f"{place}: found 'front', a device without a host: it is never read, so ")
    assert read(tmp_path, text.replace("    push", "    host: 10.0.0.1\n    push")).pushing
