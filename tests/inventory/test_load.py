"""What a good inventory becomes."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from tests.certificates import Authority
from tests.inventory.helpers import GOOD, dashboard, device, read
from zkpoll.errors import InventoryError
from zkpoll.inventory import Clear, ClockSetting, Dashboard, Database, Device, Inventory, load
from zkpoll.inventory.models import SECRETS

KEY = "c2lnbmluZy1zZWNyZXQtb2YtMzItYnl0ZXMtMDEyMw=="


def test_the_smallest_inventory_gets_every_default(tmp_path: Path) -> None:
    """What is left out has the documented default."""
    inventory = read(tmp_path, GOOD)
    assert inventory.dashboards[0].format_settings is None
    assert inventory == Inventory(
        dashboards=(
            Dashboard(
                name="dashboard",
                url="https://dashboard.example.com/v1/attendance",
                token=SecretStr("secret-token"),
                token_file=None,
                format="events",
                user_id=None,
                batch_size=500,
                max_per_run=None,
                gzip=False,
                basic=None,
                headers=None,
                signing=None,
                ca_file=None,
                client_cert=None,
                client_key=None,
                timeout=30,
                attempts=4,
                retry_wait=1,
                park_retry_every=86_400,
            ),
        ),
        journal=tmp_path / "journal.db",
        parallel=None,
        keep_raw=400 * 86_400,
        alert_after=86_400,
        metrics=None,
        page=None,
        health=None,
        zone_by_default="Asia/Dhaka",
        devices=(
            Device(
                name="front",
                host="192.168.1.201",
                port=4370,
                transport="tcp",
                comm_key=None,
                timezone="Asia/Dhaka",
                timeout=10,
                visit_limit=900,
                quiet_hours=None,
                clock=None,
                clear=Clear(above=None),
                since=None,
                repeat_within=None,
                direction="state",
                in_states=(0, 4),
                out_states=(1, 5),
                latitude=None,
                longitude=None,
                user_id=None,
                encoding="utf-8",
                serial=None,
                enabled=True,
            ),
        ),
    )


def test_the_designs_sample_loads(tmp_path: Path) -> None:
    """The inventory of the documentation means what it says."""
    text = """\
dashboard:
  url: https://dashboard.example.com/v1/attendance
  token: ${ZKPOLL_TOKEN}
  batch_size: 250
journal: /var/lib/zkpoll/journal.db
defaults: {timezone: Asia/Dhaka, timeout: 20}
devices:
  - name: front-door
    host: 192.168.1.201
  - name: warehouse
    host: 192.168.1.202
    transport: udp
    comm_key: ${WAREHOUSE_KEY}
    timezone: Europe/London
"""
    inventory = read(tmp_path, text, {"ZKPOLL_TOKEN": "abc", "WAREHOUSE_KEY": "00123"})
    front, warehouse = inventory.devices
    assert inventory.dashboards[0].bearer() == "abc"
    assert inventory.dashboards[0].batch_size == 250
    assert inventory.journal == Path("/var/lib/zkpoll/journal.db")
    assert (front.timezone, front.timeout, front.transport, front.key()) == (*("Asia/Dhaka", 20, "tcp", 0),)
    assert (warehouse.timezone, warehouse.timeout) == ("Europe/London", 20)
    assert (warehouse.transport, warehouse.key()) == ("udp", 123)


def test_text_stays_as_it_is_written(tmp_path: Path) -> None:
    """No scalar is changed by YAML's own idea of its type."""
    text = GOOD.replace("name: front", "name: no") + "    serial: 0012\n    port: '4370'\n"
    only = read(tmp_path, text).devices[0]
    assert (only.name, only.serial, only.port) == ("no", "0012", 4370)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("10", 10), ("2.5", 2.5), ("10s", 10), ("500ms", 0.5), ("15m", 900), ("2h", 7200), ("1d", 86400)],
)
def test_durations_are_seconds_or_carry_a_unit(tmp_path: Path, written: str, seconds: float) -> None:
    """A duration is kept in seconds however it is written."""
    assert read(tmp_path, device(f"visit_limit: {written}")).devices[0].visit_limit == seconds


@pytest.mark.parametrize(
    ("written", "hours"),
    [
        ("22:00-05:00", (time(22), time(5))),
        ("'01:30-02:45'", (time(1, 30), time(2, 45))),
        ("9:00-00:00", (time(9), time(0))),
    ],
)
def test_quiet_hours_are_two_times_of_day(tmp_path: Path, written: str, hours: tuple[time, time]) -> None:
    """Quiet hours go from a time of day to another, over midnight where the second is the earlier."""
    assert read(tmp_path, device(f"quiet_hours: {written}")).devices[0].quiet_hours == hours


@pytest.mark.parametrize(("written", "seconds"), [("30s", 30), ("1", 1), ("1500ms", 1.5), ("1h", 3600)])
def test_a_clock_is_set_when_it_is_off_by_so_much(tmp_path: Path, written: str, seconds: float) -> None:
    """The limit of a clock's error is kept in seconds, in a block of its own."""
    for lines in ([f"clock: {{set_when_off_by: {written}}}"], ["clock:", f"  set_when_off_by: {written}"]):
        assert read(tmp_path, device(*lines)).devices[0].clock == ClockSetting(set_when_off_by=seconds)


def test_quiet_hours_and_the_clock_may_stand_in_defaults(tmp_path: Path) -> None:
    """A device takes both from the defaults, and what it sets itself replaces them whole."""
    shared = "  quiet_hours: 22:00-05:00\n  clock: {set_when_off_by: 30s}\ndevices:"
    text = GOOD.replace("devices:", shared)
    text += "  - {name: b, host: b, quiet_hours: 01:00-02:00, clock: {set_when_off_by: 2m}}\n"
    front, back = read(tmp_path, text).devices
    assert (front.quiet_hours, front.clock) == ((time(22), time(5)), ClockSetting(set_when_off_by=30))
    assert (back.quiet_hours, back.clock) == ((time(1), time(2)), ClockSetting(set_when_off_by=120))


def test_from_when_on_a_person_is_told(tmp_path: Path) -> None:
    """A device takes it from the defaults or says it itself, and it is shown as it is written."""
    quiet = GOOD.replace("devices:", "  warn_full: never\n  warn_clock: never\ndevices:")
    (one,) = read(tmp_path, quiet).devices
    assert (one.warned_full, one.warned_clock) == (None, None)
    inventory = read(tmp_path, f"{quiet}    warn_full: 75%\n    warn_clock: 10m\n")
    (one,) = inventory.devices
    assert (one.warned_full, one.warned_clock) == (75, 600)
    (shown,) = inventory.masked()["devices"]
    assert (shown["warn_full"], shown["warn_clock"]) == ("75%", 600)
    (shown,) = read(tmp_path, quiet).masked()["devices"]
    assert (shown["warn_full"], shown["warn_clock"]) == ("never", "never")


@pytest.mark.parametrize(
    ("written", "clear"),
    [
        ("never", Clear(above=None)),
        ("confirmed", Clear(above=0)),
        ("{above: 80%}", Clear(above=80)),
        ("{above: '${SHARE}'}", Clear(above=99)),
    ],
)
def test_a_log_is_cleared_never_always_or_when_so_full(tmp_path: Path, written: str, clear: Clear) -> None:
    """A device takes it from the defaults or says it itself, and it is shown as it is written."""
    env = {"SHARE": "99%"}
    for default in ("never", "confirmed", "{above: 50%}"):
        text = device(f"clear: {written}").replace("devices:", f"  clear: {default}\ndevices:")
        assert read(tmp_path, text, env).devices[0].clear == clear
    inventory = read(tmp_path, GOOD.replace("devices:", f"  clear: {written}\ndevices:"), env)
    assert inventory.devices[0].clear == clear
    shown = {"{above: 80%}": {"above": "80%"}, "{above: '${SHARE}'}": {"above": "99%"}}
    assert inventory.masked()["devices"][0]["clear"] == shown.get(written, written)


@pytest.mark.parametrize(
    ("above", "on_device", "capacity", "due"),
    [
        (None, 100_000, 100_000, False),
        (0, 1, 100_000, True),
        (0, 1, None, True),
        (0, 0, 100_000, False),
        (80, 80_000, 100_000, False),
        (80, 80_001, 100_000, True),
        (80, 100_001, 100_000, True),
        (1, 0, 100_000, False),
        (80, 5, None, False),
        (80, 5, 0, False),
    ],
)
def test_when_a_log_is_due_to_be_cleared(
    above: int | None, on_device: int, capacity: int | None, due: bool
) -> None:
    """Never, whenever there is anything in it, or above a share; of an unknown capacity nothing is one."""
    assert Clear(above=above).due(on_device, capacity) is due


def test_copies_of_cleared_logs_are_kept_so_long(tmp_path: Path) -> None:
    """The time is kept in seconds however it is written."""
    assert read(tmp_path, GOOD.replace("defaults:", "keep_raw: 30d\ndefaults:")).keep_raw == 30 * 86_400


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-01", datetime(2026, 11, 1)),
        ("2026-11-01T06:00", datetime(2026, 11, 1, 6)),
        ("'2026-11-01T06:00:59'", datetime(2026, 11, 1, 6, 0, 59)),
    ],
)
def test_since_is_a_moment_of_the_wall_clock(tmp_path: Path, written: str, moment: datetime) -> None:
    """A date alone is its midnight; there is no zone in it but the device's own."""
    inventory = read(tmp_path, GOOD.replace("devices:", f"  since: {written}\ndevices:"))
    assert inventory.devices[0].since == moment
    assert inventory.masked()["devices"][0]["since"] == moment.isoformat()


@pytest.mark.parametrize(
    ("written", "enabled"),
    [("true", True), ("yes", True), ("On", True), ("false", False), ("no", False), ("OFF", False)],
)
def test_switches_take_every_word_of_yaml(tmp_path: Path, written: str, enabled: bool) -> None:
    """`enabled` understands the words people write in YAML."""
    assert read(tmp_path, device(f"enabled: {written}")).devices[0].enabled is enabled


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "'::1'", "fe80::1%eth0", "2001:db8::7", "terminal", "gate_1.example.com."),
        *("1st-floor.example.com", "xn--bcher-kva.example", "3com"),
    ],
)
def test_addresses_and_names_are_hosts(tmp_path: Path, host: str) -> None:
    """IPv4, IPv6, IPv6 with a scope and DNS names are taken as they are."""
    text = GOOD.replace("192.168.1.201", host)
    assert read(tmp_path, text).devices[0].host == host.strip("'")


def test_several_dashboards_are_a_named_list(tmp_path: Path) -> None:
    """A list of dashboards keeps its order and names."""
    text = GOOD.replace(
        GOOD[: GOOD.index("journal")],
        "dashboard:\n  - {name: payroll, url: 'http://a/'}\n  - {name: archive, url: 'http://b'}\n",
    )
    dashboards = read(tmp_path, text).dashboards
    assert [each.name for each in dashboards] == ["payroll", "archive"]
    assert dashboards[0].bearer() is None


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    """A `<<` brings in what the device does not set itself; the first source is the strongest."""
    text = f"""{GOOD}    <<: &udp {{transport: udp, port: 5005}}
  - <<: [*udp, {{port: 1, timeout: 3}}]
    name: back
    host: 192.168.1.202
    transport: tcp
"""
    front, back = read(tmp_path, text).devices
    assert (front.transport, front.port) == ("udp", 5005)
    assert (back.transport, back.port, back.timeout) == ("tcp", 5005, 3)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("${HERE}", "x"),
        ("a-${HERE}-${HERE}", "a-x-x"),
        ("${GONE:-y}", "y"),
        ("${EMPTY:-y}", "y"),
        ("${HERE:-y}", "x"),
        ("$${HERE}", "${HERE}"),
        ("$HERE $", "$HERE $"),
        ("${NESTED}", "${HERE}"),
    ],
)
def test_variables_are_filled_from_the_environment(tmp_path: Path, written: str, name: str) -> None:
    """`${NAME}` is its variable, filled once; `$${` is a plain `${`."""
    env = {"HERE": "x", "EMPTY": "", "NESTED": "${HERE}"}
    text = GOOD.replace("name: front", f"name: {written}")
    assert read(tmp_path, text, env).devices[0].name == name


def test_relative_paths_start_at_the_inventorys_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where zkpoll is run from moves neither the journal nor the token's file."""
    (tmp_path / "token").write_text("from-file\r\n")
    monkeypatch.chdir("/")
    inventory = read(tmp_path, dashboard("url: http://a", "token_file: token"))
    assert inventory.journal == tmp_path / "journal.db"
    assert inventory.dashboards[0].token_file == tmp_path / "token"
    assert inventory.dashboards[0].bearer() == "from-file"


def test_a_tokens_file_is_read_once(tmp_path: Path) -> None:
    """A token is what its file held when the inventory was loaded."""
    (tmp_path / "token").write_text("before\n")
    inventory = read(tmp_path, dashboard("url: http://a", "token_file: token"))
    (tmp_path / "token").unlink()
    assert inventory.dashboards[0].bearer() == "before"


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` in a path is the home folder."""
    monkeypatch.setenv("HOME", "/home/zkpoll")
    inventory = read(tmp_path, GOOD.replace("journal.db", "~/journal.db"))
    assert inventory.journal == Path("/home/zkpoll/journal.db")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("${file:secrets/name}", "from file"),
        ("a ${file:secrets/name}, ${HERE}", "a from file, x"),
        ("${file:$FOLDER/name}", "from file"),
        ("${file:crlf}", "from ${HERE}"),
        ("${file:-y}", "y"),
        ("$${file:x}", "${file:x}"),
    ],
)
def test_a_value_may_come_from_a_file(tmp_path: Path, written: str, name: str) -> None:
    """`${file:PATH}` is what the file holds but for its last line end; nothing in it is filled again."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "name").write_text("from file\n")
    (tmp_path / "crlf").write_text("from ${HERE}\r\n", newline="")
    text = GOOD.replace("name: front", f"name: '{written}'")
    assert read(tmp_path, text, {"HERE": "x", "FOLDER": str(folder)}).devices[0].name == name


def test_a_dashboards_credentials(tmp_path: Path) -> None:
    """A user with a password, headers and signing secrets are kept as they are written."""
    lines = (
        "basic: {user: zkpoll, password: ' p\u00e4ss: word '}",
        "headers: {X-Api-Key: 0012, x-site: no}",
        f"signing: {{secret: whsec_{KEY}, previous: {KEY}}}",
    )
    made = read(tmp_path, dashboard("url: https://a", *lines)).dashboards[0]
    assert made.basic is not None
    assert made.signing is not None
    assert made.basic.pair() == ("zkpoll", " p\u00e4ss: word ")
    assert made.extra_headers() == {"X-Api-Key": "0012", "x-site": "no"}
    assert made.signing.secrets() == (f"whsec_{KEY}", KEY)
    assert made.bearer() is None


def test_an_authorization_of_any_scheme(tmp_path: Path) -> None:
    """Where there is no token and no user, headers may hold the Authorization."""
    made = read(tmp_path, dashboard("url: https://a", "headers: {Authorization: Key abc}")).dashboards[0]
    assert made.extra_headers() == {"Authorization": "Key abc"}


def test_certificates_are_files_beside_the_inventory(tmp_path: Path) -> None:
    """The authorities, our certificate and its key are found from the inventory's folder, or in one file."""
    authority = Authority(tmp_path)
    authority.issue("zkpoll")
    authority.in_one_file("both")
    lines = ("url: https://a", "ca_file: authority.pem", "client_cert: zkpoll.pem")
    made = read(tmp_path, dashboard(*lines, "client_key: zkpoll.key")).dashboards[0]
    assert made.ca_file == tmp_path / "authority.pem"
    assert (made.client_cert, made.client_key) == (tmp_path / "zkpoll.pem", tmp_path / "zkpoll.key")
    assert read(tmp_path, dashboard("url: https://a", "client_cert: both.pem")).dashboards[0].client_cert


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        *(
            (url, True)
            for url in ("http://dashboard.example.com", "http://192.168.1.1/", "http://localhost.a")
        ),
        *(
            (url, False)
            for url in ("https://a/", "http://127.9.9.9:80", "http://[::1]/", "http://LOCALHOST.:8")
        ),
    ],
)
def test_plain_http_is_exposed_but_on_this_machine(url: str, exposed: bool) -> None:
    """Whoever is on the way can read plain http; on the way to this machine there is nobody."""
    assert Dashboard(url=url).exposed is exposed


def test_without_secrets_only_they_are_not_needed(tmp_path: Path) -> None:
    """Where secrets are not asked for, a missing variable or file of one is no error; any other is."""
    lines = (
        *("token: ${GONE}", "token_file: /gone/token", "basic: {user: a, password: '${GONE}'}"),
        *("headers: {X-Api-Key: '${GONE}', X-Other: '${file:/gone/key}'}", "signing: {secret: '${GONE}'}"),
        *("ca_file: /gone/ca.pem", "client_cert: /gone/a.pem", "client_key: ${GONE}/a.key"),
    )
    text = dashboard("url: https://a", *lines).replace("journal.db", "${JOURNAL}")
    text = text.replace("  timezone", "  comm_key: ${GONE}\n  timezone")
    path = tmp_path / "devices.yaml"
    path.write_text(text, encoding="utf-8")
    made = load(path, {"JOURNAL": "journal.db"}, secrets=False)
    assert made == Inventory(
        dashboards=(Dashboard(url="https://a"),),
        journal=tmp_path / "journal.db",
        zone_by_default="Asia/Dhaka",
        devices=(Device(name="front", host="192.168.1.201", timezone="Asia/Dhaka"),),
    )
    with pytest.raises(InventoryError, match="journal: environment variable JOURNAL is not set"):
        load(path, {}, secrets=False)
    with pytest.raises(InventoryError, match="GONE"):
        load(path, {"JOURNAL": "journal.db"})


def test_every_secret_setting_can_be_left_out() -> None:
    """What may be left out is what is masked, what names a file that may be ours alone, and what needs it."""
    fields = {**Dashboard.model_fields, **Device.model_fields, **Database.model_fields}
    secret = {key for key, field in fields.items() if "Secret" in str(field.annotation)}
    files = {"token_file", "ca_file", "client_cert", "client_key", "password_file"}
    outward = {"format", "frappe", "odoo", "template", "user_id", "lanes"}
    assert secret | files | outward | {"basic", "signing", "health", "secret", "broker"} == SECRETS


WATCHED = GOOD.replace(
    "defaults:",
    "alert_after: 2h\nmetrics: {textfile: zkpoll.prom}\n"
    "health: {ping_url: 'https://hc.example.com:8000/${UUID}'}\ndefaults:",
)


def test_who_watches_is_read(tmp_path: Path) -> None:
    """A file for figures starts at the inventory's folder, and pings go to the URL as it is written."""
    made = read(tmp_path, WATCHED, {"UUID": "hunter2"})
    assert made.alert_after == 7200
    assert made.metrics is not None
    assert made.metrics.textfile == tmp_path / "zkpoll.prom"
    assert made.health is not None
    assert made.health.ping_url.get_secret_value() == "https://hc.example.com:8000/hunter2"


def test_a_ping_urls_path_is_a_secret(tmp_path: Path) -> None:
    """Who knows the path can ping, so it is masked, and not needed by what only looks into the journal."""
    made = read(tmp_path, WATCHED, {"UUID": "hunter2"})
    assert made.masked()["health"] == {"ping_url": "https://hc.example.com:8000/********"}
    assert "hunter2" not in repr(made)
    assert load(tmp_path / "devices.yaml", {}, secrets=False).health is None


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    """An editor that begins UTF-8 with a mark is forgiven."""
    assert read(tmp_path, "\ufeff" + GOOD) == read(tmp_path, GOOD)


def test_two_ways_to_one_host_are_fine_where_they_differ(tmp_path: Path) -> None:
    """Another port, another transport or a disabled device is no second visit to one terminal."""
    text = f"""{GOOD}
  - {{name: b, host: 192.168.1.201, port: 4371}}
  - {{name: c, host: 192.168.1.201, transport: udp}}
  - {{name: d, host: 192.168.1.201, enabled: no}}
"""
    assert len(read(tmp_path, text).devices) == 4


def test_commented_out_defaults_are_no_defaults(tmp_path: Path) -> None:
    """`defaults:` with nothing under it is allowed, as when all of it is commented out."""
    text = GOOD.replace("timezone:", "# timezone:") + "    timezone: UTC\n"
    assert read(tmp_path, text).devices[0].timezone == "UTC"


@pytest.mark.parametrize(
    ("called", "at_once"), [(1, 16), (192, 16), (193, 17), (400, 34), (768, 64), (1000, 64)]
)
def test_more_devices_are_visited_at_the_same_time_where_there_are_more(
    tmp_path: Path, called: int, at_once: int
) -> None:
    """Without `parallel:` a twelfth of the devices that we call are; a written one wins."""
    more = "".join(f"  - {{name: d{number}, host: h{number}}}\n" for number in range(called - 1))
    pushing = "".join(f"  - {{name: p{number}, serial: S{number}, push: true}}\n" for number in range(30))
    listening = "listen: {address: 127.0.0.1:8081}\n"
    inventory = read(tmp_path, listening + GOOD + more + pushing)
    assert (inventory.at_once, inventory.masked()["parallel"]) == (at_once, at_once)
    assert read(tmp_path, "parallel: 3\n" + listening + GOOD + more + pushing).at_once == 3


@pytest.mark.parametrize("what", ["inventory", "dashboard", "device", "clock", "clear"])
def test_settings_cannot_be_changed(tmp_path: Path, what: str) -> None:
    """Settings are what the file said until the end of the run."""
    inventory = read(tmp_path, device("clock: {set_when_off_by: 30s}", "clear: {above: 80%}"))
    settings: dict[str, tuple[object, str]] = {
        "inventory": (inventory, "parallel"),
        "dashboard": (inventory.dashboards[0], "timeout"),
        "device": (inventory.devices[0], "port"),
        "clock": (inventory.devices[0].clock, "set_when_off_by"),
        "clear": (inventory.devices[0].clear, "above"),
    }
    owner, name = settings[what]
    with pytest.raises(ValidationError, match="frozen"):
        setattr(owner, name, 1)


def test_no_secret_is_in_any_text_of_the_settings(tmp_path: Path) -> None:
    """Printing settings, as a log or a traceback may, shows no token and no comm key."""
    (tmp_path / "token").write_text("hunter2\n")
    keyed = GOOD.replace("secret-token", "hunter2") + "    comm_key: 31337\n"
    filed = dashboard("url: http://a", "token_file: token")
    signed = dashboard(
        "url: http://a",
        *(
            "basic: {user: a, password: hunter2}",
            "headers: {X-Api-Key: hunter2}",
            f"signing: {{secret: {KEY}}}",
        ),
    )
    for inventory in (read(tmp_path, written) for written in (keyed, filed, signed)):
        for text in (repr(inventory), str(inventory), str(inventory.masked())):
            assert "hunter2" not in text
            assert "31337" not in text
            assert KEY not in text
    assert inventory.masked()["dashboard"][0]["headers"] == {"X-Api-Key": "********"}


def test_models_take_typed_values_and_refuse_bad_ones() -> None:
    """Code builds settings by the same rules as files."""
    made = Device(name="a", host="h", timezone="UTC", timeout=0.05, comm_key=SecretStr("7"))
    assert (made.timeout, made.key()) == (0.05, 7)
    night = (time(22), time(5))
    kept = Device(
        name="a", host="h", timezone="UTC", quiet_hours=night, clock=ClockSetting(set_when_off_by=30)
    )
    assert (kept.quiet_hours, kept.clock) == (night, ClockSetting(set_when_off_by=30.0))
    for begin in (time(5), time(22, 0, 30), time(22, tzinfo=UTC)):
        with pytest.raises(ValidationError, match="expected two different times of day"):
            Device(name="a", host="h", timezone="UTC", quiet_hours=(begin, time(5)))
    with pytest.raises(ValidationError, match="expected a whole number from 1 to 65535"):
        Device(name="a", host="h", timezone="UTC", port=True)
    for share in (True, -1, 100):
        with pytest.raises(ValidationError, match="expected a share from 0% to 99%"):
            Clear(above=share)
    for since in (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 1, 0, 0, 0, 1)):
        with pytest.raises(ValidationError, match="expected a date"):
            Device(name="a", host="h", timezone="UTC", since=since)
    with pytest.raises(ValidationError) as caught:
        Dashboard(url="http://a", token=SecretStr("hunter2\n"))
    assert "hunter2" not in str(caught.value)
