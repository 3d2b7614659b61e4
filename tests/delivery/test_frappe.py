"""The format `frappe`: its requests, its answers, and deliveries to a site that behaves as Frappe HR does."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.delivery.frappe_answers import (
    ACTIVE,
    CASES,
    HAS_IT,
    HAS_NONE,
    NOBODYS,
    SOMEBODYS,
    TIME,
    Case,
    error,
    receipt,
    reply,
    rows,
)
from tests.delivery.frappe_answers import FOUND as HAS
from tests.delivery.frappe_site import CHECKIN, EMPLOYEE, SHIFT, TOKEN, FrappeSite, error_body
from tests.delivery.outbox import EXAMPLE, MemoryOutbox, some_events
from tests.delivery.troubled import CUT
from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Decision, Failure, Reply, Request, Verdict, carried_out
from zkpoll.delivery.destination import Delivered, Destination
from zkpoll.delivery.formats.frappe import FrappeFormat
from zkpoll.delivery.loop import deliver
from zkpoll.delivery.origins import Origins
from zkpoll.delivery.ping import Ping, ping
from zkpoll.inventory import Device
from zkpoll.inventory.formats.frappe import Frappe
from zkpoll.simulator import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zkpoll.delivery.contract import Answer
    from zkpoll.model.punch import Event

PAGE: Final = (Path(__file__).parents[2] / "docs" / "frappe.md").read_text("utf-8")
SECRETS: Final = (TOKEN, *TOKEN.split(":"))
MODULE: Final = "hrms.hr.doctype.employee_checkin.employee_checkin"
ADD_LOG: Final = f"/api/method/{MODULE}.add_log_based_on_employee_field"


def form(device: dict[str, Any] | None = None, **settings: Any) -> FrappeFormat:
    """Return the format with settings of its own, and with one terminal."""
    front = {"name": "front-door", "host": "192.0.2.1", "timezone": "Asia/Dhaka"} | (device or {})
    terminals = Origins.of_inventory([Device.model_validate(front)], {})
    return FrappeFormat(Frappe.model_validate({"timezone": "Asia/Dhaka"} | settings), terminals, SECRETS)


FORM: Final = form()


def settled(
    *answers: Answer, of: FrappeFormat = FORM, event: Event = EXAMPLE, unsure: bool = False
) -> tuple[Decision, list[Request]]:
    """Answer an exchange with these, no more and no less; return what it decides, and its requests."""
    asked: list[Request] = []

    def send(request: Request) -> Answer:
        asked.append(request)
        return answers[len(asked) - 1]

    decision = carried_out(of.exchange((event,), unsure=unsure), send)
    assert len(asked) == len(answers)
    return decision, asked


def first(of: FrappeFormat, event: Event = EXAMPLE) -> Request:
    """Return the request for a new event, which is not there."""
    exchange = of.exchange((event,), unsure=False)
    asked = next(exchange)
    return asked if asked.key else exchange.send(rows())


def body(of: FrappeFormat, event: Event = EXAMPLE) -> str:
    """Return the body of the request for a new event."""
    return (first(of, event).body or b"").decode()


# --- requests ---

BODY: Final = (
    '{{"employee_field_value":{},"timestamp":"2026-11-22 08:59:58","device_id":"front-door",{}'
    '"skip_auto_attendance":0,"employee_fieldname":"attendance_device_id"}}'
)


@pytest.mark.parametrize(
    ("state", "device", "told"),
    [
        (0, {}, '"log_type":"IN",'),
        (1, {}, '"log_type":"OUT",'),
        (2, {}, ""),
        (255, {}, ""),
        (255, {"direction": "in"}, '"log_type":"IN",'),
        (0, {"direction": "out"}, '"log_type":"OUT",'),
        (0, {"direction": "none"}, ""),
        (
            0,
            {"latitude": "23.7808", "longitude": "-0.5"},
            '"log_type":"IN","latitude":23.7808,"longitude":-0.5,',
        ),
        (2, {"latitude": "0", "longitude": "0"}, '"latitude":0.0,"longitude":0.0,'),
    ],
)
def test_the_request(state: int, device: dict[str, str], told: str) -> None:
    """What goes out is this, byte for byte; a direction or a place that nobody knows is not in it."""
    assert body(form(device), EXAMPLE._replace(state=state)) == BODY.format('"1001"', told)


@pytest.mark.parametrize(
    ("user_id", "written"),
    [
        ("0042", '"0042"'),
        ("NB-7/ä", '"NB-7/ä"'),
        ("a\"b\\c'd", '"a\\"b\\\\c\'d"'),
        ("50%&x=1+2", '"50%&x=1+2"'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_odd_user_ids(user_id: str, written: str) -> None:
    """A user id is text, whatever it is made of, and comes back the same out of the question for it."""
    event = EXAMPLE._replace(user_id=user_id)
    assert body(FORM, event) == BODY.format(written, '"log_type":"IN",')
    _, (_, asked) = settled(error(417), rows(), event=event)
    ((filters,),) = (json.loads(text) for text in parse_qs(urlsplit(asked.path).query)["filters"])
    assert filters == ["attendance_device_id", "=", user_id]


def test_settings_of_the_site() -> None:
    """The app, the field of the employees and the switch for attendance are those of the inventory."""
    own = form(app="erpnext", employee_field="badge", skip_auto_attendance="true")
    request = first(own)
    assert (request.method, request.path) == ("POST", ADD_LOG.replace("hrms", "erpnext", 1))
    assert body(own).endswith('"skip_auto_attendance":1,"employee_fieldname":"badge"}')
    assert (first(FORM).path, request.ids) == (ADD_LOG, (EXAMPLE.id,))


@pytest.mark.parametrize(
    ("zone", "moment", "there"),
    [
        ("Asia/Dhaka", "2026-11-22T08:59:58+06:00", "2026-11-22 08:59:58"),
        ("Asia/Kolkata", "2026-11-22T08:59:58+06:00", "2026-11-22 08:29:58"),
        ("America/New_York", "2026-11-22T08:59:58+06:00", "2026-11-21 21:59:58"),
        ("Europe/Berlin", "2026-07-01T08:00:00+00:00", "2026-07-01 10:00:00"),
        ("Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25 02:30:00"),
        ("Europe/Berlin", "2026-10-25T02:30:00+01:00", "2026-10-25 02:30:00"),
    ],
)
def test_the_time_is_that_of_the_site(zone: str, moment: str, there: str) -> None:
    """The site gets its own wall clock, without an offset, wherever the terminal is."""
    sent = json.loads(body(form(timezone=zone), EXAMPLE._replace(timestamp=moment)))
    assert sent["timestamp"] == there


def test_the_questions() -> None:
    """After a look at that second it asks who has the user id, and then for the checkins of these people."""
    people = rows({"name": "HR-EMP-00001", "status": "Left"}, {"name": "HR-EMP-00002", "status": "Active"})
    it = {"name": "EMP-CKIN-1", "log_type": "IN"}
    _, asked = settled(SOMEBODYS, people, rows(it), unsure=True)
    assert {(one.method, one.body, one.key) for one in asked} == {("GET", None, None)}
    anybodys, who, which = asked
    assert anybodys.path == (
        "/api/resource/Employee%20Checkin?fields=%5B%22name%22%5D&filters="
        + quote('[["time","=","2026-11-22 08:59:58"]]', safe="")
        + "&limit_page_length=1"
    )
    assert who.path == (
        "/api/resource/Employee?fields=%5B%22name%22%2C%22status%22%5D"
        "&filters=%5B%5B%22attendance_device_id%22%2C%22%3D%22%2C%221001%22%5D%5D&limit_page_length=20"
    )
    assert which.path == (
        "/api/resource/Employee%20Checkin?fields=%5B%22name%22%2C%22log_type%22%2C%22device_id%22%5D&filters="
        + quote(
            '[["employee","in",["HR-EMP-00001","HR-EMP-00002"]],["time","=","2026-11-22 08:59:58"]]', safe=""
        )
        + "&limit_page_length=20"
    )


CHECKINS: Final[Sequence[tuple[int, dict[str, object], bool]]] = [
    (0, {"log_type": "IN", "device_id": "warehouse"}, True),
    (0, {"log_type": "OUT", "device_id": "warehouse"}, False),
    (0, {"log_type": None, "device_id": None}, False),
    (0, {"log_type": "OUT", "device_id": "front-door"}, True),
    (255, {"log_type": None, "device_id": "warehouse"}, True),
    (255, {"log_type": "", "device_id": None}, True),
    (255, {"log_type": "OUT", "device_id": "front-door"}, True),
    (255, {"log_type": "OUT", "device_id": "warehouse"}, False),
]


@pytest.mark.parametrize(("state", "checkin", "it"), CHECKINS)
def test_which_checkin_it_is(state: int, checkin: dict[str, object], it: bool) -> None:
    """Of a person's second, that of the same direction or terminal is it, and no other."""
    answers = [SOMEBODYS, ACTIVE, rows({"name": "EMP-CKIN-1"} | checkin), *([] if it else [receipt()])]
    _, asked = settled(*answers, event=EXAMPLE._replace(state=state), unsure=True)
    assert any(request.key for request in asked) is not it


def test_without_a_direction_it_is_looked_for_first() -> None:
    """What some sites would take twice is sent only where nothing of that second is there, new or not."""
    undirected = EXAMPLE._replace(state=255)
    _, (look, post) = settled(NOBODYS, receipt(), event=undirected)
    assert (look.method, post.method) == ("GET", "POST")
    it = rows({"name": "x", "device_id": "front-door"})
    assert settled(SOMEBODYS, ACTIVE, it, event=undirected)[0].verdict is Verdict.CONFIRMED


# --- answers ---


@pytest.mark.parametrize("case", CASES, ids=[f"{case.shown}, {case.has}" for case in CASES])
def test_each_answer_means_what_the_page_says(case: Case) -> None:
    """Each answer of a row leads to just these questions, and has its verdict; the row is in the table."""
    for unsure, answers in case.dialogues:
        decision, _ = settled(*answers, unsure=unsure)
        assert decision.verdict is case.verdict, answers
        assert bool(decision.message) is (case.verdict not in (Verdict.CONFIRMED, Verdict.NAMED))
        assert set(decision.rejected) == ({EXAMPLE.id} if case.verdict is Verdict.NAMED else set())
        assert all(decision.rejected.values())
    assert case.row in PAGE


def test_the_table_has_no_other_row() -> None:
    """No row is left of what the program no longer does."""
    (table,) = re.findall(r"^\| answer of the site \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert table.strip().splitlines()[2:] == [case.row for case in CASES]


def test_the_request_is_the_one_shown() -> None:
    """The sample request of the page is what goes out."""
    (shown,) = re.findall(r"```http\n(.*?)\n```", PAGE, re.DOTALL)
    head, _, content = shown.partition("\n\n")
    place = form({"latitude": "23.7808", "longitude": "90.4193"})
    assert head.splitlines()[0] == f"POST {first(place).path} HTTP/1.1"
    assert json.loads(content) == json.loads(body(place))


SAYS: Final[Sequence[tuple[tuple[Answer, ...], str]]] = [
    (
        (error(417, "ValidationError", 'Kein <a href="/x">Mitarbeiter</a>.<Br>Gar keiner'), *HAS[HAS_NONE]),
        'the dashboard answered 417 and refused it; it says: "Kein Mitarbeiter. Gar keiner"',
    ),
    (
        (Reply(417, body=b'{"exception": "a.b.MandatoryError: x"}'), *HAS[HAS_NONE]),
        'the dashboard answered 417 and refused it; it says: "a.b.MandatoryError: x"',
    ),
    (
        (Reply(417, body=b'{"_server_messages": "[7, null]", "exception": [1]}'), *HAS[HAS_NONE]),
        "the dashboard answered 417 and refused it",
    ),
    ((error(417, "AppNotInstalledError", "Keine App"),), 'check app:; it says: "Keine App"'),
    ((error(400, "CSRFTokenError", ""),), "check token:"),
    ((error(503, "InReadOnlyMode", "Nur <b>lesen</b>"),), 'cannot take it now; it says: "Nur lesen"'),
    ((error(403, "PermissionError", "Nein"),), 'the rights of the token or user, and url:; it says: "Nein"'),
    ((error(409), *HAS[HAS_NONE]), "because of a conflict"),
    ((reply({}), *HAS[HAS_NONE]), "answered 200 without a receipt, and has no such checkin"),
    (
        (error(417), error(403, "PermissionError", "Nein")),
        '403 to Employee; let the user of token: read Employee, and check employee_field:; it says: "Nein"',
    ),
    ((error(417), ACTIVE, error(404)), "answered 404 to Employee Checkin; let the user of token: read"),
    (
        (receipt("2026-12-24T18:00:00"),),
        f"the site made EMP-CKIN-12-2026-000001 with the time 2026-12-24 18:00:00 of a punch at {TIME}, so",
    ),
]


@pytest.mark.parametrize(("answers", "told"), SAYS, ids=[told[-40:] for _, told in SAYS])
def test_what_a_person_is_told(answers: Sequence[Answer], told: str) -> None:
    """A message says what to do, with the site's own words as a browser would show them."""
    assert told in settled(*answers)[0].message


def test_whom_nobody_knows_is_told_by_the_field() -> None:
    """What is said of a parked punch names the field to fill in, or why its employee is not taken."""
    (words,) = settled(error(417), rows())[0].rejected.values()
    assert words == "no employee has attendance_device_id 1001"
    (words,) = settled(error(417, "InactiveEmployeeStatusError", "<i>Amina</i> ist weg"))[0].rejected.values()
    assert words == "Amina ist weg"


def test_somebody_who_is_employed_again() -> None:
    """Where one of several employees with a user id is at work, nobody is taken to be inactive."""
    people = rows(
        {"name": "HR-EMP-00001", "status": "Inactive"}, {"name": "HR-EMP-00002", "status": "Active"}
    )
    assert settled(error(417), people, rows())[0].verdict is Verdict.SUSPECT


def test_an_error_as_a_page_is_told() -> None:
    """A good status that tells of an error as a web page confirms nothing, and there is a sentence on it."""
    decision, _ = settled(Reply(200, "application/json", b"<!-- --><pre>TypeError</pre>"))
    assert decision.verdict is Verdict.CONFIGURATION
    assert "with a web page (a login page?)" in decision.message


def test_json_of_a_wrong_type_is_looked_up() -> None:
    """JSON that is typed as a page is an answer: without a receipt in it, the checkin is looked for."""
    odd = replace(error(200, "TypeError"), content_type="text/html")
    assert settled(odd, ACTIVE, rows())[0].verdict is Verdict.CONFIGURATION
    assert settled(odd, *HAS[HAS_IT])[0].verdict is Verdict.CONFIRMED


def test_it_waits_as_long_as_the_site_asks() -> None:
    """Retry-After counts in the answer to a punch and in that to a question."""
    busy = replace(error(429, "RateLimitExceededError"), retry_after="7")
    assert settled(busy)[0].wait == settled(busy, unsure=True)[0].wait == 7


@pytest.mark.parametrize("case", CASES, ids=[f"{case.shown}, {case.has}" for case in CASES])
def test_no_message_holds_a_secret(case: Case) -> None:
    """A site that echoes the API key and secret in its words, tags in between, gets them into no message."""
    key, secret = TOKEN.split(":")
    echo = f"<b>{key}</b>:<i>{secret}</i> token {key}<wbr>:{secret[:7]}<b>{secret[7:]}</b>"

    def echoing(answer: Answer) -> Answer:
        if isinstance(answer, Failure):
            return Failure(f"{answer.reason} {TOKEN}", answer.lasting)
        text = answer.body.decode().replace("as it says <b>there</b>", echo)
        return replace(answer, body=text.replace("EMP-CKIN", f"{secret}-CKIN").encode())

    for unsure, answers in case.dialogues:
        shown = repr(settled(*map(echoing, answers), unsure=unsure)[0])
        assert not any(part in shown for part in SECRETS)


ANSWERS: Final = st.one_of(
    st.builds(
        Reply,
        st.sampled_from([200, 204, 302, 400, 401, 403, 404, 409, 410, 413, 417, 422, 429, 500, 503, 700]),
        st.sampled_from(["application/json", "text/html", ""]),
        st.one_of(
            st.sampled_from([found.body for found in (ACTIVE, rows(), receipt(), error(417, "DataError"))]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(),
                lambda inner: (
                    st.lists(inner)
                    | st.dictionaries(
                        st.sampled_from(
                            ["data", "message", "name", "time", "exc_type", "_server_messages", "exception"]
                        ),
                        inner,
                    )
                ),
            ).map(lambda content: json.dumps(content).encode()),
            st.binary(),
        ),
    ),
    st.just(Failure("no answer")),
)


@given(st.lists(ANSWERS, min_size=6, max_size=6), st.booleans())
def test_whatever_is_answered(answers: list[Answer], unsure: bool) -> None:
    """Nothing that a site may answer breaks an exchange; six answers are enough; only a proof confirms."""
    asked: list[Request] = []

    def send(request: Request) -> Answer:
        asked.append(request)
        return answers[len(asked) - 1]

    decision = carried_out(FORM.exchange((EXAMPLE,), unsure=unsure), send)
    assert sum(request.key is not None for request in asked) <= 1
    if decision.verdict is Verdict.CONFIRMED:
        proof = answers[len(asked) - 1]
        assert isinstance(proof, Reply)
        assert proof.status // 100 == 2
        assert b'"name"' in proof.body


# --- a site ---


@pytest.fixture
def frappe() -> Iterator[FrappeSite]:
    """Give a site that is up, with one employee."""
    with FrappeSite() as running:
        running.employ("1001")
        yield running


def sent(
    site: FrappeSite,
    event: Event = EXAMPLE,
    *,
    of: FrappeFormat = FORM,
    unsure: bool = False,
    token: str = TOKEN,
) -> Decision:
    """Send one event to a site; return what becomes of it."""
    with Client(Access(site.url, 5, token, scheme="token")) as client:
        return carried_out(of.exchange((event,), unsure=unsure), client.send)


def asked_of(site: FrappeSite, *requests: Request) -> list[tuple[int, Any]]:
    """Send requests to a site; return the status and the content of each answer."""
    with Client(Access(site.url, 5, TOKEN, scheme="token")) as client:
        answers = [client.send(request) for request in requests]
    return [(answer.status, json.loads(answer.body)) for answer in answers if isinstance(answer, Reply)]


def test_a_punch_becomes_a_checkin(frappe: FrappeSite) -> None:
    """A checkin holds the employee, the time, the device, the direction and the place."""
    place = form({"latitude": "23.7808", "longitude": "90.4193"})
    assert sent(frappe, of=place).verdict is Verdict.CONFIRMED
    (checkin,) = frappe.checkins
    del checkin["name"]
    assert checkin == {
        "employee": "HR-EMP-00001",
        "time": TIME,
        "device_id": "front-door",
        "log_type": "IN",
        "skip_auto_attendance": 0,
        "latitude": 23.7808,
        "longitude": 90.4193,
    }


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("state", [0, 255])
def test_a_repeat_is_known(frappe: FrappeSite, language: str, state: int) -> None:
    """A checkin that is there is confirmed, in any language, and not made twice."""
    frappe.language = language
    event = EXAMPLE._replace(state=state)
    assert [sent(frappe, event).verdict for _ in range(3)] == [Verdict.CONFIRMED] * 3
    assert len(frappe.checkins) == 1


@pytest.mark.parametrize("language", ["en", "de"])
def test_an_unknown_employee(frappe: FrappeSite, language: str) -> None:
    """The punch of somebody whom the site does not know is told apart from a repeat, in any language."""
    frappe.language = language
    decision = sent(frappe, EXAMPLE._replace(user_id="1002"))
    assert decision.rejected == {EXAMPLE.id: "no employee has attendance_device_id 1002"}


@pytest.mark.parametrize("language", ["en", "de"])
def test_an_inactive_employee(frappe: FrappeSite, language: str) -> None:
    """The punch of somebody who is inactive is set aside with the site's words; one that is there is not."""
    frappe.language = language
    assert sent(frappe).verdict is Verdict.CONFIRMED
    frappe.employees[0]["status"] = "Inactive"
    assert sent(frappe, unsure=True).verdict is Verdict.CONFIRMED
    decision = sent(frappe, EXAMPLE._replace(timestamp="2026-11-22T09:00:00+06:00"))
    assert decision.rejected[EXAMPLE.id].endswith(" HR-EMP-00001.")


def test_a_shift_that_needs_log_types(frappe: FrappeSite) -> None:
    """What the site has against a punch is told in its own words, and parks nothing by itself."""
    frappe.language, frappe.strict_shift = "de", "Tag"
    decision = sent(frappe, EXAMPLE._replace(state=255))
    assert decision.verdict is Verdict.SUSPECT
    assert decision.message.endswith('"Für Check-ins der Schicht Tag ist der Protokolltyp erforderlich."')
    assert sent(frappe).verdict is Verdict.CONFIRMED


def test_the_wrong_app(frappe: FrappeSite) -> None:
    """A site whose checkins are in another app says so, and nothing is parked by itself."""
    decision = sent(frappe, of=form(app="erpnext"))
    assert decision.verdict is Verdict.SUSPECT
    assert "No module named 'erpnext'" in decision.message


def test_wrong_credentials(frappe: FrappeSite) -> None:
    """An API key that the site does not know is for a person to mend."""
    assert sent(frappe, token="nobody:nothing").verdict is Verdict.CONFIGURATION
    assert frappe.checkins == []


@pytest.mark.parametrize(
    ("denied", "told"),
    [
        ((CHECKIN, "create"), "check the rights of the token or user"),
        ((EMPLOYEE, "read"), "let the user of token: read Employee,"),
        ((CHECKIN, "read"), "let the user of token: read Employee Checkin"),
    ],
)
def test_a_right_that_is_missing(frappe: FrappeSite, denied: tuple[str, str], told: str) -> None:
    """What the user may not do is told with the right that is missing."""
    frappe.denied = {denied}
    somebody = EXAMPLE._replace(user_id="1001" if denied[1] == "create" else "1002")
    decision = sent(frappe, somebody, unsure=denied == (CHECKIN, "read"))
    assert (decision.verdict, frappe.checkins) == (Verdict.CONFIGURATION, [])
    assert told in decision.message


def test_a_user_who_may_not_set_the_time(frappe: FrappeSite) -> None:
    """A checkin that got the present time in place of the punch's is noticed, and is the only one."""
    frappe.sees_times = False
    outbox = MemoryOutbox(some_events(5, 1001))
    frappe.employ("1002", "1003", "1004", "1005")
    assert delivered(frappe, outbox).kind == delivered(frappe, outbox).kind == "gone"
    assert (len(frappe.checkins), len(outbox.left)) == (1, 5)
    assert "EMP-CKIN-12-2026-000001 with the time 2026-12-24 18:00:00" in (outbox.gone or "")


def test_a_site_that_is_asked_too_often(frappe: FrappeSite) -> None:
    """Its 429 is honoured, and what was sent before it is there once."""
    frappe.requests_left = 0
    decision = sent(frappe)
    assert (decision.verdict, decision.wait) == (Verdict.TRY_AGAIN, 27)
    frappe.requests_left = None
    assert sent(frappe, unsure=True).verdict is Verdict.CONFIRMED
    assert len(frappe.checkins) == 1


def test_a_site_without_receipts(frappe: FrappeSite) -> None:
    """A site whose function returns nothing is asked for each checkin."""
    frappe.receipts = False
    assert sent(frappe).verdict is Verdict.CONFIRMED
    assert len(frappe.requests) == 3


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("state", [0, 255])
def test_a_lost_answer(frappe: FrappeSite, blind: bool, state: int) -> None:
    """What arrived although its answer was lost is there once, also on a site that would take it twice."""
    frappe.blind_to_absent_log_type = blind
    event = EXAMPLE._replace(state=state)
    frappe.answers.append(lambda request: (frappe.serve(request), CUT)[1])
    assert sent(frappe, event).verdict is Verdict.TRY_AGAIN
    assert sent(frappe, event, unsure=True).verdict is Verdict.CONFIRMED
    assert len(frappe.checkins) == 1


def test_the_site_would_take_some_twice(frappe: FrappeSite) -> None:
    """The site of these tests has the flaw that makes it necessary to look first."""
    frappe.blind_to_absent_log_type = True
    asked = first(FORM, EXAMPLE._replace(state=255))
    assert [status for status, _ in asked_of(frappe, asked, asked)] == [200, 200]
    assert len(frappe.checkins) == 2


# --- how the site answers ---


def test_errors_look_as_the_real_ones(frappe: FrappeSite) -> None:
    """An error is JSON with the exception's name, its text in the site's language, and a traceback."""
    frappe.language = "de"
    ((status, content),) = asked_of(frappe, first(FORM, EXAMPLE._replace(user_id="7")))
    (message,) = [json.loads(text)["message"] for text in json.loads(content["_server_messages"])]
    assert (status, content["exc_type"]) == (417, "ValidationError")
    assert message == "Für den Wert des Feldes wurde kein Mitarbeiter gefunden. 'attendance_device_id': 7"
    assert content["exception"] == f"frappe.exceptions.ValidationError: {message}"
    assert json.loads(content["exc"])[0].startswith("Traceback")


def test_lists_look_as_the_real_ones(frappe: FrappeSite) -> None:
    """A list has 20 documents unless more are asked for, with the fields asked for, or is an error."""
    frappe.employ(*(str(number) for number in range(1, 30)))
    frappe.employ("", status="Left")

    def listing(query: str) -> Request:
        return Request(method="GET", path=f"/api/resource/Employee?{quote(query, safe='=&')}")

    answers = asked_of(
        frappe,
        listing(""),
        listing("limit_page_length=0"),
        listing('fields=["status"]&filters=[["attendance_device_id","is","not set"]]'),
        listing('filters=[["attendance_device_id","in",["1001 ","7"]]]'),
        listing('filters=[["badge","=","7"]]'),
        Request(method="GET", path="/api/resource/Nonsense"),
    )
    found = [content.get("data") for _, content in answers]
    assert [len(data) for data in found[:2]] == [20, 31]
    assert found[2:4] == [[{"status": "Left"}], [{"name": "HR-EMP-00001"}, {"name": "HR-EMP-00008"}]]
    assert [status for status, _ in answers] == [200, 200, 200, 200, 500, 404]


def test_shift_types_can_be_read_and_moved(frappe: FrappeSite) -> None:
    """A Shift Type is read and changed by its name; every change is remembered."""
    frappe.shift("Nacht/Früh")
    path = f"/api/resource/Shift%20Type/{quote('Nacht/Früh', safe='')}"
    new = {"name": "Nacht/Früh", "enable_auto_attendance": 1, "last_sync_of_checkin": None}
    moved = {"last_sync_of_checkin": "2026-11-22 08:00:00"}
    before, put, missing = asked_of(
        frappe,
        Request(method="GET", path=path),
        Request(json.dumps(moved).encode(), method="PUT", path=path),
        Request(method="GET", path="/api/resource/Shift%20Type/Day"),
    )
    assert before == (200, {"data": new})
    assert put == (200, {"data": new | moved})
    assert (missing[0], missing[1]["exc_type"]) == (404, "DoesNotExistError")
    assert frappe.moves == [("Nacht/Früh", moved)]


# --- ping ---


def pinged(site: FrappeSite, of: FrappeFormat = FORM, token: str = TOKEN) -> Ping:
    """Ping a site."""
    return ping(Access(site.url, 5, token, scheme="token"), of)


def outcomes(found: Ping) -> dict[str, tuple[bool | None, str]]:
    """Return how each question went, by its name."""
    return {step.name: (step.ok, step.text) for step in found.steps[2:]}


def test_a_ping_of_a_site_that_is_well(frappe: FrappeSite) -> None:
    """Rights, employees, the zone and each shift are looked at, and nothing is changed."""
    frappe.shift("Day")
    assert sent(frappe).verdict is Verdict.CONFIRMED
    del frappe.requests[:]
    found = pinged(frappe, form(shifts=[{"name": "Day", "devices": ["front-door"]}]))
    assert outcomes(found) == {
        "answer": (True, "200 to a look at Employee Checkin"),
        "credentials": (True, "accepted"),
        "employees": (True, "found by attendance_device_id"),
        "zone": (True, "Asia/Dhaka"),
        "shift Day": (True, "there, with auto attendance"),
    }
    assert {request.method for request in frappe.requests} == {"GET"}
    assert len(frappe.checkins) == 1


def test_a_ping_with_wrong_credentials(frappe: FrappeSite) -> None:
    """Credentials that are not accepted are what is told."""
    found = outcomes(pinged(frappe, token="nobody:nothing"))
    assert (found["credentials"][0], "check token:" in found["credentials"][1]) == (False, True)
    assert "employees" not in found


def test_a_ping_by_a_user_who_sees_no_times(frappe: FrappeSite) -> None:
    """A user who may not see the time of checkins could not set it, either."""
    sent(frappe)
    frappe.sees_times = False
    assert outcomes(pinged(frappe))["credentials"] == (
        False, "accepted, but the user may not see when a checkin was; give it the role HR User",
    )  # fmt: skip


def test_a_ping_where_nobody_has_a_user_id(frappe: FrappeSite) -> None:
    """A field that no employee has filled in would park every punch; one that is not there, as well."""
    frappe.employees[0]["attendance_device_id"] = None
    ok, text = outcomes(pinged(frappe))["employees"]
    assert ok is False
    assert text.startswith("no employee that the user may see has attendance_device_id filled in")
    ok, text = outcomes(pinged(frappe, form(employee_field="badge")))["employees"]
    assert (ok, "Unknown column 'tabEmployee.badge'" in text) == (False, True)


@pytest.mark.parametrize(
    ("theirs", "ours", "ok", "told"),
    [
        ("Asia/Kolkata", "Asia/Calcutta", True, "Asia/Kolkata"),
        ("UTC", "Etc/GMT", True, "UTC"),
        ("Asia/Dhaka", "Asia/Omsk", True, "Asia/Dhaka"),
        ("Asia/Kolkata", "Asia/Dhaka", False, "in Asia/Kolkata, and timezone: says Asia/Dhaka"),
        ("Europe/Berlin", "Africa/Lagos", False, "in Europe/Berlin, and timezone: says Africa/Lagos"),
        ("America/Havana", "America/New_York", False, "all hours would be wrong"),
        ("Mars/Olympus", "Asia/Dhaka", False, "in Mars/Olympus, a time zone that is unknown here"),
        (None, "Asia/Dhaka", False, "set Time Zone in its System Settings"),
        ("", "Asia/Dhaka", False, "set Time Zone in its System Settings"),
    ],
)
def test_a_ping_compares_the_zones(
    frappe: FrappeSite, theirs: str | None, ours: str, ok: bool | None, told: str
) -> None:
    """Two zones that agree all year are one; where they differ, all hours would be wrong."""
    frappe.zone = theirs
    found, text = outcomes(pinged(frappe, form(timezone=ours)))["zone"]
    assert found is ok
    assert told in text


NO_ZONE: Final[Sequence[tuple[Answer, Verdict, str]]] = [
    (error(403, "PermissionError", "Nein"), Verdict.CONFIGURATION, "call frappe.client.get_time_zone, and"),
    (error(404, "DoesNotExistError"), Verdict.CONFIGURATION, "check url:"),
    (error(417, "ValidationError", "Failed"), Verdict.CONFIGURATION, "call frappe.client.get_time_zone, and"),
    (error(417, "QueryTimeoutError"), Verdict.TRY_AGAIN, "cannot take it now"),
    (error(401, "AuthenticationError"), Verdict.CONFIGURATION, "check token:"),
    (reply({}), Verdict.CONFIGURATION, "call frappe.client.get_time_zone, and"),
    (reply({"message": ["Asia/Dhaka"]}), Verdict.CONFIGURATION, "call frappe.client.get_time_zone, and"),
    (reply({"message": {"time_zone": 6}}), Verdict.CONFIGURATION, "set Time Zone in its System Settings"),
    (reply({"message": {"time_zone": None}}), Verdict.CONFIGURATION, "set Time Zone in its System Settings"),
    (reply({"message": {"time_zone": "Asia/Dhaka"}}, 202), Verdict.CONFIRMED, "Asia/Dhaka"),
    (reply({"message": {"time_zone": "Asia/Dhaka"}}, 500), Verdict.TRY_AGAIN, "answered 500"),
    (Reply(200, "text/html", b"<html>Log in</html>"), Verdict.CONFIGURATION, "web page"),
    (Reply(302, location="/login"), Verdict.CONFIGURATION, "points to /login"),
    (Reply(410), Verdict.GONE, "gone for good"),
    (Reply(429), Verdict.TRY_AGAIN, "fewer requests"),
    (Reply(413), Verdict.CONFIGURATION, "answered 413"),
    (Failure("away"), Verdict.TRY_AGAIN, "away"),
    (Failure("a bad certificate", lasting=True), Verdict.CONFIGURATION, "a bad certificate"),
]


@pytest.mark.parametrize(("answer", "verdict", "told"), NO_ZONE)
def test_what_the_site_tells_of_its_zone(answer: Answer, verdict: Verdict, told: str) -> None:
    """Where no zone is told, a person hears what to do; no such answer is a punch's fault."""
    found = FORM.preflight().told(answer)
    if verdict is Verdict.CONFIRMED:
        assert found == told
        return
    assert isinstance(found, Decision)
    assert (found.verdict, told in found.message) == (verdict, True), found


@pytest.mark.parametrize(
    "zone", ["\ud800", "x" * 9999, f"Asia/{TOKEN}", "../../etc/passwd", "Asia/Dhaka\x00"]
)
def test_what_is_kept_of_a_zone(zone: str) -> None:
    """What a site tells can be written down, is short, and holds no secret."""
    kept = FORM.preflight().told(reply({"message": {"time_zone": zone}}))
    if isinstance(kept, str):
        assert len(kept.encode()) <= 200
        assert TOKEN not in kept
        FORM.preflight().flaw(kept)


@pytest.mark.parametrize(
    ("prepare", "ok", "told"),
    [
        (lambda site: site.shift("Day", enabled=False), None, "Enable Auto Attendance off"),
        (lambda site: site.shift("Night"), False, "no Shift Type of that name"),
        (lambda site: site.denied.add((SHIFT, "read")), False, "check the rights"),
        (lambda site: site.answers.extend([site.serve] * 3 + [HttpAnswer()]), False, "no Shift Type"),
    ],
)
def test_a_ping_looks_at_shifts(frappe: FrappeSite, prepare: Any, ok: bool | None, told: str) -> None:
    """A shift that is not there, or of which nothing comes, is told."""
    prepare(frappe)
    day = form(shifts=[{"name": "Day", "devices": ["front-door"]}])
    found, text = outcomes(pinged(frappe, day))["shift Day"]
    assert found is ok
    assert told in text


def test_a_ping_of_a_site_that_goes_away(frappe: FrappeSite) -> None:
    """A site that cannot answer a question now is not well, whichever question that is."""
    frappe.answers.extend([frappe.serve, frappe.serve, HttpAnswer(503)])
    ok, text = outcomes(pinged(frappe))["zone"]
    assert (ok, "cannot take punches now" in text) == (False, True)


def test_a_ping_of_another_kind_of_dashboard(frappe: FrappeSite) -> None:
    """A place without checkins is told as such."""
    frappe.answers.append(HttpAnswer(404, error_body("DoesNotExistError")))
    ok, text = outcomes(pinged(frappe))["credentials"]
    assert (ok, "check app:" in text) == (False, True)


# --- deliveries ---


def delivered(
    site: FrappeSite, outbox: MemoryOutbox, of: FrappeFormat = FORM, attempts: int = 6
) -> Delivered:
    """Deliver what an outbox holds, in one run."""
    destination = Destination("main", Access(site.url, 5, TOKEN, scheme="token"), of, 100, attempts, 0)
    return deliver(outbox, destination, more=lambda: False, progress=lambda _: None, stop=threading.Event())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_goes_wrong_each_is_there_once(seed: int) -> None:
    """After enough runs every punch of a known employee is there exactly once, and no other."""
    events = [event._replace(state=number % 3) for number, event in enumerate(some_events(12, 1001))]
    outbox = MemoryOutbox(events)
    with FrappeSite(seed) as site:
        site.language = "de" if seed % 2 else "en"
        site.blind_to_absent_log_type = seed % 3 > 0
        site.employ(*(event.user_id for event in events[:10]))
        site.employ(events[10].user_id, status="Inactive")
        for _ in range(30):
            if not outbox.left and len(outbox.put_aside) == 2:
                break
            outbox.rest()  # one that failed alone, as luck would have it, is tried again the next day
            delivered(site, outbox)
        assert site.troubles
    there = Counter((checkin["employee"], checkin["time"], checkin["log_type"]) for checkin in site.checkins)
    assert there == Counter(
        (f"HR-EMP-{number:05}", TIME, ("IN", "OUT", None)[event.state])
        for number, event in enumerate(events[:10], 1)
    )
    assert sorted(outbox.confirmed) == sorted(event.id for event in events[:10])
    assert sorted(outbox.put_aside) == sorted(event.id for event in events[10:])
    assert outbox.left == []


def test_a_person_who_is_employed_later(frappe: FrappeSite) -> None:
    """What was parked for want of an employee is taken once there is one."""
    events = some_events(3, 1001)
    outbox = MemoryOutbox(events)
    assert delivered(frappe, outbox).parked == 2
    frappe.employ("1002", "1003")
    again = MemoryOutbox(parked=[event for event in events if event.id in outbox.put_aside])
    assert delivered(frappe, again).confirmed == 2
    assert len(frappe.checkins) == 3
