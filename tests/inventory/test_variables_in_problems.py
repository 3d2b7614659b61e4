"""What a variable holds may be a secret, whatever the setting: no error shows it, but the variable's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import GOOD, dashboard, device, wrong
from zkpoll.inventory import load
from zkpoll.inventory.dashboards import Dashboard
from zkpoll.inventory.models import Defaults, Device, Inventory
from zkpoll.inventory.people import UserIds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.certificates import Authority

SECRETS = ("hunter2 swordfish", "front-d00r", "123456", "hunter2/swordfish", "http://hunter2@x/#swordfish")
PLAIN = "${S}"
WITHIN = "a${S}"
FILE = "${file:$S/token}"


def check(folder: Path, text: str, secret: str) -> list[str]:
    """Return the errors of an inventory, which show nothing of what its variable holds."""
    lines = wrong(folder, text, {"S": secret})
    for piece in ("hunter2", "swordfish", "front-d00r", "123456", "d00r"):
        assert not any(piece in line for line in lines)
    return lines


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("value", [PLAIN, WITHIN, FILE, f"[{PLAIN!r}]", f"{{a: {PLAIN!r}}}"])
def test_no_setting_shows_what_a_variable_holds(tmp_path: Path, value: str, secret: str) -> None:
    """Of every setting that is wrong, by itself or beside another one, no error has the value."""
    given = value if value[0] in "[{" else repr(value)
    more = ", 'no such thing': 1"  # so that there is an error wherever the value happens to be right
    for key in Device.model_fields:
        check(tmp_path, GOOD + f"  - {{name: b, host: b, {key}: {given}{more}}}\n", secret)
    for key in Defaults.model_fields:
        check(tmp_path, GOOD.replace("defaults:", f"defaults:\n  {key}: {given}\n  no such thing: 1"), secret)
    for key in Dashboard.model_fields:
        check(tmp_path, dashboard("url: http://a", f"{key}: {given}", "no such thing: 1"), secret)
    for key in UserIds.model_fields:
        check(tmp_path, dashboard("url: http://a", f"user_id: {{{key}: {given}{more}}}"), secret)
    for key in Inventory.model_fields:
        check(tmp_path, GOOD + f"no such thing: 1\n{key}: {given}\n", secret)


ADDRESS = "expected an IPv4 or IPv6 address, or a DNS name of letters, digits, '-', '_' and '.'"
SITE = "expected the site's address alone, such as https://erp.example.com"
FRAPPE = "format: frappe", "frappe: {timezone: UTC}"


@pytest.mark.parametrize(
    ("text", "secret", "told"),
    [
        (device("port: ${S}"), "hunter2", "found '${S}', expected a whole number from 1 to 65535"),
        (device("port: ${S:-hunter}"), "hunter2", "found '${S:-hunter}', expected a whole"),
        (device("port: '4${S}'"), "hunter2", "found '4${S}', expected a whole"),
        (device("timezone: ${S}"), "dhaka", "found '${S}', expected a time zone such as Asia/Dhaka"),
        (device("serial: '${S} '"), "hunter2", "found '${S} ', expected 1 to 64 printable characters"),
        (GOOD + "  - {name: b, host: '${S}/'}\n", "hunter2", f"host: found '${{S}}/', {ADDRESS}"),
        (
            GOOD + "  - {name: '${S}', host: b}\n",
            "front",
            "devices[1] (${S}).name: '${S}' is already the name on line 8",
        ),
        (
            GOOD + "  - {name: b, host: '${S}'}\n",
            "192.168.1.201",
            "host: ${S} port 4370 (tcp) is already an enabled device on line 8",
        ),
        (
            GOOD + "    port: 1234\n  - {name: b, host: 192.168.1.201, port: '${S}'}\n",
            "1234",
            "host: 192.168.1.201 port ${S} (tcp) is already an enabled device on line 8",
        ),
        (
            GOOD + "    serial: hunter2\n  - {name: b, host: b, serial: '${S}'}\n",
            "hunter2",
            "devices[1] (b).serial: serial ${S} is already an enabled device on line 8",
        ),
        (
            device("in_states: [2, 123]", "out_states: [7, '${S}']"),
            "123",
            "out_states[1]: state ${S} is among in_states as well; it means one of both",
        ),
        (
            dashboard("url: https://a/app/${S}", "token: a:b", *FRAPPE),
            "hunter2",
            f"dashboard.url: found 'https://a/app/${{S}}', {SITE}",
        ),
        (
            dashboard("url: https://a/api/${S}?key=swordfish", "token: a:b", *FRAPPE),
            "hunter2",
            f"dashboard.url: found 'https://a/api/${{S}}?(hidden)', {SITE}",
        ),
        (dashboard("url: '${S}'"), "hunter2", "dashboard.url: found '${S}', expected an http:// or https://"),
        (dashboard("url: http://a", "token_file: '${S}'"), "hunter2", "cannot read ${S}: No such file"),
        (dashboard("url: http://a", "token_file: '${S}'"), "/dev/null", "cannot read ${S}: it is a device"),
        (dashboard("url: https://a", "ca_file: '${S}'"), "hunter2", "cannot read ${S}: No such file"),
        (dashboard("url: https://a", "client_cert: '${S}'"), "hunter2", "cannot read ${S}: No such file"),
        (
            dashboard("url: http://a", "user_id: {map_file: '${S}.csv'}"),
            "hunter2",
            "map_file: cannot read ${S}.csv: No such file",
        ),
        (dashboard("url: http://a", "token: '${file:$S/t}'"), "/hunter2", "cannot read $S/t: No such file"),
        (
            dashboard(
                *("url: https://a", "token: a:b", "format: frappe"),
                "frappe: {timezone: UTC, shifts: [{name: Day, devices: ['${S}']}]}",
            ),
            "fron",
            "devices[0]: found '${S}', expected the name of a device",
        ),
        (
            dashboard(
                *("url: https://a", "token: a:b", "format: frappe"),
                "frappe: {timezone: UTC, shifts: [{name: Day, devices: [front, '${S}']}]}",
            ),
            "front",
            "devices[1]: '${S}' is already in this shift",
        ),
        (
            dashboard(
                *("url: https://a", "token: a:b", "format: frappe"),
                "frappe: {timezone: UTC, shifts: [{name: Day, devices: [hunter3]}]}",
            ).replace("name: front", "name: '${S}'"),
            "hunter2",
            "devices[0]: found 'hunter3', expected the name of a device, did you mean ${S}?",
        ),
        (
            dashboard("url: https://a", "token: a", "format: odoo", "odoo: {fields: {id: '${S}'}}"),
            "create_uid",
            "fields: found ${S}, which Odoo fills in by itself",
        ),
        (
            dashboard(
                *("url: https://a", "format: template"),
                "template: {body: {a: '{{ id }}'}, success: {path: '${S}'}}",
            ),
            "hunter2",
            "path: found '${S}', expected the path of one value",
        ),
    ],
)
def test_the_name_stands_in_its_place(tmp_path: Path, text: str, secret: str, told: str) -> None:
    """A person sees which variable is wrong, in the words of any other mistake."""
    (line,) = wrong(tmp_path, text, {"S": secret})
    assert told in line
    assert secret not in line.replace(told, "")


def test_a_file_that_a_variable_names(tmp_path: Path, authority: Authority) -> None:
    """What is wrong with its content is told of the name, too."""
    (tmp_path / "hunter2").write_text("a b\n")
    cert, _ = authority.issue("zkpoll")
    env = {"S": "hunter2", "KEY": str(authority.issue("other")[1]), "CERT": str(cert)}
    for lines, told in [
        (("url: http://a", "token_file: '${S}'"), "token_file: ${S} is not a token"),
        (("url: https://a", "ca_file: '${S}'"), "ca_file: ${S} does not hold certificates"),
        (
            ("url: https://a", "client_cert: '${CERT}'", "client_key: '${KEY}'"),
            "client_key: the key in ${KEY} is not that of the certificate in client_cert",
        ),
        (("url: https://a", "user_id: {map_file: '${S}'}"), "map_file: ${S}:1: found one column"),
    ]:
        (line,) = wrong(tmp_path, dashboard(*lines), env)
        assert told in line


def test_a_map_that_is_told_of_later(tmp_path: Path) -> None:
    """A map of user ids that cannot be used keeps no terminal from being read, and shows no more later."""
    path = tmp_path / "devices.yaml"
    path.write_text(dashboard("url: http://a", "user_id: {map_file: '${S}'}"))
    (made,) = load(path, {"S": "hunter2"}).dashboards
    assert made.user_id
    assert made.user_id.map_file
    assert made.user_id.map_file.problem == "cannot read ${S}: No such file or directory"
