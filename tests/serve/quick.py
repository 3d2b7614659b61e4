"""A real `zkpoll serve` that waits for seconds where it waits for a minute."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.serve.serving import serving
from tests.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.serving import Serving

_QUICK: Final = """
import zkpoll.push.commands, zkpoll.serve, zkpoll.tasks.desk
zkpoll.serve.NEWS = zkpoll.serve.FIGURES = zkpoll.serve._LASTS = 1
zkpoll.serve.LOCK_WAIT = zkpoll.tasks.desk.LOCK_WAIT = 1
{broken}
from zkpoll.cli import main
main()
"""


@contextmanager
def quick(site: Site, *words: str, broken: str = "") -> Iterator[Serving]:
    """Run it while inside: news and figures come once a second, and the journal is waited for as long.

    `broken` are statements that break something in it.
    """
    hurried = Site(site.folder)
    hurried.zkpoll = [sys.executable, "-c", _QUICK.format(broken=broken)]
    hurried.environment = site.environment
    with serving(hurried, *words) as door:
        yield door
