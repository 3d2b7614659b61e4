"""Another server.

The server on which zkpoll runs is replaced. As docs/moving.md says, a person makes a backup of the journal
on the old one, and carries it over with the raw copies of cleared logs and the inventory. Meanwhile people
go on punching. On the new server the commands that only look say that all is there, and the first run goes
on where the old one has stopped: it reads what is new, sends what is new, and mails nothing that the old
one had mailed. Nobody has told the old server to stop, which runs once more: one punch comes twice to the
dashboard, under one id, and is kept once.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.site import Site
from zkpoll.journal.opening import folders

if TYPE_CHECKING:
    import pytest

    from tests.stories.office import Office


def test_another_server(office: Office, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The new server has the log read, the copies, and the troubles of the old one."""
    gate = office.install("gate", clear="confirmed")
    office.install("hall")
    office.install("yard")
    office.punch("gate", "1001")
    office.punch("hall", "1002")
    office.pull_the_plug("yard")
    office.cron(ends=1)
    office.says("zkpoll: device yard: ", "is it switched on", "device gate: its log of 1 records was cleared")
    assert not gate.log

    old, carried = office.site, tmp_path_factory.mktemp("carried")
    office.person("journal", "backup", "--keep", "1", str(carried))
    office.punch("hall", "1003")

    office.site = new = Site(tmp_path_factory.mktemp("new"), old.popen)
    (backup,) = carried.glob("zkpoll-*.db")
    shutil.copy(backup, new.journal)
    shutil.copytree(carried / "raw", folders(new.journal).raw_copies)
    office.person("config", "check")
    office.person("status", ends=1)
    office.says("1 thing needs you", "- device yard: ", "2 of 2 punches confirmed")
    (copy,) = folders(new.journal).raw_copies.iterdir()
    office.person("journal", "restore", str(copy))

    office.cron(ends=1)
    office.silent()
    office.plug_in("yard")
    office.cron()
    office.says("zkpoll: device yard: well again, after ")
    office.all_arrived_once()
    office.site = old
    office.cron()
    assert (len(office.dashboard.events), office.dashboard.duplicates) == (3, 1)
    assert not office.dashboard.conflicts
