"""A real service for what is sent to it by the book."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.api.conftest import light_admin, light_api, light_api_of, memory, opened
from tests.service import Service, running

__all__ = ["light_admin", "light_api", "light_api_of", "memory", "opened"]

PASSWORD = "correct horse"
UNTHROTTLED = "1000000"


@dataclass(frozen=True, slots=True)
class Stage:
    """A service, and the token of its first admin `root`."""

    service: Service
    ca_file: str
    token: str

    @property
    def url(self) -> str:
        return f"https://localhost:{self.service.port}"

    def login(self) -> str:
        """A token of its own, for who ends it."""
        with self.service.caller() as call:
            return call.login("root", PASSWORD)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One service with a directory of its own, and the user and role that the examples name."""
    folder = tmp_path_factory.mktemp("state")
    environment = {
        "MI_LDAP_STATE_DIR": str(folder),
        "MI_LDAP_SERVER__WORKERS": "1",
        "MI_LDAP_MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME": UNTHROTTLED,
        "MI_LDAP_MANAGEMENT_API__THROTTLE__FAILURES_PER_ADDRESS": UNTHROTTLED,
    }
    with running(environment) as service:
        with service.caller() as call:
            token = call.login("root", PASSWORD)
            for path, body in (
                ("/users", {"userId": "bob", "password": "the builder"}),
                ("/roles", {"role": "developers"}),
            ):
                assert call("POST", path, body, token=token).status == 200
        yield Stage(service, str(folder / "certificate.pem"), token)
