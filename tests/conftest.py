"""Settings that every test shares: hypothesis draws the same examples in every run, and no example has a clock.

Failing examples are not shrunk, so that a failing run is as short as any other; made files come from a printed seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import HubServer
from hypothesis import HealthCheck, Phase, settings
from pushing import Client

settings.register_profile(
    "svit",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    print_blob=False,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
settings.load_profile("svit")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """Return a maker of new empty folders, for hypothesis: each example needs its own."""
    return lambda: tmp_path_factory.mktemp("example")


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Run an empty loopback Hub."""
    with HubServer() as server:
        yield server


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    """Return what starts the command against the loopback Hub, with a token and an empty home."""
    return Client(hub, tmp_path)
