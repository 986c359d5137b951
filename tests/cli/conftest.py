"""One real service for all tests of `mi`, and people who are logged in to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_ldap.embedded import EmbeddedDirectory
from tests.cli import forking
from tests.cli.terminal import Person
from tests.micro_integrator import MicroIntegrator
from tests.service import Service, environment, running
from tests.subtree import Subtree, Tool, host_of, subtree_in

PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Stage:
    """A service, where its users lie, and its first admin `root`, logged in."""

    service: Service
    place: Subtree
    root: Person

    @property
    def address(self) -> tuple[str, str]:
        return "localhost", str(self.service.port)


@pytest.fixture(scope="session", autouse=True)
def _forker() -> Iterator[None]:
    yield
    forking.stop()


@pytest.fixture(scope="session")
def stage(embedded: EmbeddedDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    host = host_of(embedded)
    tool = Tool(host.url, *host.tool)
    with ExitStack() as closing:
        closing.callback(tool.close)
        place = closing.enter_context(subtree_in(host, tool))
        env = environment(tmp_path_factory.mktemp("state"), place)
        env = {**env, "MI_LDAP_USER_STORE__ALLOW_ANY_NAME": "true"}
        service = closing.enter_context(running(env))
        root = Person(tmp_path_factory.mktemp("home"))
        root.done("remote", "update", "default", "localhost", str(service.port))
        root.done("remote", "trust", "--yes")
        root.done("remote", "login", "root", given=f"{PASSWORD}\n")
        yield Stage(service, place, root)


@pytest.fixture
def mi(stage: Stage, tmp_path: Path) -> Person:
    """`root`, with a home of the test's own."""
    return stage.root.twin(tmp_path / "home")


@pytest.fixture(scope="session")
def _integrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MicroIntegrator]:
    with MicroIntegrator(tmp_path_factory.mktemp("mi")) as one:
        yield one


@pytest.fixture
def integrator(_integrator: MicroIntegrator) -> Iterator[MicroIntegrator]:
    """A Micro Integrator, without faults at the beginning."""
    yield _integrator
    _integrator.set_mode()


@pytest.fixture(scope="session")
def operator(_integrator: MicroIntegrator, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody who is logged in to the Micro Integrator."""
    person = Person(tmp_path_factory.mktemp("operator"))
    address = ("localhost", str(_integrator.port))
    person.done("remote", "update", "default", *address, "--ca", str(_integrator.ca_file))
    person.done("remote", "login", _integrator.username, given=f"{_integrator.password}\n")
    return person


@pytest.fixture
def newcomer(tmp_path: Path) -> Person:
    """Somebody who never used `mi`."""
    (tmp_path / "new").mkdir()
    return Person(tmp_path / "new")
