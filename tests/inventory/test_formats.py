"""The settings of formats: which belong to which, and what each of them takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from tests.inventory.helpers import GOOD, dashboard, device, read, wrong
from zkpoll.inventory import Dashboard, Device, load
from zkpoll.inventory.dashboards import CREDENTIALS
from zkpoll.inventory.documents import NAMES
from zkpoll.inventory.formats.facts import FACTS
from zkpoll.inventory.formats.frappe import Frappe, Shift
from zkpoll.inventory.formats.odoo import Odoo
from zkpoll.inventory.formats.template import Success, Template

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory.formats.facts import Facts

TEMPLATE = 'template: {body: {key: "{{ id }}"}'
SECTION = "expected a mapping of settings (name: value)"
LABEL = "expected 1 to 64 printable characters, no space around them"


HERE = "url: https://a"
KEYS = {"frappe": "token: 'key:secret'", "odoo": "token: key"}


def frappe(*lines: str) -> str:
    """Given settings of a site, return an inventory whose dashboard has them from line 6."""
    section = ("frappe:", "  timezone: Asia/Dhaka", *(f"  {line}" for line in lines))
    return dashboard(HERE, "format: frappe", *section, KEYS["frappe"])


def odoo(line: str) -> str:
    """Given a setting of Odoo, return an inventory whose dashboard has it on line 5."""
    return dashboard(HERE, "format: odoo", "odoo:", f"  {line}", KEYS["odoo"])


def success(written: str) -> str:
    """Given the settings of success, return an inventory whose dashboard has them on line 4."""
    return dashboard("url: https://a", "format: template", f"{TEMPLATE}, success: {written}}}")


def test_a_site_of_frappe(tmp_path: Path) -> None:
    """A site needs its time zone, and all else of it has a default."""
    made = read(tmp_path, frappe()).dashboards[0]
    assert made.format_settings == Frappe(
        timezone="Asia/Dhaka",
        app="hrms",
        employee_field="attendance_device_id",
        skip_auto_attendance=False,
        shifts=(),
    )
    lines = ("app: erpnext", "employee_field: badge_no", "skip_auto_attendance: yes", "shifts:")
    inventory = read(tmp_path, frappe(*lines, "  - {name: Day, devices: [front]}"))
    assert inventory.dashboards[0].format_settings == Frappe(
        timezone="Asia/Dhaka",
        app="erpnext",
        employee_field="badge_no",
        skip_auto_attendance=True,
        shifts=(Shift(name="Day", devices=("front",)),),
    )
    shown = inventory.masked()["dashboard"][0]["frappe"]
    assert shown["shifts"] == [{"name": "Day", "devices": ["front"]}]


FIELDS = {
    "id": "event_id", "user_id": "badge", "utc": "punched_at", "device": "device", "status": "verify",
    "serial_number": "serial_number", "direction": "direction", "type": "state",
}  # fmt: skip


def test_odoo_needs_no_settings(tmp_path: Path) -> None:
    """The model and its fields are those of our own module, unless others are named."""
    bare = dashboard(HERE, "format: odoo", KEYS["odoo"])
    made = Odoo()
    assert read(tmp_path, bare).dashboards[0].format_settings == made
    assert "odoo" not in read(tmp_path, bare).masked()["dashboard"][0]
    assert (made.database, made.model, made.fields) == (None, "zkpoll.punch", FIELDS)
    lines = ("odoo:", "  database: prod", "  model: x_hr.log", "  fields: {id: x_key, epoch: x_at}")
    text = dashboard(HERE, "format: odoo", KEYS["odoo"], *lines)
    made = Odoo.model_validate(read(tmp_path, text).dashboards[0].format_settings)
    assert (made.database, made.model, made.fields) == ("prod", "x_hr.log", {"id": "x_key", "epoch": "x_at"})


def test_a_template(tmp_path: Path) -> None:
    """A request of one's own is a POST that any 2xx confirms, unless something else is said."""
    made = read(tmp_path, dashboard("url: https://a", "format: template", f"{TEMPLATE}}}")).dashboards[0]
    template = made.format_settings
    assert isinstance(template, Template)
    assert (template.method, template.each, template.success) == ("POST", None, None)
    assert made.secrets_in_bodies() == ()
    assert Dashboard(url="https://a").secrets_in_bodies() == ()


@pytest.mark.parametrize(
    ("written", "status", "path", "has_value", "value"),
    [
        ("{status: [200, '201', 409]}", (200, 201, 409), None, False, None),
        ("{path: $.ok}", (), ("ok",), False, None),
        ("{path: '$.rows[0].ok', value: true}", (), ("rows", 0, "ok"), True, True),
        ("{path: $, value: }", (), (), True, None),
        ("{path: $.a, value: 'null'}", (), ("a",), True, "null"),
        ("{path: $.a, value: {b: [1]}}", (), ("a",), True, {"b": [1]}),
        ("{status: [200], path: $.n, value: 0}", (200,), ("n",), True, 0),
    ],
)
def test_what_confirms(
    tmp_path: Path, written: str, status: object, path: object, has_value: bool, value: object
) -> None:
    """A status, something in a place, or a value in it; null is a value, too, and printed as one."""
    inventory = read(tmp_path, success(written))
    template = inventory.dashboards[0].format_settings
    assert isinstance(template, Template)
    made = template.success
    assert made is not None
    assert (made.status, made.path, made.has_value, made.value) == (status, path, has_value, value)
    shown = inventory.masked()["dashboard"][0]["template"]["success"]
    assert Success.model_validate(shown) == made
    assert ("value" in shown) is has_value


SITE = "the site's address alone, such as https://erp.example.com"
ZONE = "The time zone of the site, as its System Settings have it, such as Asia/Dhaka"
ONLY = "means something with format:"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["frappe: {timezone: UTC}"], f"3: dashboard.frappe: {ONLY} frappe only"),
        (["format: event", "odoo: {}"], f"4: dashboard.odoo: {ONLY} odoo only"),
        (["format: odoo", f"{TEMPLATE}}}"], f"4: dashboard.template: {ONLY} template only"),
        (["format: frappe"], "1: dashboard.frappe: missing (format: frappe needs the time zone of the site)"),
        (
            ["format: template"],
            "1: dashboard.template: missing (format: template needs the body of a request)",
        ),
        (
            ["format: odoo", "extra_fields: [clock_suspect]"],
            "4: dashboard.extra_fields: means something with format: events or event only",
        ),
        (
            ["format: odoo", "gzip: true"],
            "4: dashboard.gzip: true is not for format: odoo, whose servers do not unpack",
        ),
        (["format: odoo", "odoo: prod"], f"4: dashboard.odoo: found text, {SECTION}"),
        (["format: frappe", "frappe:"], f"4: dashboard.frappe: found nothing, {SECTION}"),
        (["format: frappe", "frappe: {}"], f"4: dashboard.frappe.timezone: missing ({ZONE})"),
    ],
)
def test_settings_belong_to_their_format(tmp_path: Path, lines: list[str], told: str) -> None:
    """The settings of a format stand beside it, and beside no other."""
    assert wrong(tmp_path, dashboard("url: https://a", *lines)) == [f"devices.yaml:{told}"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a/api/method/x", "'https://a/api/method/x'"),
        ("https://a/api", "'https://a/api'"),
        ("https://a//json/2/x/create", "'https://a//json/2/x/create'"),
        ("https://a/?token=hunter2", "'https://a/?(hidden)'"),
        ("https://a?", "'https://a?(hidden)'"),
    ],
)
def test_a_site_is_its_address_alone(tmp_path: Path, url: str, shown: str) -> None:
    """Where zkpoll makes several requests, it puts the paths behind the address itself."""
    for lines in (("format: odoo",), ("format: frappe", "frappe: {timezone: UTC}")):
        text = dashboard(f"url: {url}", *lines)
        assert wrong(tmp_path, text) == [f"devices.yaml:2: dashboard.url: found {shown}, expected {SITE}"]
    own = dashboard(f"url: {url}", "format: template", f"{TEMPLATE}}}")
    assert read(tmp_path, own).dashboards[0].url == url


@pytest.mark.parametrize("url", ["https://a", "https://a/", "http://127.0.0.1:8000/erp", "https://a/apis/x"])
def test_a_site_may_stand_below_a_path(tmp_path: Path, url: str) -> None:
    """Some sites stand behind another server, below a path of their own."""
    text = dashboard(f"url: {url}", "format: odoo", KEYS["odoo"])
    assert read(tmp_path, text).dashboards[0].url == url


@pytest.mark.parametrize("form", KEYS)
@pytest.mark.parametrize(
    "way", ["basic: {user: a, password: b}", "headers: {authorization: Bearer x}", "key"]
)
def test_a_site_wants_to_know_who_comes(tmp_path: Path, form: str, way: str) -> None:
    """A site without any credentials is an oversight; whatever carries some will do."""
    lines = (HERE, f"format: {form}", *(["frappe: {timezone: UTC}"] if form == "frappe" else []))
    assert wrong(tmp_path, dashboard(*lines)) == [
        f"devices.yaml:1: dashboard.token: missing (format: {form} needs the key of a user)"
    ]
    assert read(tmp_path, dashboard(*lines, KEYS[form] if way == "key" else way)).dashboards


def test_attendance_itself_is_not_written(tmp_path: Path) -> None:
    """The model that holds pairs is refused, with the reason."""
    (told,) = wrong(tmp_path, odoo("model: hr.attendance"))
    assert "odoo.model: holds pairs of a check-in and a check-out" in told


PAIR = "found (hidden), expected the API key and secret as key:secret"


@pytest.mark.parametrize("token", ["hunter2", "hunter2:", ":hunter2", "hunter2:hunter3:hunter4", "::"])
def test_frappe_takes_a_key_with_its_secret(tmp_path: Path, token: str) -> None:
    """A token that is no pair is told without it, also from a file."""
    (tmp_path / "token").write_text(f"{token}\n")
    lines = ("url: https://a", "format: frappe", "frappe: {timezone: UTC}")
    env = {"TOKEN": token}
    told = wrong(tmp_path, dashboard(*lines, "token: ${TOKEN}"), env)
    assert told == [f"devices.yaml:5: dashboard.token: {PAIR}"]
    told = wrong(tmp_path, dashboard(*lines, "token_file: token"))
    assert told == [f"devices.yaml:5: dashboard.token_file: {PAIR}"]
    assert read(tmp_path, dashboard("url: https://a", "format: odoo", "token: ${TOKEN}"), env).dashboards


def test_a_pair_is_a_token_of_frappe(tmp_path: Path) -> None:
    """Key and secret stand in one token, or a user with a password does."""
    lines = ("url: https://a", "format: frappe", "frappe: {timezone: UTC}")
    env = {"KEY": "a", "SECRET": "b"}
    made = read(tmp_path, dashboard(*lines, "token: ${KEY}:${SECRET}"), env).dashboards[0]
    assert made.bearer() == "a:b"
    assert read(tmp_path, dashboard(*lines, "basic: {user: a, password: b}")).dashboards[0].bearer() is None


FIELD = "expected the name of a field: a-z, 0-9 and _"
MODEL = "expected the name of a model, such as zkpoll.punch"
KNOWN = f"known here: {', '.join(NAMES)}"
FIELD_LIST = "expected a mapping of fields (id: event_id)"
STATUSES = "expected a list, such as [200, 201]"
CONFIRMING = "expected a whole number from 200 to 299, or 409"
PATH = "expected the path of one value, such as $.result.rows[0].ok"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("app: hr", "app: found 'hr', expected hrms or erpnext"),
        ("zone: UTC", "zone: unknown setting, did you mean timezone?"),
        ("employee_field: Badge", f"employee_field: found 'Badge', {FIELD}"),
        ("employee_field: a;b", f"employee_field: found 'a;b', {FIELD}"),
        ("skip_auto_attendance: 0", "skip_auto_attendance: found '0', expected true or false"),
    ],
)
def test_a_wrong_setting_of_a_site_is_one_exact_line(tmp_path: Path, line: str, told: str) -> None:
    """What is wrong in the settings of a site is told where it stands."""
    assert wrong(tmp_path, frappe(line)) == [f"devices.yaml:6: dashboard.frappe.{told}"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("database: ", f"database: found nothing, {LABEL}"),
        ("model: X", f"model: found 'X', {MODEL}"),
        ("model: a..b", f"model: found 'a..b', {MODEL}"),
        ("model: a/b", f"model: found 'a/b', {MODEL}"),
        ("fields: ", f"fields: found nothing, {FIELD_LIST}"),
        ("fields: [id]", f"fields: found a list, {FIELD_LIST}"),
        (
            "fields: {user_id: a}",
            "fields: found no id; the field for it tells whether a punch is there already",
        ),
        (
            "fields: {id: a, utc: a}",
            "fields: found one field for two names; each needs a field of its own",
        ),
        (
            "fields: {id: id}",
            "fields: found id, which Odoo fills in by itself; expected another field",
        ),
        ("fields: {id: A}", f"fields.id: found 'A', {FIELD}"),
        ("fields: {id: a, usr_id: b}", "fields.usr_id: unknown name, did you mean user_id?"),
        ("fields: {id: a, x: b}", f"fields.x: unknown name, {KNOWN}"),
    ],
)
def test_a_wrong_setting_of_odoo_is_one_exact_line(tmp_path: Path, line: str, told: str) -> None:
    """What is wrong in the settings of Odoo is told where it stands, also among fields."""
    assert wrong(tmp_path, odoo(line)) == [f"devices.yaml:5: dashboard.odoo.{told}"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{}", ": found nothing that is asked for, expected status or path"),
        ("true", f": found text, {SECTION}"),
        ("{status: 200}", f".status: found text, {STATUSES}"),
        ("{status: []}", f".status: found nothing, {STATUSES}"),
        ("{status: [200, 300]}", f".status[1]: found '300', {CONFIRMING}"),
        ("{path: result.ok}", f".path: found 'result.ok', {PATH}"),
        ("{value: 1}", ".value: needs the place where it must stand, in path"),
        ("{status: [409]}", ".status: found no 2xx, so that nothing new would ever be taken"),
        (
            "{path: $.key, value: '{{ id }}'}",
            ".value: found {{ }}, expected a value that is the same for all punches",
        ),
        ("{path: $, valu: 1}", ".valu: unknown setting, did you mean value?"),
    ],
)
def test_a_wrong_rule_of_success_is_one_exact_line(tmp_path: Path, written: str, told: str) -> None:
    """What is wrong in a section of a section is told where it stands."""
    assert wrong(tmp_path, success(written)) == [f"devices.yaml:4: dashboard.template.success{told}"]


SHIFTS = "expected a list, such as [{name: Day, devices: [front-door]}]"
DEVICES = "expected a list, such as [front-door]"
DEVICE = "expected the name of a device"
AT = "The devices at which its people punch, by our names for them"


@pytest.mark.parametrize(
    ("shifts", "told"),
    [
        ("Day", f": found text, {SHIFTS}"),
        ("[Day]", f"[0]: found text, {SECTION}"),
        ("[{devices: [front]}]", "[0].name: missing (The name of the Shift Type there)"),
        ("[{name: Day}]", f"[0].devices: missing ({AT})"),
        ("[{name: Day, devices: []}]", f"[0].devices: found nothing, {DEVICES}"),
        ("[{name: Day, devices: front}]", f"[0].devices: found text, {DEVICES}"),
        ("[{name: Day, devices: ['']}]", f"[0].devices[0]: found nothing, {LABEL}"),
        (
            "[{name: Day, device: [front], devices: [front]}]",
            "[0].device: unknown setting, did you mean devices?",
        ),
        (
            "[{name: Day, devices: [front, fornt]}]",
            f"[0].devices[1]: found 'fornt', {DEVICE}, did you mean front?",
        ),
        ("[{name: Day, devices: [gate]}]", f"[0].devices[0]: found 'gate', {DEVICE}"),
        (
            "[{name: Day, devices: [front, front]}]",
            "[0].devices[1]: 'front' is already in this shift on line 6",
        ),
        (
            "[{name: A, devices: [front]}, {name: A, devices: [front]}]",
            "[1].name: 'A' is already the name on line 6",
        ),
    ],
)
def test_shifts_are_of_devices_that_there_are(tmp_path: Path, shifts: str, told: str) -> None:
    """A shift has a name of its own, and devices of this inventory, each once."""
    assert wrong(tmp_path, frappe(f"shifts: {shifts}")) == [f"devices.yaml:6: dashboard.frappe.shifts{told}"]


def test_a_shift_may_name_a_device_that_is_wrong_itself(tmp_path: Path) -> None:
    """A mistake in a device makes no second one of the shifts that name it."""
    text = frappe("shifts: [{name: A, devices: [front]}, {name: B, devices: [front]}]") + "    port: 0\n"
    (line,) = wrong(tmp_path, text)
    assert "devices[0] (front).port" in line


STATE = "expected a whole number from 0 to 254"
NO_KEY = "which means that no key was pressed; that is never guessed"
STATES = "expected a list, such as [0, 4]"
BOTH = "it means one of both"
LATITUDE = "expected degrees from -90 to 90, such as 23.7808"
LONGITUDE = "expected degrees from -180 to 180, such as 23.7808"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["direction: entry"], "direction: found 'entry', expected state or in or out or none"),
        (["in_states: 0"], f"in_states: found text, {STATES}"),
        (["in_states:"], f"in_states: found nothing, {STATES}"),
        (["in_states: [a]"], f"in_states[0]: found 'a', {STATE}"),
        (["in_states: [0, 256]"], f"in_states[1]: found '256', {STATE}"),
        (["in_states: [255]"], f"in_states[0]: found '255', {NO_KEY}"),
        (["out_states: [255]"], f"out_states[0]: found '255', {NO_KEY}"),
        (["in_states: [0, 1]"], f"in_states[1]: state 1 is among out_states as well (1, 5); {BOTH}"),
        (["out_states: [4, 5]"], f"out_states[0]: state 4 is among in_states as well (0, 4); {BOTH}"),
        (
            ["out_states: [2]", "in_states: [2]"],
            f"out_states[0]: state 2 is among in_states as well; {BOTH}",
        ),
        (["latitude: 23.78"], "latitude: needs longitude beside it"),
        (["longitude: 90.41"], "longitude: needs latitude beside it"),
        (["latitude: 90.1", "longitude: 0"], f"latitude: found '90.1', {LATITUDE}"),
        (["longitude: -180.5", "latitude: 0"], f"longitude: found '-180.5', {LONGITUDE}"),
        (["latitude: 23,78", "longitude: 0"], f"latitude: found '23,78', {LATITUDE}"),
        (["latitude: nan", "longitude: 0"], f"latitude: found 'nan', {LATITUDE}"),
        (["latitude: [1]", "longitude: 0"], f"latitude: found a list, {LATITUDE}"),
    ],
)
def test_what_punches_mean_is_one_exact_line(tmp_path: Path, lines: list[str], told: str) -> None:
    """A state means an arrival or a departure, and a place has two coordinates."""
    assert wrong(tmp_path, device(*lines)) == [f"devices.yaml:10: devices[0] (front).{told}"]


def test_what_punches_mean_is_read(tmp_path: Path) -> None:
    """Lists may be empty, and a state at the edge is one."""
    lines = (
        "direction: none",
        "in_states: []",
        "out_states: [0, 254]",
        "latitude: -90",
        "longitude: '179.9999'",
    )
    made = read(tmp_path, device(*lines)).devices[0]
    assert (made.direction, made.in_states, made.out_states) == ("none", (), (0, 254))
    assert (made.latitude, made.longitude) == (-90.0, 179.9999)


def test_what_belongs_together_may_come_from_the_defaults(tmp_path: Path) -> None:
    """A device and its defaults make one whole; only that must be right."""
    shared = "  latitude: 23.78\n  out_states: [4]\n  in_states: [0, 1]\ndevices:"
    text = GOOD.replace("devices:", shared) + "    longitude: 90.41\n"
    text += "  - {name: b, host: b, longitude: 90, latitude: 23, out_states: [], in_states: [4]}\n"
    front, back = read(tmp_path, text).devices
    assert (front.latitude, front.longitude, front.in_states, front.out_states) == (
        23.78,
        90.41,
        (0, 1),
        (4,),
    )
    assert (back.latitude, back.longitude, back.in_states, back.out_states) == (23, 90, (4,), ())


@pytest.mark.parametrize(
    ("shared", "told"),
    [
        ("latitude: 23.78", "defaults.latitude: needs longitude beside it"),
        (
            "in_states: [1]",
            "defaults.in_states[0]: state 1 is among out_states as well (1, 5); it means one of both",
        ),
        ("direction: entry", "defaults.direction: found 'entry', expected state or in or out or none"),
    ],
)
def test_half_of_a_whole_is_told_where_it_stands(tmp_path: Path, shared: str, told: str) -> None:
    """What a default leaves open, and no device fills in, is told once, of the default."""
    text = GOOD.replace("devices:", f"  {shared}\ndevices:") + "  - {name: b, host: b}\n"
    assert wrong(tmp_path, text) == [f"devices.yaml:7: {told}"]


def test_what_only_matters_on_the_way_out_can_be_left_out(tmp_path: Path) -> None:
    """Who looks into the journal needs neither the format nor its variables and files."""
    lines = (
        *("format: ${GONE}", "frappe: {timezone: '${GONE}', shifts: [{name: a, devices: [gone]}]}"),
        *("odoo: {database: '${GONE}'}", "template: {body: {a: '${GONE}'}}", "user_id: {map_file: /gone}"),
    )
    text = dashboard("url: https://a", *lines).replace(
        "\ndevices:", "\n  user_id: {map_file: '${GONE}'}\ndevices:"
    )
    path = tmp_path / "devices.yaml"
    path.write_text(text, encoding="utf-8")
    made = load(path, {}, secrets=False)
    assert made.dashboards == (Dashboard(url="https://a"),)
    assert made.devices == (Device(name="front", host="192.168.1.201", timezone="Asia/Dhaka"),)


SETTINGS = {
    "frappe": "{timezone: Asia/Dhaka}", "odoo": "{database: hr}", "template": "{body: {a: '{{ id }}'}}"
}  # fmt: skip


def everything(row: Facts) -> dict[str, str]:
    """Return all settings that a dashboard of a format may have, but for those of who we are."""
    keys = {
        "was": "old", "batch_size": "7", "attempts": "2", "retry_wait": "3", "timeout": "9",
        "max_per_run": "70", "park_retry_every": "2d", "user_id": "{strip_zeros: true}",
    }  # fmt: skip
    keys |= {"extra_fields": "[clock_suspect]"} if row.sends_events else {}
    keys |= {"gzip": "true"} if row.unpacks else {}
    keys |= {"lanes": "4"} if row.side_by_side else {}
    keys |= {row.name: SETTINGS[row.name]} if row.settings else {}
    return keys | {"token": "'key:secret'", "format": row.name}


@pytest.mark.parametrize("row", FACTS.values(), ids=list(FACTS))
def test_whatever_is_set_may_be_looked_at_without_secrets(tmp_path: Path, row: Facts) -> None:
    """What a run takes, a look into the journal takes: no setting asks for one that is left out there."""
    lines = [f"{key}: {value}" for key, value in everything(row).items()]
    text = dashboard("url: https://a", *lines)
    whole = read(tmp_path, text).dashboards[0]
    assert whole.model_fields_set == {"url", *everything(row)}
    (looked_at,) = load(tmp_path / "devices.yaml", {}, secrets=False).dashboards
    assert (looked_at.name, looked_at.max_per_run, looked_at.format) == (whole.name, 70, "events")


def test_all_settings_of_a_dashboard_are_among_those() -> None:
    """But for those of the way there and of who we are."""
    known = {"name", "url", *CREDENTIALS}
    assert {key for row in FACTS.values() for key in everything(row)} - known == {
        *Dashboard.model_fields
    } - known


def test_formats_take_typed_values_and_refuse_bad_ones() -> None:
    """Code builds settings by the same rules as files."""
    template = Template.model_validate({"body": {"key": "{{ id }}", "n": 1}})
    assert Template(body=template.body, success=Success(path=("a", 0), value=None)).success == Success(
        path=("a", 0), value=None
    )
    chosen = {"url": "https://a", "format": "template", "template": template}
    assert Dashboard.model_validate(chosen).format_settings == template
    made = Device(name="a", host="h", timezone="UTC", in_states=(7,), latitude=-33.9, longitude=18)
    assert (made.in_states, made.latitude, made.longitude) == ((7,), -33.9, 18.0)
    for settings in ({"in_states": (255,)}, {"in_states": (True,)}, {"latitude": True, "longitude": 1}):
        with pytest.raises(ValidationError):
            Device.model_validate({"name": "a", "host": "h", "timezone": "UTC", **settings})
    with pytest.raises(ValidationError, match="expected a whole number from 200 to 299, or 409"):
        Success(status=(404,))
