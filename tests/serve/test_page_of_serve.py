"""`zkpoll serve` writes the page again and again."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from tests.serve.quick import quick
from tests.serve.serving import AWAY, GATE
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.site import Site


def test_serve_writes_it(site: Site) -> None:
    """A new one as long as it runs; where it cannot be written, that is told, and that it ended."""
    path = site.folder / "page.html"
    site.write(AWAY, GATE, more=f"listen: {{address: '127.0.0.1:0'}}\npage: {{file: {path.name}}}\n")
    with quick(site) as door:
        wait_for(path.exists)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert "Push door: `zkpoll serve` runs." in path.read_text()
        first = path.stat().st_ino
        wait_for(lambda: path.stat().st_ino != first)
        link = site.folder / "link"
        link.symlink_to("elsewhere")
        link.replace(path)
        wait_for(lambda: any("page of serve: " in line for line in door.lines))
        path.unlink()
        wait_for(lambda: any("page of serve: well again" in line for line in door.lines))
        assert path.is_file()
