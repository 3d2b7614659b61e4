"""What a bad inventory is told: every problem, its line, its place, and never a secret."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.inventory.helpers import GOOD, dashboard, device, wrong
from zkpoll.errors import ExitCode, InventoryError
from zkpoll.inventory import Inventory, load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.certificates import Authority

LABEL = "expected 1 to 64 printable characters, no space around them"
TIMEOUT = "expected a duration from 10ms to 1h, such as 10 (seconds), 500ms, 15m or 2h"
KNOWN = (
    "name, was, host, port, transport, comm_key, site, timezone, timeout, visit_limit, quiet_hours,"
    " yield_seat, clock, warn_clock, clear, warn_full, since, repeat_within, direction, in_states,"
    " out_states, latitude, longitude, user_id, encoding, serial, trust, push, enabled"
)
KEY = "expected a whole number from 0 to 4294967295"
WAIT = TIMEOUT.replace("10ms", "0")
HOURS = "expected two different times of day, such as 22:00-05:00"
OFF_BY = TIMEOUT.replace("10ms", "1s")
DATE = "expected a date such as 2026-11-01, or a date and time such as 2026-11-01T06:00"
CLEAR = "expected never, confirmed or a share, such as {above: 80%}"
SHARE = "expected a share from 0% to 99%, such as 80%"
ENCODING = "expected utf-8 or gb18030 or big5 or cp874 or cp932 or cp949 or " + " or ".join(
    f"cp{page}" for page in range(1250, 1259)
)
SECTION = "expected a mapping of settings (name: value)"
PING_URL = "expected an http:// or https:// URL without user, password and fragment"
VARIABLE = "expected ${NAME}, ${NAME:-default} or ${file:PATH}; a literal ${ is written $${"
LIMIT = "Set the clock after a reading when it is off by more than this, in seconds or as 30s"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("port: abc", "port: found 'abc', expected a whole number from 1 to 65535"),
        ("port: 0", "port: found '0', expected a whole number from 1 to 65535"),
        ("port: 65536", "port: found '65536', expected a whole number from 1 to 65535"),
        ("port: 4_370", "port: found '4_370', expected a whole number from 1 to 65535"),
        ("port: ٤٣٧٠", "port: found '٤٣٧٠', expected a whole number from 1 to 65535"),
        ("port: [4370]", "port: found a list, expected a whole number from 1 to 65535"),
        ("port:", "port: found nothing, expected a whole number from 1 to 65535"),
        ("port: ~", "port: found nothing, expected a whole number from 1 to 65535"),
        ("transport: UPD", "transport: found 'UPD', expected tcp or udp"),
        ("transport: [tcp]", "transport: found a list, expected tcp or udp"),
        ("timeout: 0", f"timeout: found '0', {TIMEOUT}"),
        ("timeout: -1", f"timeout: found '-1', {TIMEOUT}"),
        ("timeout: inf", f"timeout: found 'inf', {TIMEOUT}"),
        ("timeout: 10 s", f"timeout: found '10 s', {TIMEOUT}"),
        ("timeout: 2h", f"timeout: found '2h', {TIMEOUT}"),
        ("visit_limit: 2d", f"visit_limit: found '2d', {TIMEOUT.replace('1h', '1d')}"),
        ("enabled: 1", "enabled: found '1', expected true or false"),
        ("enabled: {a: b}", "enabled: found a mapping, expected true or false"),
        ("serial: ''", f"serial: found nothing, {LABEL}"),
        ("serial: ' a'", f"serial: found ' a', {LABEL}"),
        ("comm_key: 12x", f"comm_key: found (hidden), {KEY}"),
        ("comm_key: -1", f"comm_key: found (hidden), {KEY}"),
        ("comm_key: 4294967296", f"comm_key: found (hidden), {KEY}"),
        ("comm_key:", f"comm_key: found nothing, {KEY}"),
        ("comm_key: ${EMPTY}", f"comm_key: found nothing, {KEY}"),
        ("timezone: Dhaka", "timezone: found 'Dhaka', expected a time zone, did you mean Asia/Dhaka?"),
        (
            "timezone: asia/dhaka",
            "timezone: found 'asia/dhaka', expected a time zone, did you mean Asia/Dhaka?",
        ),
        (
            "timezone: America/New York",
            "timezone: found 'America/New York', expected a time zone, did you mean America/New_York?",
        ),
        ("timezone: '+06:00'", "timezone: found '+06:00', expected a time zone such as Asia/Dhaka"),
        ("timezone: ''", "timezone: found nothing, expected a time zone such as Asia/Dhaka"),
        ("prot: 4370", "prot: unknown setting, did you mean port?"),
        ("Timeout: 3", "Timeout: unknown setting, did you mean timeout?"),
        ("wipe: never", f"wipe: unknown setting, known here: {KNOWN}"),
        ("quiet_hour: 1-2", "quiet_hour: unknown setting, did you mean quiet_hours?"),
        ("quiet_hours: 1-2", f"quiet_hours: found '1-2', {HOURS}"),
        ("quiet_hours: 22:00", f"quiet_hours: found '22:00', {HOURS}"),
        ("quiet_hours: 22:00-24:00", f"quiet_hours: found '22:00-24:00', {HOURS}"),
        ("quiet_hours: 22:00-05:60", f"quiet_hours: found '22:00-05:60', {HOURS}"),
        ("quiet_hours: 22:00-22:00", f"quiet_hours: found '22:00-22:00', {HOURS}"),
        ("quiet_hours: ٢٢:00-05:00", f"quiet_hours: found '٢٢:00-05:00', {HOURS}"),
        ("quiet_hours: [22:00, 05:00]", f"quiet_hours: found a list, {HOURS}"),
        ("quiet_hours:", f"quiet_hours: found nothing, {HOURS}"),
        ("since: 1.11.2026", f"since: found '1.11.2026', {DATE}"),
        ("since: 2026-02-30", f"since: found '2026-02-30', {DATE}"),
        ("since: 2026-11-01 06:00", f"since: found '2026-11-01 06:00', {DATE}"),
        ("since: 2026-11-01T06:00Z", f"since: found '2026-11-01T06:00Z', {DATE}"),
        ("since: 2026-11-01T24:00", f"since: found '2026-11-01T24:00', {DATE}"),
        ("since:", f"since: found nothing, {DATE}"),
        ("encoding: latin1", f"encoding: found 'latin1', {ENCODING}"),
        ("repeat_within: 0", f"repeat_within: found '0', {OFF_BY}"),
        ("repeat_within: 2h", f"repeat_within: found '2h', {OFF_BY}"),
        ("clock: 30s", f"clock: found text, {SECTION}"),
        ("clock: [30s]", f"clock: found a list, {SECTION}"),
        ("clock:", f"clock: found nothing, {SECTION}"),
        ("clock: {}", f"clock.set_when_off_by: missing ({LIMIT})"),
        ("warn_full: 90", "warn_full: found '90', expected a share from 0% to 99%, such as 80%, or never"),
        ("yield_seat: 2d", f"yield_seat: found '2d', {OFF_BY.replace('1s to 1h', '5s to 1d')}"),
        ("warn_clock: 2d", f"warn_clock: found '2d', {OFF_BY.replace('1s to 1h', '10s to 1d')}, or never"),
        ("clock: {set_when_off_by: }", f"clock.set_when_off_by: found nothing, {OFF_BY}"),
        ("clock: {set_when_off_by: 0}", f"clock.set_when_off_by: found '0', {OFF_BY}"),
        ("clock: {set_when_off_by: 999ms}", f"clock.set_when_off_by: found '999ms', {OFF_BY}"),
        ("clock: {set_when_off_by: 2h}", f"clock.set_when_off_by: found '2h', {OFF_BY}"),
        ("clock: {set_when_off_by: {a: b}}", f"clock.set_when_off_by: found a mapping, {OFF_BY}"),
        (
            "clock: {set_when_off_by: '${NOPE}'}",
            "clock.set_when_off_by: environment variable NOPE is not set",
        ),
        ("clear: always", f"clear: found 'always', {CLEAR}"),
        ("clear: 80%", f"clear: found '80%', {CLEAR}"),
        ("clear: [confirmed]", f"clear: found a list, {CLEAR}"),
        ("clear:", f"clear: found nothing, {CLEAR}"),
        (
            "clear: {}",
            "clear.above: missing (Clear the log when it is fuller than this, such as 80%)",
        ),
        ("clear: {above: }", f"clear.above: found nothing, {SHARE}"),
        ("clear: {above: 80}", f"clear.above: found '80', {SHARE}"),
        ("clear: {above: 08%}", f"clear.above: found '08%', {SHARE}"),
        ("clear: {above: 100%}", f"clear.above: found '100%', {SHARE}"),
        ("clear: {above: 79.5%}", f"clear.above: found '79.5%', {SHARE}"),
        ("clear: {above: ٨٠%}", f"clear.above: found '٨٠%', {SHARE}"),
        ("clear: {above: [80%]}", f"clear.above: found a list, {SHARE}"),
        ("name: again", "name: written twice, first on line 8; if it is another entry, it begins with -"),
        ("serial: ${NOPE}", "serial: environment variable NOPE is not set"),
        ("serial: ${file:$NOPE/serial}", "serial: environment variable NOPE is not set"),
        ("serial: ${file:}", f"serial: {VARIABLE}"),
        ("serial: ${file:/gone/serial}", "serial: cannot read /gone/serial: No such file or directory"),
        ("serial: ${file:/}", "serial: cannot read /: Is a directory"),
        (
            'serial: "${file:a\\nb}"',
            "serial: expected a path in ${file:PATH}, found a control character in it",
        ),
        ("serial: ${A}${B}${A}", "serial: environment variables A, B are not set"),
        ("serial: ${a b}", f"serial: {VARIABLE}"),
        (
            "serial: ${",
            "serial: expected ${NAME}, ${NAME:-default} or ${file:PATH}; a literal ${ is written $${",
        ),
        (
            'serial: "a\\nb"',
            "serial: found a control character or line break (U+000A), expected one line",
        ),
        (
            'serial: "\\ud800"',
            "serial: found a control character or line break (U+D800), expected one line",
        ),
        ("serial: !x 1", "serial: found a YAML tag (!), expected a plain value; quote it"),
    ],
)
def test_a_wrong_device_setting_is_one_exact_line(tmp_path: Path, line: str, told: str) -> None:
    """A wrong setting is told with file, line, place, what was found and what was expected."""
    expected = [f"devices.yaml:10: devices[0] (front).{told}"]
    assert wrong(tmp_path, device(line), {"EMPTY": ""}) == expected


HOST = "expected an IPv4 or IPv6 address, or a DNS name of letters, digits, '-', '_' and '.'"
IPV4 = "expected an IPv4 address: four numbers from 0 to 255, no leading zeros"


@pytest.mark.parametrize(
    ("host", "told"),
    [
        *((host, IPV4) for host in ("192.168.1.999", "192.168.1", "192.168.001.201", "1", "1.2.3.4.")),
        *((host, IPV4) for host in ("0x7f000001", "a.b.0x10", "192.168.1.2.3", "gate.7")),
        *((host, HOST) for host in ("-oProxyCommand=x", "a b", "a/b", "a@b", "a'b", "a;b", "$(id)")),
        *((host, HOST) for host in ("a..b", ".a", "a-.b", "bücher.example", "[::1]", "::g", "fe80::1%")),
        *((host, HOST) for host in ("fe80::1%a b", "http://a", "a:b", "a" * 64, "-", ".", "*")),
        ("192.168.1.201:4370", "expected the host alone; its port goes into port:"),
    ],
)
def test_what_is_no_host_is_refused(tmp_path: Path, host: str, told: str) -> None:
    """Nothing that a shell, a URL or the C library could misread is a host."""
    text = GOOD.replace("192.168.1.201", "'" + host.replace("'", "''") + "'")
    shown = repr(host) if len(host) <= 60 else repr(host[:60]) + " ..."
    assert wrong(tmp_path, text) == [f"devices.yaml:9: devices[0] (front).host: found {shown}, {told}"]


def test_a_dns_name_has_a_longest_length(tmp_path: Path) -> None:
    """More than 253 characters are no DNS name."""
    assert HOST in wrong(tmp_path, GOOD.replace("192.168.1.201", "a." * 127 + "a"))[0]


WEB = "expected an http:// or https:// URL with a valid host"
PLAIN_URL = "expected a URL without spaces, quotes or control characters"


@pytest.mark.parametrize(
    ("url", "shown", "told"),
    [
        ("ftp://a/b", "'ftp://a/b'", WEB),
        ("dashboard.example.com", "'dashboard.example.com'", WEB),
        ("https://", "'https://'", WEB),
        ("https:///path", "'https:///path'", WEB),
        ("https://192.168.1.999/", "'https://192.168.1.999/'", WEB),
        ("https://a:99999/", "'https://a:99999/'", WEB),
        ("https://[::1/", "'https://[::1/'", WEB),
        ("https://a/b c", "'https://a/b c'", PLAIN_URL),
        ("https://a/#top", "'https://a/?(hidden)'", "expected a URL without a fragment (#)"),
        (
            "https://user:hunter2@a/",
            "'(hidden)@a/'",
            "expected a URL without user and password; use token",
        ),
        ("https://user:hun/ter2@a/", "'(hidden)@a/'", WEB),
        ("ftp://a/?key=hunter2", "'ftp://a/?(hidden)'", WEB),
        ("", "nothing", WEB),
    ],
)
def test_what_is_no_dashboards_url_is_refused(tmp_path: Path, url: str, shown: str, told: str) -> None:
    """A URL is http or https with a host, and is shown without what may be a password."""
    lines = wrong(tmp_path, dashboard(f"url: '{url}'"))
    assert lines == [f"devices.yaml:2: dashboard.url: found {shown}, {told}"]


USER = "expected a user name without ':' and control characters"
WRONG_BASICS = [
    ("zkpoll:hunter2", f": found text, {SECTION}"),
    (
        "{user: a}",
        ".password: missing (Its password; best from the environment or a file: ${NAME}, ${file:PATH})",
    ),
    ("{user: a:hunter2, password: b}", f".user: found (hidden), {USER}"),
    ("{user: , password: b}", f".user: found nothing, {USER}"),
    ("{user: a, password: }", ".password: found nothing, expected a password without control characters"),
    ("{user: a, password: '${MISSING}'}", ".password: environment variable MISSING is not set"),
    ("{user: a, password: b, pass: hunter2}", ".pass: unknown setting, did you mean password?"),
]
MAPPING = "expected a mapping of headers (X-Api-Key: value)"
VALUE = "expected one line of Latin-1 characters, no space around them"
NAME = "found what is no header's name, expected a name and its value (X-Api-Key: value)"
OURS = (
    *("Host", "content-length", "Content-Type", "CONTENT-ENCODING", "Transfer-Encoding", "Connection"),
    *("Idempotency-Key", "User-Agent", "webhook-signature", "Webhook-Other", "Accept-Encoding", "TE"),
    *("Expect", "Proxy-Authorization"),
)
WRONG_HEADERS = [
    *(
        (f"{{{name}: hunter2}}", f".{name}: this header is set by zkpoll itself; expected another one")
        for name in OURS
    ),
    ("hunter2", f": found text, {MAPPING}"),
    ("[hunter2]", f": found a list, {MAPPING}"),
    ("", f": found nothing, {MAPPING}"),
    ("{}", f": found nothing, {MAPPING}"),
    ("{'X-Key:hunter2': a}", f": {NAME}"),
    ("{X-Key: }", f".X-Key: found nothing, {VALUE}"),
    ("{X-Key: ' hunter2'}", f".X-Key: found (hidden), {VALUE}"),
    ("{X-Key: hunter2\u20ac}", f".X-Key: found (hidden), {VALUE}"),
    ("{X-Key: [hunter2]}", f".X-Key: found a list, {VALUE}"),
    (
        '{X-Key: "hunter2\\r\\nX: y"}',
        ".X-Key: found a control character or line break (U+000D), expected one line",
    ),
    ("{X-Key: a, x-key: b}", ": one header is written twice; case makes no difference in its name"),
]
BASE64 = "expected 24 to 64 bytes in base64, after whsec_ or not; openssl rand -base64 32 makes some"
WRONG_SIGNING = [
    ("hunter2", f": found text, {SECTION}"),
    (
        f"{{previous: {'c2ln' * 8}}}",
        ".secret: missing (24 to 64 bytes in base64, after whsec_ or not; best from a file: ${file:PATH})",
    ),
    ("{secret: hunter2}", f".secret: found (hidden), {BASE64}"),
    ("{secret: hunter2\u00e9}", f".secret: found (hidden), {BASE64}"),
    (f"{{secret: {'c2ln' * 8}c}}", f".secret: found (hidden), {BASE64}"),
    (f"{{secret: {'c2ln' * 7}}}", f".secret: found (hidden), {BASE64}"),
    (f"{{secret: {'c2ln' * 22}}}", f".secret: found (hidden), {BASE64}"),
    (f"{{secret: '{'c2l-' * 8}'}}", f".secret: found (hidden), {BASE64}"),
    (f"{{secret: {'c2ln' * 8}, previous: }}", f".previous: found nothing, {BASE64}"),
]
RETRY = TIMEOUT.replace("10ms to 1h", "1m to 365d")
TOKEN = "expected one line of ASCII characters without spaces, and without the word Bearer"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("token:", f"token: found nothing, {TOKEN}"),
        ("token: ''", f"token: found nothing, {TOKEN}"),
        ("token: ${EMPTY}", f"token: found nothing, {TOKEN}"),
        ("token: ${EMPTY:-}", f"token: found nothing, {TOKEN}"),
        ("token: [a]", f"token: found a list, {TOKEN}"),
        ("token: Bearer hunter2", f"token: found (hidden), {TOKEN}"),
        ("token: hunter2é", f"token: found (hidden), {TOKEN}"),
        ("token: ${MISSING}", "token: environment variable MISSING is not set"),
        (
            'token: "hunter2\\n"',
            "token: found a control character or line break (U+000A), expected one line",
        ),
        ("token: !hunter2", "token: found a YAML tag (!), expected a plain value; quote it"),
        ("tokn: hunter2", "tokn: unknown setting, did you mean token?"),
        ("format: json", "format: found 'json', expected events or event or frappe or odoo or template"),
        ("batch_size: 0", "batch_size: found '0', expected a whole number from 1 to 10000"),
        ("attempts: 0", "attempts: found '0', expected a whole number from 1 to 20"),
        *((f"basic: {wrong}", f"basic{told}") for wrong, told in WRONG_BASICS),
        *((f"headers: {wrong}", f"headers{told}") for wrong, told in WRONG_HEADERS),
        *((f"signing: {wrong}", f"signing{told}") for wrong, told in WRONG_SIGNING),
        ("ca_file:", "ca_file: found nothing, expected a path"),
        ("client_key: a.key", "client_key: needs the certificate it belongs to, in client_cert"),
        ("gzip: 9", "gzip: found '9', expected true or false"),
        ("extra_fields: [who]", "extra_fields[0]: found 'who', expected clock_suspect"),
        ("lanes: 17", "lanes: found '17', expected a whole number from 1 to 16"),
        (
            "lanes: 2",
            "lanes: is for one punch a request; format: events takes many, which is faster: see batch_size",
        ),
        ("max_per_run: 0", "max_per_run: found '0', expected a whole number from 1 to 10000000"),
        ("park_retry_every: 30s", f"park_retry_every: found '30s', {RETRY}"),
        ("retry_wait: soon", f"retry_wait: found 'soon', {WAIT}"),
        ("timeout: never", f"timeout: found 'never', {TIMEOUT}"),
        ("name: ' '", f"name: found ' ', {LABEL}"),
    ],
)
def test_a_wrong_dashboard_setting_is_one_exact_line(tmp_path: Path, line: str, told: str) -> None:
    """An empty token is refused, never left out of a request; a wrong one is not shown."""
    lines = wrong(tmp_path, dashboard("url: https://a", line), {"EMPTY": ""})
    assert lines == [f"devices.yaml:3: dashboard.{told}"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read {path}: No such file or directory"),
        (b"", "{path} is empty, expected a token"),
        (b"\r\n", "{path} is empty, expected a token"),
        (b"hunter2 hunter3", "{path} is not a token, " + TOKEN),
        (b"hunter2\n\n\x00", "{path} is not a token, " + TOKEN),
        (b"a" * 70_000, "{path} is larger than 65536 bytes; is it the right file?"),
        (b"\xff\xfe", "{path} is not UTF-8 text"),
    ],
)
def test_a_wrong_tokens_file_is_named(tmp_path: Path, content: bytes | None, told: str) -> None:
    """A token's file that gives no token is an error that names the file, not its content."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    lines = wrong(tmp_path, dashboard("url: http://a", "token_file: token"))
    assert lines == [f"devices.yaml:3: dashboard.token_file: {told.format(path=path)}"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hunter2\nhunter3", "found a control character or line break (U+000A), expected one line"),
        (b"a" * 70_000, "{path} is larger than 65536 bytes; is it the right file?"),
        (b"hunter2\xff", "{path} is not UTF-8 text"),
    ],
)
def test_a_file_that_gives_no_value_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    """What cannot be a value is an error that names the file where it helps, and never its content."""
    path = tmp_path / "value"
    path.write_bytes(content)
    assert wrong(tmp_path, device("serial: ${file:value}")) == [
        f"devices.yaml:10: devices[0] (front).serial: {told.format(path=path)}"
    ]


BASIC = "basic: {user: a, password: hunter2}"
OTHERS = "exclude each other; keep one of them"


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("token: hunter2", BASIC, f"basic: token and basic {OTHERS}"),
        (BASIC, "token_file: b", f"basic: token_file and basic {OTHERS}"),
        (
            "token: a",
            "headers: {authorization: b}",
            f"headers: token and an Authorization in headers {OTHERS}",
        ),
        (BASIC, "headers: {Authorization: b}", f"headers: basic and an Authorization in headers {OTHERS}"),
    ],
)
def test_a_request_has_one_authorization(tmp_path: Path, first: str, second: str, told: str) -> None:
    """A token, a user with a password and an Authorization of one's own exclude each other."""
    (line,) = wrong(tmp_path, dashboard("url: https://a", first, second))
    assert line.partition(": dashboard.")[2] == told
    assert "hunter2" not in line


@pytest.mark.parametrize("key", ["ca_file", "client_cert", "client_key"])
def test_certificates_that_are_none_are_told(tmp_path: Path, authority: Authority, key: str) -> None:
    """A file that is not there, or holds no certificate or key, is named at load time; not its content."""
    cert, _ = authority.issue("zkpoll")
    lines = ["url: https://a", *([f"client_cert: {cert}"] if key == "client_key" else []), f"{key}: it.pem"]
    at = f"devices.yaml:{len(lines) + 1}: dashboard.{key}: "
    path = tmp_path / "it.pem"
    assert wrong(tmp_path, dashboard(*lines)) == [f"{at}cannot read {path}: No such file or directory"]
    path.write_text("hunter2\n")
    what = (
        "a private key in PEM form" if key == "client_key" else "certificates in PEM form, or a damaged one"
    )
    assert wrong(tmp_path, dashboard(*lines)) == [f"{at}{path} does not hold {what}"]


def test_a_key_is_its_certificates_own_and_open(tmp_path: Path, authority: Authority) -> None:
    """A missing key, another one and one with a passphrase are told, and nothing is asked on a terminal."""
    cert, key = authority.issue("zkpoll")
    _, other = authority.issue("other")
    locked = authority.lock(key)
    told = {
        None: f"4: dashboard.client_cert: {cert} does not hold a private key in PEM form",
        other: f"5: dashboard.client_key: the key in {other} is not that of the certificate in client_cert",
        locked: f"5: dashboard.client_key: the key in {locked} needs a passphrase; store it without one,"
        " readable to us alone",
    }
    for one, sentence in told.items():
        lines = [
            "url: https://a",
            "timeout: 1",
            f"client_cert: {cert}",
            *([f"client_key: {one}"] if one else []),
        ]
        assert wrong(tmp_path, dashboard(*lines)) == [f"devices.yaml:{sentence}"]


def test_certificates_need_https(tmp_path: Path, authority: Authority) -> None:
    """Over plain http no certificate is shown or checked, so one in the settings is a mistake."""
    (line,) = wrong(tmp_path, dashboard("url: http://a", f"ca_file: {authority.file}"))
    assert line == (
        "devices.yaml:3: dashboard.ca_file: means something with https:// only, and url begins with http://"
    )


def test_two_tokens_are_one_too_many(tmp_path: Path) -> None:
    """Token and token_file exclude each other, and other mistakes do not hide that."""
    lines = wrong(tmp_path, dashboard("url: nope", "token: a", "token_file: b"))
    assert lines == [
        f"devices.yaml:2: dashboard.url: found 'nope', {WEB}",
        "devices.yaml:4: dashboard.token_file: token and token_file exclude each other; keep one of them",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "devices.yaml: the file is empty, expected an inventory"),
        ("# nothing\n", "devices.yaml: the file is empty, expected an inventory"),
        ("---\n", "devices.yaml:2: the file is empty, expected an inventory"),
        ("{}", "devices.yaml:1: the file is empty, expected an inventory"),
        ("- a\n", "devices.yaml:1: found a list, expected a mapping of settings (name: value)"),
        ("hunter2", "devices.yaml:1: found text, expected a mapping of settings (name: value)"),
        (
            "a: 1\n--- b\n",
            (
                "devices.yaml:2: found ---, which begins another document; an inventory is one; the rest is"
                " checked once this is mended"
            ),
        ),
        ("a: x\0y\n", "devices.yaml:1:5: not YAML: a control character"),
        ('a: "\\UFFFFFFFF"\n', "devices.yaml: not YAML: a character or number out of range"),
        ("[" * 5000, "devices.yaml: nested too deeply for an inventory"),
        ("? [a]\n: b\n", "devices.yaml:1: found a list or mapping as a key, expected a name"),
    ],
)
def test_what_is_no_inventory_at_all_is_one_clear_sentence(tmp_path: Path, text: str, told: str) -> None:
    """A file that cannot be an inventory is told so once, with the place if there is one."""
    lines = wrong(tmp_path, text)
    assert lines[0] == told
    assert len(lines) == 1 or "as a key" in told


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        ("", "no devices, expected at least one"),
        ("[]", "no devices, expected at least one"),
        ("{}", "found a mapping, expected a list of devices (each begins with -)"),
        ("front", "found text, expected a list of devices (each begins with -)"),
    ],
)
def test_an_inventory_without_devices_is_refused(tmp_path: Path, devices: str, told: str) -> None:
    """There is at least one device, in a list."""
    text = GOOD[: GOOD.index("devices:")]
    assert wrong(tmp_path, text) == ["devices.yaml:1: devices: no devices, expected at least one"]
    assert wrong(tmp_path, f"{text}devices: {devices}") == [f"devices.yaml:7: devices: {told}"]


def test_entries_of_the_wrong_shape_are_told_apart(tmp_path: Path) -> None:
    """A text or list where a device, dashboard or the defaults belong is named by its place."""
    mapping = "expected a mapping of settings (name: value)"
    text = "dashboard: hunter2\njournal: j\ndefaults: [a]\ndevices:\n  - front\n  - [a]\n  -\n"
    assert wrong(tmp_path, text) == [
        f"devices.yaml:1: dashboard: found text, {mapping}",
        f"devices.yaml:3: defaults: found a list, {mapping}",
        f"devices.yaml:5: devices[0]: found text, {mapping}",
        f"devices.yaml:6: devices[1]: found a list, {mapping}",
        f"devices.yaml:7: devices[2]: found nothing, {mapping}",
    ]


def test_what_is_missing_is_said_with_its_meaning(tmp_path: Path) -> None:
    """A required setting that is not there is named at the entry that lacks it."""
    text = "dashboard:\n  - token: a\ndevices:\n  - port: 1\n"
    assert wrong(tmp_path, text) == [
        (
            "devices.yaml:1: journal: missing (The journal's file, a relative path from the inventory's"
            " folder; or its PostgreSQL database, postgresql://... or {url: ..., password_file: ...})"
        ),
        (
            "devices.yaml:2: dashboard[0].name: missing (The name used in messages; needed in a list"
            " of dashboards)"
        ),
        "devices.yaml:2: dashboard[0].url: missing (Where punches are POSTed: http or https)",
        (
            "devices.yaml:4: devices[0].name: missing (Our name for the device, used in messages and"
            " sent with every punch)"
        ),
        (
            "devices.yaml:4: devices[0].timezone: missing (The time zone of its wall clock, such as"
            " Asia/Dhaka, here, in its site or in defaults)"
        ),
        (
            "devices.yaml:4: devices[0].host: missing, and push: as well (host: to call it, push: true if it"
            " calls us)"
        ),
    ]


def test_unknown_keys_at_the_top_get_the_nearest_name(tmp_path: Path) -> None:
    """The top level knows its own words, also where the code's word is another."""
    text = GOOD.replace("dashboard:", "dashboards:").replace("journal:", "jurnal:")
    assert wrong(tmp_path, text) == [
        "devices.yaml:1: dashboards: unknown setting, did you mean dashboard?",
        "devices.yaml:4: jurnal: unknown setting, did you mean journal?",
    ]


def test_a_secret_that_became_a_key_is_not_shown(tmp_path: Path) -> None:
    """A missing space after `token:` does not print the token."""
    text = GOOD[GOOD.index("journal") :] + "dashboard: {url: 'http://a', token:hunter2}\n"
    assert wrong(tmp_path, text) == [
        ("devices.yaml:7: dashboard: no space behind the colon of token:, expected token: and its value")
    ]


HIDDEN = "unknown setting (hidden, as it may be a secret)"


@pytest.mark.parametrize(
    "key", ["123456", "hunter2", "hunter", "swordfish-2026", "'comm_key 123456'", "hünter", "hunter" * 8]
)
def test_a_bare_key_may_be_a_secret(tmp_path: Path, key: str) -> None:
    """What was written in the place of a name is told by its line and place, in every section."""
    for text, line, place in [
        (GOOD + f"  - {{name: b, host: b, {key}}}\n", 10, "devices[1] (b)"),
        (GOOD + f"  - name: b\n    host: b\n    {key}:\n", 12, "devices[1] (b)"),
        (GOOD + f"    clock: {{set_when_off_by: 9, {key}}}\n", 10, "devices[0] (front).clock"),
        (dashboard("url: http://a", f"{key}:"), 3, "dashboard"),
        (dashboard("url: http://a", f"basic: {{user: a, password: b, {key}}}"), 3, "dashboard.basic"),
        (GOOD.replace("defaults:", f"defaults:\n  {key}:"), 6, "defaults"),
        (GOOD + f"{key}:\n", 10, ""),
    ]:
        (told,) = wrong(tmp_path, text)
        at = f"devices.yaml:{line}: {place + ': ' if place else ''}{HIDDEN}, "
        assert told.startswith(at)
        assert key.strip("'") not in told


def test_no_place_shows_what_is_no_name(tmp_path: Path) -> None:
    """A secret that became a key is not shown either where its value is wrong, or where it stands twice."""
    for text in ("hunter2: ${NOPE}", "hunter2: 1\n    hunter2: 1", "user_id: {hunter2: [a, '${NOPE}']}"):
        lines = wrong(tmp_path, GOOD + f"    {text}\n")
        assert lines
        assert not any("hunter2" in line for line in lines)
    assert wrong(tmp_path, device("location: Dhaka")) == [
        f"devices.yaml:10: devices[0] (front).location: unknown setting, known here: {KNOWN}"
    ]
    assert wrong(tmp_path, device("port1: 4371")) == [
        f"devices.yaml:10: devices[0] (front): {HIDDEN}, did you mean port?"
    ]


def test_a_wrong_default_is_told_once_and_at_its_own_line(tmp_path: Path) -> None:
    """A default's mistake is the default's, however many devices it reaches or none."""
    text = (
        GOOD.replace("  timezone: Asia/Dhaka", "  timezone: UTC\n  port: abc\n  comm_key: ${KEY}")
        + "  - {name: b, host: b, port: 1}\n  - {name: c, host: c}\n"
    )
    assert wrong(tmp_path, text) == [
        "devices.yaml:7: defaults.port: found 'abc', expected a whole number from 1 to 65535",
        "devices.yaml:8: defaults.comm_key: environment variable KEY is not set",
    ]


def test_a_mistake_within_a_clock_names_its_place_and_line(tmp_path: Path) -> None:
    """What is wrong in a mapping of settings is told where it stands, with the nearest name."""
    text = f"{GOOD}  - name: b\n    host: b\n    clock:\n      set_when_of_by: 30s\n"
    assert wrong(tmp_path, text) == [
        (
            "devices.yaml:13: devices[1] (b).clock.set_when_of_by: unknown setting, did you mean"
            " set_when_off_by?"
        ),
    ]
    text = text.replace("of_by", "off_by").replace("30s", "soon")
    assert wrong(tmp_path, text) == [
        f"devices.yaml:13: devices[1] (b).clock.set_when_off_by: found 'soon', {OFF_BY}"
    ]


def test_a_mistake_within_a_default_clock_is_the_defaults(tmp_path: Path) -> None:
    """A wrong clock in the defaults is told once and there, also when a device has its own."""
    text = GOOD.replace("  timezone", "  clock: {set_when_off_by: soon}\n  timezone")
    told = [f"devices.yaml:6: defaults.clock.set_when_off_by: found 'soon', {OFF_BY}"]
    assert wrong(tmp_path, text) == told
    assert wrong(tmp_path, text + "    clock: {set_when_off_by: 30s}\n") == told


def test_a_mistake_within_clear_names_its_place_and_line(tmp_path: Path) -> None:
    """An unknown setting within `clear` is told where it stands, also in the defaults."""
    told = "unknown setting, did you mean above?"
    text = f"{GOOD}    clear:\n      above: 80%\n      abov: 80%\n"
    assert wrong(tmp_path, text) == [f"devices.yaml:12: devices[0] (front).clear.abov: {told}"]
    text = GOOD.replace("  timezone", "  clear: {above: 80%, abov: 80%}\n  timezone")
    assert wrong(tmp_path, text) == [f"devices.yaml:6: defaults.clear.abov: {told}"]


@pytest.mark.parametrize(("written", "told"), [("0", "'0'"), ("23h", "'23h'"), ("forever", "'forever'")])
def test_copies_are_kept_for_a_day_at_least(tmp_path: Path, written: str, told: str) -> None:
    """The copy of a cleared log is its proof, and no inventory lets it be thrown away at once."""
    text = GOOD.replace("defaults:", f"keep_raw: {written}\ndefaults:")
    expected = TIMEOUT.replace("10ms to 1h", "1d to 36500d")
    assert wrong(tmp_path, text) == [f"devices.yaml:5: keep_raw: found {told}, {expected}"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("alert_after: 5", f"alert_after: found '5', {TIMEOUT.replace('10ms to 1h', '1m to 365d')}"),
        ("dates: d/m/y", "dates: found 'd/m/y', expected day/month/year or month/day/year"),
        ("metrics: zkpoll.prom", f"metrics: found text, {SECTION}"),
        ("metrics: {textfile: }", "metrics.textfile: found nothing, expected a path"),
        ("metrics: {file: a}", "metrics.file: unknown setting, did you mean textfile?"),
        ("page: status.html", f"page: found text, {SECTION}"),
        ("page: {file: }", "page.file: found nothing, expected a path"),
        ("page: {textfile: a}", "page.textfile: unknown setting, did you mean file?"),
        ("health: {ping_url: }", f"health.ping_url: found nothing, {PING_URL}"),
        ("health: {ping_url: 'ftp://a/hunter2'}", f"health.ping_url: found (hidden), {PING_URL}"),
        ("health: {ping_url: 'https://hunter2@a/'}", f"health.ping_url: found (hidden), {PING_URL}"),
        ("health: {url: 'https://a/b'}", "health.url: unknown setting, known here: ping_url"),
    ],
)
def test_who_watches_is_checked(tmp_path: Path, written: str, told: str) -> None:
    """Every mistake in the watchers' settings is told at its place; of a ping URL nothing is shown."""
    lines = wrong(tmp_path, GOOD.replace("defaults:", f"{written}\ndefaults:"))
    assert f"devices.yaml:5: {told}" in lines


@pytest.mark.parametrize("key", ["name", "host", "serial"])
def test_what_tells_devices_apart_is_no_default(tmp_path: Path, key: str) -> None:
    """Name, host and serial belong to one device."""
    text = GOOD.replace("  timezone", f"  {key}: x\n  timezone")
    assert wrong(tmp_path, text) == [
        f"devices.yaml:6: defaults.{key}: tells one device from another, so it cannot stand in defaults"
    ]


def test_names_are_unique(tmp_path: Path) -> None:
    """A name taken twice is told with both lines, for devices and for dashboards."""
    text = GOOD[GOOD.index("journal") :] + (
        "  - {name: front, host: b}\n"
        "dashboard:\n  - {name: a, url: 'http://a'}\n  - {name: a, url: 'http://b'}\n"
    )
    assert wrong(tmp_path, text) == [
        "devices.yaml:7: devices[1] (front).name: 'front' is already the name on line 5",
        "devices.yaml:10: dashboard[1] (a).name: 'a' is already the name on line 9",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("192.168.1.9", "192.168.1.9"),
        ("gate.example.com", "GATE.example.com."),
        ("2001:db8::1", "2001:0DB8:0::1"),
        ("fe80::1%eth0", "FE80::1%eth0"),
    ],
)
def test_one_terminal_is_visited_under_one_name(tmp_path: Path, first: str, second: str) -> None:
    """Two enabled devices at one address are an error, however the address is spelled."""
    text = GOOD.replace("192.168.1.201", first) + f"  - name: b\n    host: '{second}'\n"
    assert wrong(tmp_path, text) == [
        (
            f"devices.yaml:11: devices[1] (b).host: {second} port 4370 (tcp) is already an enabled device on"
            " line 8"
        )
    ]


def test_one_serial_is_one_device(tmp_path: Path) -> None:
    """Two enabled devices with one serial would share their punches' identity."""
    text = device("serial: 0012") + "  - {name: b, host: b, serial: 0012}\n"
    assert wrong(tmp_path, text) == [
        "devices.yaml:11: devices[1] (b).serial: serial 0012 is already an enabled device on line 8"
    ]


def test_all_problems_are_told_at_once_in_the_files_order(tmp_path: Path) -> None:
    """One run of the check finds every mistake, and no secret is among the words."""
    text = """\
dashboard: {url: a, token: "hunter2 hunter2"}
journal:
parallel: 1000
devices:
  - {name: a, host: a, timezone: Nowhere/Here, comm_key: hunter2}
  - {name: a, host: a, timezone: UTC, prot: 1}
"""
    lines = wrong(tmp_path, text)
    assert [line.split(": ")[:2] for line in lines] == [
        ["devices.yaml:1", "dashboard.url"],
        ["devices.yaml:1", "dashboard.token"],
        ["devices.yaml:2", "journal"],
        ["devices.yaml:3", "parallel"],
        ["devices.yaml:5", "devices[0] (a).comm_key"],
        ["devices.yaml:5", "devices[0] (a).timezone"],
        ["devices.yaml:6", "devices[1] (a).prot"],
        ["devices.yaml:6", "devices[1] (a).name"],
    ]
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a: &a [*a]\n",
            "devices.yaml:1: a[0]: found an alias of something that holds the alias itself",
        ),
        (
            "a: &a {<<: *a}\n",
            "devices.yaml:1: a.<<: found an alias of something that holds the alias itself",
        ),
        ("<<: 3\n", "devices.yaml:1: <<: expected an alias of a mapping"),
    ],
)
def test_aliases_that_go_nowhere_are_told(tmp_path: Path, text: str, told: str) -> None:
    """An alias within itself, or of what cannot be merged, ends in a sentence."""
    assert told in wrong(tmp_path, text)


@pytest.mark.parametrize(
    "level", ["[*{0},*{0},*{0},*{0},*{0},*{0},*{0},*{0},*{0}]", "{{<<: [*{0},*{0},*{0},*{0},*{0},*{0}]}}"]
)
def test_aliases_cannot_blow_up_the_file(tmp_path: Path, level: str) -> None:
    """A few lines of aliases of aliases do not eat the machine's memory."""
    lines = ["a: &a0 {x: y}"]
    lines += [f"k{i}: &a{i + 1} {level.format(f'a{i}')}" for i in range(12)]
    told = ["devices.yaml: its aliases make it too large"]
    assert wrong(tmp_path, "\n".join(lines)) == told


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A missing file, a folder and a file in another encoding each have their own sentence."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"journal: \xe9\n")
    for path, told in [
        (tmp_path / "gone.yaml", "there is no such file"),
        (tmp_path, "this is a folder, expected a file"),
        (latin / "devices.yaml", "cannot be read: Not a directory"),
        (latin, "not UTF-8 text (byte 10)"),
    ]:
        with pytest.raises(InventoryError) as caught:
            load(path, {})
        assert str(caught.value) == f"{path}: {told}"
        assert caught.value.exit_code == ExitCode.INVENTORY


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    """A file without read permission says so."""
    path = tmp_path / "devices.yaml"
    path.touch(mode=0)
    with pytest.raises(InventoryError, match="cannot be read: Permission denied"):
        load(path, {})


WORDS = st.sampled_from(
    [
        *("dashboard", "devices", "defaults", "journal", "url", "http://a", "name", "host", "token"),
        *("timezone", "UTC", "port", "serial", "<<", "${A}", "${", "${B:-c}", "&a ", "*a", "!x ", "|"),
        *("- ", ": ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ",", '"', "'", "\\U", "0012", "~"),
        *("%YAML ", "---", "#", "?", "\t", "\0", "\ud800", "\x85", "é"),
    ]
)


def outcome(path: Path, env: Mapping[str, str]) -> Inventory | str:
    """Given a file, return its settings or why there are none; let every other error through."""
    try:
        return load(path, env)
    except InventoryError as error:
        return str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(300))
@given(text=st.one_of(st.text(), st.lists(WORDS, max_size=40).map("".join), st.binary()))
def test_any_file_is_an_inventory_or_an_inventory_error(tmp_path: Path, text: str | bytes) -> None:
    """Whatever a file holds, it loads or ends in the one error that says why."""
    path = tmp_path / "devices.yaml"
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    path.write_bytes(raw)
    result = outcome(path, {"A": "x"})
    assert isinstance(result, Inventory) or result.startswith(str(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(300))
@given(key=st.sampled_from([*KNOWN.split(", "), "x"]), value=st.text())
def test_any_value_of_a_device_is_taken_or_told(tmp_path: Path, key: str, value: str) -> None:
    """Whatever a variable holds, a setting takes it or the error names the setting."""
    text = GOOD.replace("    host: 192.168.1.201\n", "").replace("  - name: front\n", "  -\n")
    lines = {"name": "n", "host": "h", "serial": "S1"} | {key: "${VALUE}"}
    text += "".join(f"    {name}: {written}\n" for name, written in lines.items())
    path = tmp_path / "devices.yaml"
    path.write_text(text, encoding="utf-8")
    result = outcome(path, {"VALUE": value})
    assert isinstance(result, Inventory) or re.fullmatch(rf".*devices\[0\]( \(n\))?\.{key}: .+", result)
