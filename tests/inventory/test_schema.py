"""The schema for editors, and the example: neither says anything else than the models."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml

from tests.certificates import Authority
from tests.inventory.helpers import GOOD
from zkpoll.bridge.schemas import PUNCH_EVENTS
from zkpoll.inventory import (
    Admin,
    Binding,
    Clear,
    ClockSetting,
    Dashboard,
    Database,
    Device,
    Inventory,
    Listen,
    Machine,
    Push,
    UserIds,
    Workers,
    load,
)
from zkpoll.inventory.databases import Program
from zkpoll.inventory.formats.frappe import Frappe
from zkpoll.inventory.formats.odoo import Odoo
from zkpoll.inventory.formats.template import Template
from zkpoll.inventory.models import SECTIONS
from zkpoll.inventory.schema import schema

if TYPE_CHECKING:
    from pydantic import BaseModel

TOP = Path(__file__).parents[2]
EXAMPLE = TOP / "devices.example.yaml"
TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "number": (int, float), "integer": int,
    "boolean": bool, "null": type(None),
}  # fmt: skip


Shape = dict[str, Any]
Check = Callable[[Any, Any, Shape], bool]


the_schema = cache(schema)
"""It is looked at some thousand times, and making it takes a tenth of a second."""


def accepts(shape: Shape, value: Any) -> bool:
    """Given a schema and a value as an editor's YAML reads it, say whether it fits.

    Only the words our schema uses; any other is an error, so that none is silently passed over.
    """
    words = shape.keys() - {"$schema", "$defs", "title", "description", "default"}
    return all(_fits(word, value, shape) for word in words)


def _fits(word: str, value: Any, shape: Shape) -> bool:
    kind, check = CHECKS[word]
    return not isinstance(value, kind) or bool(check(shape[word], value, shape))


def _of_type(names: str | list[str], value: Any, _: Shape) -> bool:
    fits = [name for name in ([names] if isinstance(names, str) else names) if isinstance(value, TYPES[name])]
    return "boolean" in fits if isinstance(value, bool) else bool(fits)


def _properties(shapes: dict[str, Shape], value: dict[str, Any], _: Shape) -> bool:
    return all(accepts(shapes[key], value[key]) for key in shapes.keys() & value.keys())


def _additional(other: Shape | bool, value: dict[str, Any], shape: Shape) -> bool:
    patterns = shape.get("patternProperties", {})
    rest = {
        key
        for key in value.keys() - shape.get("properties", {}).keys()
        if not any(re.search(pattern, key) for pattern in patterns)
    }
    return all(accepts(other, value[key]) for key in rest) if isinstance(other, dict) else not rest


def _dependent(needs: dict[str, list[str]], value: dict[str, Any], _: Shape) -> bool:
    return all(set(needs[key]) <= set(value) for key in needs.keys() & value.keys())


CHECKS: dict[str, tuple[Any, Check]] = {
    "$ref": (object, lambda to, value, _: accepts(the_schema()["$defs"][to.rpartition("/")[2]], value)),
    "type": (object, _of_type),
    "enum": (object, lambda words, value, _: value in words),
    "anyOf": (object, lambda shapes, value, _: any(accepts(each, value) for each in shapes)),
    "allOf": (object, lambda shapes, value, _: all(accepts(each, value) for each in shapes)),
    "if": (object, lambda shape, value, all_: not accepts(shape, value) or accepts(all_["then"], value)),
    "then": (object, lambda *_: True),  # as "if" has it
    "not": (object, lambda shape, value, _: not accepts(shape, value)),
    "required": (dict, lambda names, value, _: set(names) <= set(value)),
    "properties": (dict, _properties),
    "additionalProperties": (dict, _additional),
    "patternProperties": (dict, lambda *_: True),  # as "additionalProperties" has it; they hold anything
    "dependentRequired": (dict, _dependent),
    "minProperties": (dict, lambda least, value, _: len(value) >= least),
    "items": (list, lambda shape, value, _: all(accepts(shape, each) for each in value)),
    "minItems": (list, lambda least, value, _: len(value) >= least),
    "minLength": (str, lambda least, value, _: len(value) >= least),
    "pattern": (str, lambda pattern, value, _: re.search(pattern, value) is not None),
    "minimum": ((int, float), lambda least, value, _: value >= least),
    "maximum": ((int, float), lambda most, value, _: value <= most),
}


def edited(old: str, new: str) -> Any:
    """Given a change to the good inventory, return it as an editor's YAML reads it."""
    assert old in GOOD
    return yaml.safe_load(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: front", "name: front"),
        ("name: front", "name: no"),
        ("name: front", "name: front\n    serial: 0012"),
        ("name: front", "name: front\n    serial: A\n    trust: inventory"),
        ("name: front", "name: front\n    trust: device"),
        ("name: front", "name: front\n    port: '4370'"),
        ("name: front", "name: front\n    port: ${PORT}"),
        ("name: front", "name: front\n    port: ${PORT:-4370}"),
        ("name: front", "name: front\n    enabled: ${ON}"),
        ("name: front", "name: front\n    enabled: 'yes'"),
        ("name: front", "name: front\n    transport: ${HOW:-udp}"),
        ("name: front", "name: front\n    timeout: 500ms"),
        ("name: front", "name: front\n    timeout: 2.5"),
        ("name: front", "name: front\n    quiet_hours: 22:00-5:00"),
        ("name: front", "name: front\n    quiet_hours: ${QUIET}"),
        ("name: front", "name: front\n    clock: {set_when_off_by: 30s}"),
        ("name: front", "name: front\n    clock:\n      set_when_off_by: 30"),
        ("  timezone", "  quiet_hours: 22:00-05:00\n  clock: {set_when_off_by: 30s}\n  timezone"),
        ("name: front", "name: front\n    clear: never"),
        ("name: front", "name: front\n    clear: {above: 80%}"),
        ("name: front", "name: front\n    clear: {above: '${SHARE}'}"),
        ("name: front", "name: front\n    clear: ${CLEAR}"),
        ("name: front", "name: front\n    warn_full: never\n    warn_clock: 90"),
        ("  timezone", "  clear: confirmed\n  timezone"),
        ("defaults:", "keep_raw: 400d\ndates: month/day/year\ndefaults:"),
        ("defaults:", "alert_after: 2h\nmetrics: {textfile: a.prom}\ndefaults:"),
        ("defaults:", "health: {ping_url: '${PING_URL}'}\ndefaults:"),
        ("defaults:", "health: {ping_url: 'https://hc.example.com/a'}\ndefaults:"),
        ("defaults:", "workers: {broker: 'rediss://:${PW}@10.0.0.5/1', every: 10m}\ndefaults:"),
        ("defaults:", "workers: {broker: 'amqp://a@b:5672/c', password_file: '${DIR}/broker'}\ndefaults:"),
        ("defaults:", "workers: {broker: '${BROKER}'}\ndefaults:"),
        ("name: front", "name: front\n    comm_key: 123"),
        ("name: front", "name: front\n    comm_key: ${KEY}"),
        ("192.168.1.201", "fe80::1%eth0"),
        ("192.168.1.201", "${HOST}"),
        ("defaults:\n  timezone: Asia/Dhaka", "defaults:"),
        ("https://dashboard.example.com/v1/attendance", "${URL}"),
        ("dashboard:\n  url", "dashboard:\n- name: a\n  url"),
        ("secret-token", "12345"),
        ("secret-token", "${file:$CREDENTIALS_DIRECTORY/token}"),
        ("token: secret-token", "basic: {user: 7, password: 1234}"),
        ("secret-token", "a\n  headers: {X-Api-Key: 12345, X-Site: no}"),
        ("secret-token", "a\n  signing: {secret: '${NEW}', previous: '${file:old}'}"),
        ("secret-token", "a\n  client_cert: a.pem\n  client_key: a.key\n  ca_file: b.pem"),
        ("secret-token", "a\n  user_id: {strip_zeros: yes, prefix: 7, map_file: a.csv, unknown: pass}"),
        ("secret-token", "a\n  format: ${FORMAT}\n  frappe: {timezone: '${ZONE}'}"),
        ("secret-token", "a\n  format: frappe\n  frappe:\n    timezone: UTC\n    shifts: []"),
        (
            "secret-token",
            "a\n  format: frappe\n  frappe: {timezone: UTC, shifts: [{name: 1, devices: [no, a]}]}",
        ),
        ("secret-token", "a\n  format: odoo"),
        ("secret-token", "a\n  format: odoo\n  odoo: {model: a.b, fields: {id: x_id, epoch: '${AT}'}}"),
        ("secret-token", 'a\n  format: template\n  template: {body: {a: "{{ id }}", b: [1, null]}}'),
        ("secret-token", "a\n  format: template\n  template:\n    body: |\n      {}\n    each: [1]"),
        (
            "secret-token",
            "a\n  format: template\n  template: {body: '{}', success: {status: [409, '201'], path: $}}",
        ),
        ("name: front", "name: front\n    user_id: {strip_zeros: false}"),
        ("name: front", "name: front\n    direction: in\n    in_states: []\n    out_states: [1, '${OUT}']"),
        ("name: front", "name: front\n    latitude: -33.9\n    longitude: '18.4'"),
        ("  timezone", "  latitude: ${LATITUDE}\n  user_id: {prefix: '${PREFIX}'}\n  timezone"),
        (
            "secret-token",
            "a\n  extra_fields: [clock_suspect]\n  gzip: true\n  max_per_run: 10\n  park_retry_every: 1d",
        ),
        ("name: front", "name: front\n    since: '2026-11-01'\n    repeat_within: 30s"),
        ("name: front", "name: front\n    since: '2026-11-01T06:00'"),
        ("name: front", "name: front\n    since: ${SINCE}"),
        ("name: front", "name: front\n    encoding: gb18030"),
        ("  timezone", "  encoding: ${ENCODING:-cp1252}\n  timezone"),
        ("host: 192.168.1.201", "serial: 7\n    push: true"),
        ("host: 192.168.1.201", "serial: a\n    push: 'yes'"),
        ("host: 192.168.1.201", "serial: a\n    push: {secret: '${SECRET}', networks: ['${NET}', '::1']}"),
        ("name: front", "name: front\n    serial: a\n    push: {}"),
        ("name: front", "name: front\n    push: no"),
        ("  timezone", "  push: true\n  timezone"),
        (
            "  timezone: Asia/Dhaka\ndevices:\n  - name: front\n    host: 192.168.1.201",
            "  timezone: UTC\n  port: 4371\n  push: true\ndevices:\n  - name: front\n    serial: a",
        ),
        ("defaults:", "listen: {address: '0.0.0.0:8081'}\ndefaults:"),
        ("defaults:", "listen: {address: systemd, health: '[::1]:0', poll_every: 1m}\ndefaults:"),
        ("defaults:", "listen: {address: '${ADDRESS}', trusted_proxies: [10.0.0.0/8]}\ndefaults:"),
        ("defaults:", "admin: {address: '127.0.0.1:8083'}\ndefaults:"),
        ("defaults:", "admin: {address: '[::]:8083', token: '${TOKEN}'}\ndefaults:"),
        *(
            ("devices:", f"databases: [{{name: a, {one}}}]\ndevices:")
            for one in (
                "kind: att2000, file: a, machines: {1: 0012, 3: {serial: 7, timezone: UTC}}, states: {I: 0}",
                "kind: zkaccess, file: a.mdb, take: events, events: [0, '3', 14-19]",
                "kind: '${KIND}', url: 'postgresql+psycopg://u@h:1/d', password: 1234",
                "kind: biotime, url: '${URL}', password_file: a, enabled: no, serial: 12",
                "kind: custom, url: 'mysql://u@h/d', table: a.b, columns: {user_id: a, time: b}",
                "kind: custom, file: a.mdb, query: select 1, columns: {user_id: a, time: b, machine: c}",
            )
        ),
        ("devices:", "databases:\ndevices:"),
        ("name: front", "transport: TCP\n    name: front"),
        ("defaults:", "sites: {dhaka: , hq-2: {timezone: UTC, clear: never}}\ndefaults:"),
        ("name: front", "name: front\n    site: dhaka"),
        ("defaults:", "x-slow: &slow {timeout: 30s, anything: [1]}\ndefaults:"),
        ("host: 192.168.1.201", "site: dhaka\nsites: {dhaka: {push: true}}"),
    ],
)
def test_the_schema_takes_what_people_write(old: str, new: str) -> None:
    """Numbers or text, and variables wherever a value stands, are right to the editor."""
    assert accepts(the_schema(), edited(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: front", "prot: 4370\n    name: front"),
        ("name: front", "port: 65536\n    name: front"),
        ("name: front", "port: abc\n    name: front"),
        ("name: front", "port:\n    name: front"),
        ("name: front", "timeout: soon\n    name: front"),
        ("name: front", "timeout: 0\n    name: front"),
        ("name: front", "quiet_hours: 22-5\n    name: front"),
        ("name: front", "quiet_hours: 22:00-24:00\n    name: front"),
        ("name: front", "clock: 30s\n    name: front"),
        ("name: front", "clock: {}\n    name: front"),
        ("name: front", "clock: {set_when_off_by: 0.5}\n    name: front"),
        ("name: front", "clock: {set_when_off_by: 30s, at: noon}\n    name: front"),
        ("  timezone", "  clock: {set_when_of_by: 30s}\n  timezone"),
        ("name: front", "clear: always\n    name: front"),
        ("name: front", "warn_full: 90\n    name: front"),
        ("name: front", "clear: {}\n    name: front"),
        ("name: front", "clear: {above: 80}\n    name: front"),
        ("name: front", "clear: {above: 100%}\n    name: front"),
        ("name: front", "clear: {above: 80%, at: noon}\n    name: front"),
        ("defaults:", "keep_raw: 3600\ndefaults:"),
        ("defaults:", "alert_after: 5\ndefaults:"),
        ("defaults:", "dates: day.month.year\ndefaults:"),
        ("defaults:", "metrics: a.prom\ndefaults:"),
        ("defaults:", "metrics: {}\ndefaults:"),
        ("defaults:", "health: {ping_url: hc.example.com}\ndefaults:"),
        ("defaults:", "workers: 8\ndefaults:"),
        ("defaults:", "workers: {every: 5m}\ndefaults:"),
        ("defaults:", "workers: {broker: 'http://a'}\ndefaults:"),
        ("defaults:", "workers: {broker: 'redis://a', every: 30}\ndefaults:"),
        ("defaults:", "dhaka: {timezone: UTC}\ndefaults:"),
        ("defaults:", "sites: [dhaka]\ndefaults:"),
        ("defaults:", "sites: {dhaka: {name: a}}\ndefaults:"),
        ("defaults:", "sites: {dhaka: {quiet_hours: 1-2}}\ndefaults:"),
        ("name: front", "enabled: maybe\n    name: front"),
        ("name: front", "port: 1"),
        ("192.168.1.201", "a b"),
        ("journal: journal.db", "clear: never"),
        ("  timezone", "  host"),
        ("secret-token", "a\n  token_file: b"),
        ("secret-token", "a\n  basic: {user: a, password: b}"),
        ("token: secret-token", "token_file: a\n  basic: {user: a, password: b}"),
        ("token: secret-token", "basic: {user: a}"),
        ("token: secret-token", "basic: {user: a, password: }"),
        ("secret-token", "a\n  headers: {}"),
        ("secret-token", "a\n  headers: {X-Api-Key: }"),
        ("secret-token", "a\n  headers: [X-Api-Key]"),
        ("secret-token", "a\n  signing: {previous: a}"),
        ("secret-token", "a\n  client_key: a.key"),
        ("secret-token", "a\n  gzip: 9"),
        ("secret-token", "a\n  user_id: {}"),
        ("secret-token", "a\n  user_id: {unknown: drop}"),
        ("secret-token", "a\n  frappe: {timezone: UTC}"),
        ("secret-token", "a\n  format: odoo\n  frappe: {timezone: UTC}"),
        ("secret-token", "a\n  format: frappe"),
        ("secret-token", "a\n  format: frappe\n  frappe: {}"),
        ("secret-token", "a\n  format: frappe\n  frappe: {timezone: UTC, shifts: [{name: a}]}"),
        ("secret-token", "a\n  format: frappe\n  frappe: {timezone: UTC, shifts: [{name: a, devices: []}]}"),
        ("secret-token", "a\n  format: odoo\n  odoo: {fields: {user_id: a}}"),
        ("secret-token", "a\n  format: odoo\n  odoo: {fields: {id: a, usr_id: b}}"),
        ("secret-token", "a\n  format: odoo\n  odoo: {model: A}"),
        ("secret-token", "a\n  format: template"),
        ("secret-token", "a\n  format: template\n  template: {body: 7}"),
        ("secret-token", "a\n  format: template\n  template: {body: {}, method: GET}"),
        ("secret-token", "a\n  format: template\n  template: {body: {}, success: {}}"),
        ("secret-token", "a\n  format: template\n  template: {body: {}, success: {value: 1}}"),
        ("secret-token", "a\n  format: template\n  template: {body: {}, success: {status: [404]}}"),
        ("name: front", "user_id: {}\n    name: front"),
        ("name: front", "in_states: 0\n    name: front"),
        ("name: front", "in_states: [255]\n    name: front"),
        ("name: front", "direction: entry\n    name: front"),
        ("name: front", "latitude: 91\n    name: front"),
        ("secret-token", "a\n  max_per_run: 0"),
        ("secret-token", "a\n  park_retry_every: 1"),
        ("name: front", "since: 1.11.2026\n    name: front"),
        ("name: front", "since: '2026-11-01 06:00'\n    name: front"),
        ("name: front", "repeat_within:\n    name: front"),
        ("name: front", "comm_key:\n    name: front"),
        ("name: front", "encoding: latin1\n    name: front"),
        ("secret-token", ""),
        ("https:", "ftp:"),
        ("dashboard:\n  url", "dashboard:\n- url"),
        ("devices:", "devices: []\nx:"),
        ("    host: 192.168.1.201", "    enabled: true"),
        ("host: 192.168.1.201", "push: true"),
        ("host: 192.168.1.201", "serial: a\n    push: true\n    port: 4370"),
        ("name: front", "push: often\n    name: front"),
        ("name: front", "serial: a\n    push: {networks: 10.0.0.0/8}\n    name: front"),
        ("name: front", "serial: a\n    push: {networks: []}\n    name: front"),
        ("name: front", "serial: a\n    push: {key: a}\n    name: front"),
        ("defaults:", "listen: {}\ndefaults:"),
        ("defaults:", "listen: {address: 8081}\ndefaults:"),
        ("defaults:", "listen: {address: 'a:1', health: systemd}\ndefaults:"),
        ("defaults:", "listen: {address: 'a:1', poll_every: 90}\ndefaults:"),
        ("defaults:", "listen: {address: 'a:1', trusted_proxies: [proxy]}\ndefaults:"),
        ("defaults:", "admin: {}\ndefaults:"),
        ("defaults:", "admin: {address: systemd}\ndefaults:"),
        ("defaults:", "admin: {address: '127.0.0.1:1', token: aaaaaaaaaaaaaaaa, token_file: a}\ndefaults:"),
        *(
            ("devices:", f"databases: [{{name: a, {one}}}]\ndevices:")
            for one in (
                "file: a.mdb",
                "kind: att2000",
                "kind: access, file: a.mdb",
                "kind: att2000, file: a.mdb, url: 'mysql://u@h/d'",
                "kind: att2000, file: a.mdb, host: 10.0.0.1",
                "kind: att2000, file: a.mdb, password: a",
                "kind: att2000, file: a.mdb, machines: CQZ1",
                "kind: att2000, file: a.mdb, machines: {1: {timezone: UTC}}",
                "kind: att2000, file: a.mdb, states: {I: 256}",
                "kind: att2000, file: a.mdb, manual: drop",
                "kind: att2000, file: a.mdb, table: a",
                "kind: zkaccess, file: a.mdb, events: [1]",
                "kind: zkaccess, file: a.mdb, take: events, events: [a]",
                "kind: biotime, url: 'http://u@h/d'",
                "kind: biotime, url: 'mysql://u@h/d', password: a, password_file: b",
                "kind: custom, url: 'mysql://u@h/d'",
                "kind: custom, url: 'mysql://u@h/d', table: a",
                "kind: custom, url: 'mysql://u@h/d', table: a, columns: {time: b}",
                "kind: custom, file: a, table: a, query: SELECT 1, columns: {user_id: a, time: b}",
                "kind: custom, url: 'mysql://u@h/d', query: DELETE, columns: {user_id: a, time: b}",
            )
        ),
        ("devices:", "databases: a.mdb\ndevices:"),
    ],
)
def test_the_schema_marks_what_is_wrong(old: str, new: str) -> None:
    """An editor marks the mistakes that zkpoll would refuse."""
    assert not accepts(the_schema(), edited(old, new))


def test_the_schema_wants_a_device_or_a_database() -> None:
    """Either list may be missing or empty to the editor, and not both."""
    top, one = GOOD[: GOOD.index("devices:")], "databases: [{name: a, kind: att2000, file: a}]\n"
    for text in (top + one, f"{top}devices: []\n{one}", f"{top}devices:\n{one}", f"{GOOD}databases: []\n"):
        assert accepts(the_schema(), yaml.safe_load(text))
    for text in (top, f"{top}devices: []\n", f"{top}devices:\ndatabases: []\n"):
        assert not accepts(the_schema(), yaml.safe_load(text))


def test_every_setting_is_described() -> None:
    """An editor has a word of explanation for each setting."""
    made = schema()
    device, dashboard = (made["$defs"][name]["properties"] for name in ("device", "dashboard"))
    sections = {"clock": device["clock"], "basic": dashboard["basic"], "signing": dashboard["signing"]}
    sections["clear"] = device["clear"]["anyOf"][-1]
    sections |= {key: dashboard[key] for key in ("user_id", "frappe", "odoo", "template")}
    sections["shifts"] = dashboard["frappe"]["properties"]["shifts"]["items"]
    sections["success"] = dashboard["template"]["properties"]["success"]
    assert device["user_id"]["properties"] == dashboard["user_id"]["properties"]
    sections["push"] = device["push"]["anyOf"][-1]
    database = made["$defs"]["database"]["properties"]
    sections["machines"] = database["machines"]["additionalProperties"]["anyOf"][-1]
    sections["columns"] = database["columns"]
    at_the_top = ("metrics", "page", "health", "listen", "admin", "workers")
    sections |= {key: made["properties"][key] for key in at_the_top}
    sections["journal"] = made["properties"]["journal"]["anyOf"][-1]
    objects = [made, *made["$defs"].values(), *sections.values()]
    for shape in objects:
        assert all(each["description"] for each in shape["properties"].values())
        assert shape["additionalProperties"] is False
    assert set(made["$defs"]["device"]["properties"]) == set(Device.model_fields)
    assert set(made["$defs"]["dashboard"]["properties"]) == set(Dashboard.model_fields)
    assert set(database) == set(Database.model_fields)
    assert sections.keys() == SECTIONS.keys()
    for key, shape in sections.items():
        assert set(shape["properties"]) == set(SECTIONS[key].model_fields)
    defaults = made["$defs"]["shared"]["properties"]
    assert set(Device.model_fields) - set(defaults) == {"name", "was", "host", "serial", "site"}


def test_the_schemas_defaults_are_the_defaults() -> None:
    """An editor shows the default of each setting that has one, and of no other."""
    models: dict[str, type[BaseModel]] = {"dashboard": Dashboard, "device": Device, "database": Database}
    for name, model in models.items():
        properties = schema()["$defs"][name]["properties"]
        shown = {key: shape["default"] for key, shape in properties.items() if "default" in shape}
        fields = {key: field.default for key, field in model.model_fields.items() if not field.is_required()}
        if "clear" in fields:
            fields["clear"] = fields["clear"].written()
            fields["warn_full"] = f"{fields['warn_full']}%"
        lists = {key: list(default) for key, default in fields.items() if isinstance(default, tuple)}
        assert shown == {key: default for key, default in (fields | lists).items() if default is not None}


def test_the_example_loads_as_it_is() -> None:
    """A stranger's first copy works once its two variables are set, and the schema agrees."""
    inventory = load(EXAMPLE, {"ZKPOLL_TOKEN": "abc", "WAREHOUSE_KEY": "123"})
    assert [device.name for device in inventory.devices] == [
        *("front-door", "warehouse", "branch-office"),
    ]
    assert accepts(the_schema(), yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))


def test_the_examples_optional_settings_load_too(tmp_path: Path) -> None:
    """Every setting that the example shows behind a # can be switched on."""
    text = re.sub(r"(?m)^( *)# (\w+: (\S+|\{.*\}|\[.*\]) +#)", r"\1\2", EXAMPLE.read_text(encoding="utf-8"))
    path = tmp_path / "devices.yaml"
    Authority(tmp_path, "authorities").issue("zkpoll")
    (tmp_path / "password").write_text("hunter2\n", encoding="utf-8")
    (tmp_path / "badges.csv").write_text("HQ-17,A17\n", encoding="utf-8")
    path.write_text(re.sub(r"(?m)^ +(token_file|basic):.*\n", "", text), encoding="utf-8")
    env = {"ZKPOLL_TOKEN": "abc", "WAREHOUSE_KEY": "123", "API_KEY": "456", "SIGNING": "c2ln" * 8}
    env |= {"CREDENTIALS_DIRECTORY": str(tmp_path), "PING_URL": "https://hc.example.com/a"}
    env |= {"BROKER_PASSWORD": "a/b"}
    inventory = load(path, env)
    assert inventory.devices[2].serial == "CQZ7224760045"
    assert inventory.devices[2].push == Push()
    assert inventory.listen == Listen(
        address=Binding("0.0.0.0", 8081), health=Binding("127.0.0.1", 8082), poll_every=30
    )
    assert inventory.admin == Admin(address=Binding("127.0.0.1", 8083))
    assert inventory.metrics is not None
    assert inventory.health is not None
    assert inventory.workers is not None
    assert inventory.workers.broker_url() == "redis://:a%2Fb@10.0.0.5:6379/1"
    assert inventory.workers.every == Workers.model_fields["every"].default
    for each in inventory.devices:
        assert each.quiet_hours == (time(22), time(5))
        assert each.clock == ClockSetting(set_when_off_by=30)
        assert each.clear == Clear(above=80)
        assert (each.since, each.repeat_within) == (datetime(2026, 11, 1), 30)
        assert each.user_id == UserIds(strip_zeros=True)
    assert (inventory.devices[0].latitude, inventory.devices[0].longitude) == (23.7808, 90.4079)
    dashboard = inventory.dashboards[0]
    assert dashboard.user_id is not None
    assert dashboard.user_id.outward("0017") == "A17"
    assert (dashboard.ca_file, dashboard.client_key) == (
        tmp_path / "authorities.pem",
        tmp_path / "zkpoll.key",
    )
    path.write_text(re.sub(r"(?m)^ +token(_file)?:.*\n", "", text), encoding="utf-8")
    basic = load(path, env).dashboards[0].basic
    assert basic is not None
    assert basic.pair() == ("zkpoll", "hunter2")


def test_the_examples_device_that_calls_us_loads_too(tmp_path: Path) -> None:
    """A device without a host can be switched on as it stands, at the end of the list."""
    text = EXAMPLE.read_text(encoding="utf-8")
    path = tmp_path / "devices.yaml"
    above, databases, below = text.partition("databases:\n")
    above = re.sub(r"(?m)^  # (- name: gate|  serial|  push)", r"  \1", above)
    path.write_text(above + databases + below, encoding="utf-8")
    secret = "x" * 16
    made = load(path, {"ZKPOLL_TOKEN": "a", "WAREHOUSE_KEY": "1", "GATE_PATH": secret}).devices[3]
    assert (made.name, made.host, made.serial) == ("gate", None, "CQZ7224760046")
    assert made.push is not None
    assert (made.push.secret_text(), list(map(str, made.push.networks))) == (secret, ["203.0.113.0/24"])
    assert accepts(the_schema(), yaml.safe_load(path.read_text(encoding="utf-8")))


def test_the_examples_databases_load_too(tmp_path: Path) -> None:
    """Each database can be switched on as it stands, and there is one of each kind, in its usual place."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert load(EXAMPLE, {"ZKPOLL_TOKEN": "a", "WAREHOUSE_KEY": "1"}).databases == ()
    above, below = text.split("databases:\n")
    (tmp_path / "secret").write_text("x\n", encoding="utf-8")
    below = re.sub(r"(?m)^  # ( *\S)", r"  \1", below).replace("/etc/zkpoll/campus-password", "secret")
    path = tmp_path / "devices.yaml"
    path.write_text(f"{above}databases:\n{below}", encoding="utf-8")
    env = {"ZKPOLL_TOKEN": "a", "WAREHOUSE_KEY": "1", "DOORS_PASSWORD": "x"}
    made = load(path, env).databases
    assert [one.kind for one in made] == [*get_args(Program), "custom"]
    hq, doors, campus, *_ = made
    assert hq.manual == Database.model_fields["manual"].default
    assert hq.machines["3"] == Machine(serial="CQZ7000000003", timezone="Europe/London")
    assert doors.events == PUNCH_EVENTS["zkaccess"]
    assert campus.password_text() == "x"
    assert [one.take for one in made].count("events") == 2
    assert accepts(the_schema(), yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["frappe", "odoo", "template"])
def test_the_examples_formats_load_too(tmp_path: Path, name: str) -> None:
    """The settings of each format can be switched on as they stand, once the format is named."""
    text = EXAMPLE.read_text(encoding="utf-8").replace("# format: events ", f"format: {name} ")
    block = re.compile(rf"(?m)^  # {name}: .*\n(?:         +#.*\n)?(?:  #   .*\n)+")
    path = tmp_path / "devices.yaml"
    path.write_text(block.sub(lambda it: re.sub(r"(?m)^  # ", "  ", it[0]), text), encoding="utf-8")
    made = load(path, {"ZKPOLL_TOKEN": "a:b", "WAREHOUSE_KEY": "1"}).dashboards[0]
    assert made.format == name
    assert accepts(the_schema(), yaml.safe_load(path.read_text(encoding="utf-8")))
    match made.format_settings:
        case Frappe() as site:
            assert site == Frappe(timezone=site.timezone, shifts=site.shifts)
            assert [one.devices for one in site.shifts] == [("front-door", "warehouse")]
        case Odoo() as there:
            assert there.model == Odoo().model
            assert there.fields.items() <= Odoo().fields.items()
        case Template() as template:
            assert template.each is not None
            assert template.success is not None
            assert template.method == "POST"
        case other:
            pytest.fail(f"nothing is known of {other}")


def test_the_examples_defaults_are_the_defaults() -> None:
    """What the example shows behind a # as a default is the default."""
    text = EXAMPLE.read_text(encoding="utf-8")
    written = dict(re.findall(r"(?m)^ *# (\w+): (\S+)  +#", text))
    minimal = Inventory(
        dashboards=(Dashboard(url="http://a"),),
        journal=Path("j"),
        devices=(Device(name="a", host="a", timezone="UTC"),),
    )
    assert written["parallel"] == str(minimal.at_once)
    assert written["keep_raw"] == f"{minimal.keep_raw / 86_400:g}d"
    assert written["alert_after"] == f"{minimal.alert_after / 86_400:g}d"
    made = minimal.dashboards[0]
    shown = Dashboard.model_validate(
        {"url": "http://a"}
        | {key: written[key] for key in ("name", "format", "gzip", "batch_size", "attempts", "retry_wait")}
        | {"park_retry_every": written["park_retry_every"]}
    )
    assert shown == made
    device = Device.model_validate(
        {"name": "a", "host": "a", "timezone": "UTC"}
        | {key: written[key] for key in ("port", "visit_limit", "encoding", "direction")}
    )
    assert device == minimal.devices[0]
    assert Listen(address="systemd").poll_every == 30
    assert re.findall(r"# timeout: (\S+)", text) == ["30s", "10s"]
    assert (made.timeout, device.timeout) == (30, 10)
    assert re.findall(r"# (?:in|out)_states: \[(.*)\]", text) == ["0, 4", "1, 5"]
    assert (device.in_states, device.out_states) == ((0, 4), (1, 5))


@pytest.mark.parametrize(
    "name",
    [
        *Dashboard.model_fields,
        *Device.model_fields,
        *(
            "dashboard",
            "journal",
            "state_dir",
            "parallel",
            "keep_raw",
            "alert_after",
            "dates",
            "metrics",
            "page",
            "health",
        ),
        *("listen", "admin", "workers", "defaults", "sites", "devices", "databases"),
        *(name for name in Database.model_fields if name not in Device.model_fields),
    ],
)
def test_the_example_mentions_every_setting(name: str) -> None:
    """The example is complete: each setting stands in it, on a line of its own."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert re.search(rf"(?m)^ *(- |# |  #   )?{name}:", text)


def test_the_example_names_the_schema_by_a_path_that_is_there() -> None:
    """An editor that opens the example finds the schema."""
    first = EXAMPLE.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=./docs/devices.schema.json"
    assert (TOP / "docs/devices.schema.json").is_file()
