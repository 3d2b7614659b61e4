"""What the units of workers run, with the inventory of docs/scale.md."""

from __future__ import annotations

import re
import shlex
import signal
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.fleet.tls_redis import SECRET, tls_redis
from tests.journal.on_postgres import empty_database
from tests.serve.pages import blocks
from tests.site import TOKEN, entry
from tests.systemd.test_units import AT_A_SITE, DISPATCH, values
from tests.waiting import wait_for
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def arguments(unit: str, site: str = "") -> list[str]:
    """Return what a unit gives zkpoll, but for the inventory, where its instance is a site."""
    program, *words = shlex.split(values(unit, "ExecStart")[-1])
    assert program == "/opt/zkpoll/bin/zkpoll"
    assert words[-2:] == ["--config", "/etc/zkpoll/devices.yaml"]
    return [word.replace("%I", site) for word in words[:-2]]


def as_on_the_page(site: Site, dashboard: str, database: str, broker: str) -> str:
    """Return the page's inventory with these addresses, and put its secrets where systemd has them."""
    (page,) = [one for one in blocks("scale.md", "yaml") if "workers:" in one]
    (password,) = re.findall("//[^:/@]*:([^@]*)@", database) or ["none"]
    for name, text in (
        ("token", TOKEN),
        ("journal-password", unquote(password)),
        ("broker-password", SECRET),
    ):
        (site.folder / name).write_text(text)
    without = re.sub("(//[^:/@]*):[^@]*@", r"\1@", database)
    (site.folder / "state").mkdir()
    for setting, value in (
        (r"https://\S+", dashboard), (r'"postgresql:\S+"', f'"{without}"'), (r"(?<=state_dir: )\S+", "state"),
        (r"rediss://\S+", broker),
    ):  # fmt: skip
        page, count = re.subn(setting, value.replace("\\", r"\\"), page, count=1)
        assert count == 1, setting
    return page


@pytest.mark.long
def test_the_units_carry_punches(site: Site, dashboard: SampleDashboard, tmp_path: Path) -> None:
    """Dispatch, a worker at a site and one elsewhere, as the units start them and systemd stops them."""
    site.environment |= {
        "CREDENTIALS_DIRECTORY": str(site.folder),
        "SSL_CERT_FILE": str(tmp_path / "tls" / "authority.pem"),
    }
    (tmp_path / "tls").mkdir()
    with (
        empty_database() as database,
        tls_redis(tmp_path / "tls") as broker,
        serve(Terminal.with_samples(5)) as near,
        serve(Terminal.with_samples(4, model=Model(serial="FAR1"))) as far,
    ):
        devices = entry("near", near, site="london"), entry("far", far, site="new york")
        site.inventory.write_text(
            f"{as_on_the_page(site, dashboard.url, database, broker)}\n"
            "sites: {london: {}, new york: {}}\n"
            f"defaults: {{timezone: UTC}}\ndevices: [{{{devices[0]}}}, {{{devices[1]}}}]\n"
        )
        sent = site.run(*arguments(DISPATCH))
        assert (sent.code, sent.out, sent.err) == (0, "", "")
        (elsewhere,) = blocks("scale.md", "ini")
        workers = [site.start(*arguments(unit, "new york")) for unit in (AT_A_SITE, elsewhere)]
        try:
            wait_for(lambda: len(dashboard.events) == 9, 60)
        finally:
            asked = time.monotonic()
            for one in workers:
                one.send_signal(signal.SIGTERM)
            ended = [site.finish(one) for one in workers]
    assert [one.code for one in ended] == [0, 0], ended
    assert time.monotonic() - asked < 15
    said = " ".join(one.out + one.err for one in ended)
    assert not [secret for secret in (TOKEN, SECRET) if secret in said]
    assert (len(dashboard.events), dashboard.duplicates) == (9, 0)
