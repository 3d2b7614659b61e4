"""What the tests of a fleet need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fleet.brokers import KINDS, broker
from tests.fleet.office import Office

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fleet.brokers import Broker
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


@pytest.fixture(params=KINDS)
def between(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Give a broker of each kind."""
    with broker(request.param) as one:
        yield one


@pytest.fixture
def office(site: Site, between: Broker, dashboard: SampleDashboard) -> Iterator[Office]:
    """Give three terminals, and a machine for them with its journal in a file."""
    with Office(site, between, dashboard) as one:
        yield one
