"""A real service for what the clients send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.wire import Wire
from tests.service import Service, running

PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Stage:
    """A service, and the token of its first admin `root`."""

    service: Service
    token: str

    def wire(self) -> Wire:
        return Wire(self.service)

    def do(self, method: str, path: str, body: object = None) -> None:
        """Something that must succeed, before it comes to what is tested."""
        with self.service.caller() as call:
            answer = call(method, path, body, token=self.token)
            assert answer.status == 200, answer

    def create(self, name: str, *, is_admin: bool = False) -> None:
        self.do("POST", "/users", {"userId": name, "password": PASSWORD, "isAdmin": is_admin})

    def login(self, name: str, password: str = PASSWORD) -> str:
        with self.service.caller() as call:
            return call.login(name, password)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One service with a directory of its own, for all the tests; each makes its own users."""
    with _started(tmp_path_factory.mktemp("state")) as stage:
        yield stage


@pytest.fixture(scope="session")
def any_name_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """As `stage`, with `user_store.allow_any_name`."""
    folder = tmp_path_factory.mktemp("any-name")
    with _started(folder, MI_LDAP_USER_STORE__ALLOW_ANY_NAME="true") as stage:
        yield stage


@contextmanager
def _started(folder: Path, **settings: str) -> Iterator[Stage]:
    own = {"MI_LDAP_STATE_DIR": str(folder), "MI_LDAP_SERVER__WORKERS": "1"}
    with running({**own, **settings}) as service:
        with service.caller() as call:
            token = call.login("root", PASSWORD)
        yield Stage(service, token)


@pytest.fixture
def wire(stage: Stage) -> Iterator[Wire]:
    with stage.wire() as wire:
        yield wire
