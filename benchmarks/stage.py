"""What is measured, running: a filled directory, the service and the bare views on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import databases, hosts, place
from benchmarks.bare_ldap import BareLdap
from benchmarks.callers import login
from benchmarks.databases import BareDatabase
from benchmarks.population import CREATED, PASSWORD, Population
from benchmarks.reading import Reading, answered
from benchmarks.running import BARE, SERVICE, Server, running
from benchmarks.target import DATABASES, Target
from benchmarks.timing import Figure


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that works are made of.

    Attributes:
        folder: for files of the works.
        token: of the admin.
        tokens: of `population.people()`.
        started: `start_full` and `filled`.
    """

    target: Target
    population: Population
    folder: Path
    service: Server
    bare: Server
    ldap: BareLdap | BareDatabase
    token: str
    tokens: list[str]
    started: dict[str, Figure]

    @property
    def directory(self) -> BareLdap:
        """The directory asked directly; not for a database."""
        assert isinstance(self.ldap, BareLdap)  # noqa: S101 - for mypy
        return self.ldap

    @property
    def reading(self) -> Reading:
        """A client that is logged in as the admin."""
        return Reading(self.service.port, self.token, self.population)


@contextmanager
def embedded(state: Path, users: int) -> Iterator[Stage]:
    """The embedded directory of a state folder in which the service has run before."""
    population = Population(users)
    place.fill(state, population)
    target = Target.embedded(place.directory_in(state))
    with _running(state, target, population) as stage:
        yield stage


@contextmanager
def other(directory: str, folder: Path, users: int) -> Iterator[Stage]:
    """One of `DIRECTORIES` but the embedded one."""
    population = hosts.population_of(directory, users)
    state = folder / "state"
    state.mkdir(mode=0o700)
    with (
        _host(directory, folder / "host", population) as target,
        _running(state, target, population) as stage,
    ):
        yield stage


def _host(directory: str, folder: Path, population: Population) -> AbstractContextManager[Target]:
    if directory in DATABASES:
        return databases.started(directory, population)
    return hosts.started(directory, folder, population)


@contextmanager
def _running(state: Path, target: Target, population: Population) -> Iterator[Stage]:
    with ExitStack() as stack:
        service = stack.enter_context(running(SERVICE, state, target.environment))
        ready_s = service.wait_for("/ready")
        bare = stack.enter_context(running(BARE, state, target.environment))
        bare.wait_for("/ready")
        token = _token(service, *place.ADMIN)
        filled_s = service.wait_until_filled(f"Bearer {token}")
        _create_users(Reading(service.port, token, population))
        yield Stage(
            target=target,
            population=population,
            folder=state.parent,
            service=service,
            bare=bare,
            ldap=stack.enter_context(closing(_bare_store(target, state.parent))),
            token=token,
            tokens=[_token(service, name, PASSWORD) for name in population.people()],
            started={"start_full": {"ms": ready_s * 1000}, "filled": {"ms": filled_s * 1000}},
        )


def _bare_store(target: Target, folder: Path) -> BareLdap | BareDatabase:
    return BareDatabase(target) if target.is_database else BareLdap(target, folder)


def _token(service: Server, name: str, password: str) -> str:
    return str(login(service.port, name, password)["AccessToken"])


def _create_users(reading: Reading) -> None:
    with reading.opened() as caller:
        for name in CREATED:
            answered(caller, "POST", "/users", {"userId": name, "password": PASSWORD})
