"""Fixtures for the tests of the API: through Flask's client, over both stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.errors import AuditUnavailable, StateUnavailable
from mi_ldap.services.container import Services
from mi_ldap.settings import load_settings
from mi_ldap.web import create_app
from mi_ldap.wiring import services
from tests.api.client import Api, Family
from tests.api.stores import DATABASES, KINDS, STORES
from tests.hosts_of_kinds import Hosts
from tests.memory_store import MemoryStore
from tests.sql.fixtures import mariadb, postgresql  # noqa: F401
from tests.sql.stores import server_place, sqlite_place
from tests.subtree import Subtree, hybrid_base_in

MakeApi = Callable[..., Api]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """What is closed at the end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def memory() -> MemoryStore:
    """The store behind the `light_` fixtures."""
    return MemoryStore()


@pytest.fixture
def light_api_of(memory: MemoryStore, tmp_path: Path, opened: ExitStack) -> MakeApi:
    """Makes APIs over a store in memory: `light_api_of(BOOTSTRAP__MODE="off")`."""

    def make(**settings: str) -> Api:
        environ = {f"MI_LDAP_{key}": value for key, value in settings.items()}
        loaded = load_settings({**environ, "MI_LDAP_STATE_DIR": str(tmp_path)})
        memory.writable = loaded.user_store.type == "read_write_ldap"
        return api_over(services(loaded, store=memory), opened)

    return make


@pytest.fixture
def directory_api_of(subtree: Subtree, tmp_path: Path, opened: ExitStack) -> MakeApi:
    """Makes APIs over the test's own place in a real directory."""
    base = opened.enter_context(hybrid_base_in(subtree))

    def make(**settings: str) -> Api:
        settings = {"USER_STORE__HYBRID_ROLE_BASE": base, **settings}
        return api_over(services(subtree.settings(tmp_path, **settings)), opened)

    return make


@pytest.fixture(params=STORES)
def api_of(request: pytest.FixtureRequest) -> MakeApi:
    """Makes APIs over each kind of store."""
    fixtures = {"memory": "light_api_of", "directory": "directory_api_of"}
    fixtures |= dict.fromkeys(DATABASES, "database_api_of")
    name = fixtures.get(request.param)
    make: MakeApi = request.getfixturevalue(name or "kind_api_of")
    return make


@pytest.fixture
def database_api_of(request: pytest.FixtureRequest, tmp_path: Path, opened: ExitStack) -> MakeApi:
    """Makes APIs over an empty database of the kind that is asked for."""
    kind = request.node.callspec.params["api_of"]
    made = sqlite_place(tmp_path)
    if kind != "sqlite":
        made = server_place(request.getfixturevalue(kind))
    place = opened.enter_context(made)

    def make(**settings: str) -> Api:
        environ = {f"MI_LDAP_{key}": value for key, value in settings.items()}
        loaded = load_settings({**environ, "MI_LDAP_STATE_DIR": str(tmp_path)})
        store = place.open(writable=loaded.user_store.type == "read_write_ldap")
        return api_over(services(loaded, store=store), opened)

    return make


@pytest.fixture
def kind_api_of(
    request: pytest.FixtureRequest, hosts: Hosts, tmp_path: Path, opened: ExitStack
) -> MakeApi:
    """Makes APIs over the test's own place in a directory of the kind that is asked for."""
    kind = next(kind for kind in KINDS if kind.name == request.node.callspec.params["api_of"])
    place = opened.enter_context(hosts.place(kind))
    base = opened.enter_context(hybrid_base_in(place))

    def make(**settings: str) -> Api:
        settings = {"USER_STORE__HYBRID_ROLE_BASE": base, **settings}
        return api_over(services(place.settings(tmp_path, **settings)), opened)

    return make


@pytest.fixture
def api(api_of: MakeApi) -> Api:
    """The API as a stranger sees it; nobody has ever logged in."""
    return api_of()


@pytest.fixture
def admin(api: Api) -> Api:
    """The API as the first admin sees it."""
    return api.logged_in("admin")


@pytest.fixture
def bob(admin: Api) -> Api:
    """The API as somebody sees it who is no admin."""
    admin.add_user("bob")
    return admin.stranger().logged_in("bob")


@pytest.fixture
def family(api: Api) -> Family:
    """Three admins and `bob`."""
    return Family(api)


@pytest.fixture
def light_api(light_api_of: MakeApi) -> Api:
    """As `api`, for what is the same over every store."""
    return light_api_of()


@pytest.fixture
def light_admin(light_api: Api) -> Api:
    """As `admin`, for what is the same over every store."""
    return light_api.logged_in("admin")


def report_throttled_logins(made: Services) -> None:
    """Report them now: a thread would do so later, in the log of another test."""
    with suppress(StateUnavailable, AuditUnavailable):
        made.failed_logins.close_windows(include_open=True)


def api_over(made: Services, opened: ExitStack) -> Api:
    """The API over these services, which are closed at the end."""
    app = create_app(made)
    opened.callback(made.state.close)
    opened.callback(made.audit.close)
    if isinstance(made.primary, DirectoryStore):
        opened.callback(made.store.close)
    opened.callback(report_throttled_logins, made)
    return Api(made, app.test_client(use_cookies=False))
