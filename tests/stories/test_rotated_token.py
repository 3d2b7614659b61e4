"""A token that was changed at the dashboard.

Once a year the tokens are changed there, and nobody thinks of zkpoll. The next run is refused; cron mails
one line, with what to check, and how many punches wait since when. The terminals are read all the same.
`dashboards ping` says which step fails, shows no secret, and sends nothing. The person writes the new token
into the file that the inventory names, looks with `dashboards ping` whether it is right, and the next run
sends what has waited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_rotated_token(office: Office) -> None:
    """What is refused waits and is told; a new token is tried before anything is sent."""
    office.install("gate")
    file = office.site.folder / "token"
    file.write_text("of-last-year")
    file.chmod(0o600)
    office.dashboard.token = "of-last-year"
    del office.inventory["dashboard"]["token"]
    office.inventory["dashboard"]["token_file"] = str(file)
    office.punch("gate", "1001")
    office.cron()
    office.silent()

    office.dashboard.token = "of-this-year"
    office.punch("gate", "1002")
    office.cron(ends=1)
    office.says(
        "zkpoll: dashboard dashboard: the dashboard answered 401 and does not accept who we say we are; "
    )
    office.says(
        "check token:", "it says: ", "wrong token", "1 punch waits, the oldest since 2026-12-07T08:03Z"
    )
    office.cron(ends=1)
    office.silent()
    office.person("dashboards", "ping", ends=1)
    office.says("does not accept who we say we are; check token:")
    assert "of-last-year" not in office.printed

    file.write_text("of-this-year")
    office.person("dashboards", "ping")
    assert len(office.dashboard.events) == 1
    office.cron()
    office.says("zkpoll: dashboard dashboard: well again, after ")
    office.all_arrived_once()
