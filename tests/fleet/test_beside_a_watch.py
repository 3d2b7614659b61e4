"""Workers on a journal beside a `zkpoll watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fleet.fleet import dispatch, working
from tests.look import look
from tests.waiting import wait_for
from tests.watch.watching import watching

if TYPE_CHECKING:
    from tests.fleet.office import Office


def test_what_is_watched_is_done(office: Office) -> None:
    """Errands for devices that a watch has are done, not late, and nobody is told of them."""

    def outcomes() -> set[str | None]:
        visits = "SELECT outcome FROM errand WHERE subject LIKE 'visit %'"  # deliveries take a minute
        return {row[0] for row in look(office.site.journal, visits)}

    with watching(office.site), working(office.site) as worker:
        worker.wait_until_it_says("taking errands")
        wait_for(office.has_all)
        sent = dispatch(office.site)
        assert (sent.code, sent.out, sent.err) == (0, "", "")
        wait_for(lambda: outcomes() == {"ok"})
        assert all(one.connections == 1 for one in office.terminals.values())
    assert worker.printed == []
