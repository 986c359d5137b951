"""A stand-in for the tests of this folder, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.micro_integrator.client import Client
from tests.micro_integrator.instance import MicroIntegrator
from tests.micro_integrator.relaying_service import RelayingService, relaying


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MicroIntegrator]:
    """One process for all tests of a file."""
    with MicroIntegrator(tmp_path_factory.mktemp("mi")) as started:
        yield started


@pytest.fixture
def mi(node: MicroIntegrator) -> MicroIntegrator:
    """The process without a fault and without records."""
    node.set_mode()
    node.clear()
    return node


@pytest.fixture
def client(mi: MicroIntegrator) -> Iterator[Client]:
    """Logged in."""
    with Client(mi) as connected:
        yield connected


@pytest.fixture(scope="module")
def relay(
    tmp_path_factory: pytest.TempPathFactory, node: MicroIntegrator
) -> Iterator[RelayingService]:
    """One service that forwards to the stand-in, for all tests of a file."""
    with relaying(tmp_path_factory.mktemp("relay"), node) as started:
        yield started


@pytest.fixture
def service(mi: MicroIntegrator, relay: RelayingService) -> RelayingService:
    """The service, logged in at the stand-in, without outcomes."""
    relay.get("server")
    mi.clear()
    relay.forget_outcomes()
    return relay
