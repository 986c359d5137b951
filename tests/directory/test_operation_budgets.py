"""The number of LDAP operations and round trips of each request, once connections are open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest

from mi_ldap.ldap import connection
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.model import AdminRole, EntryId, Role
from mi_ldap.services.container import Services
from mi_ldap.services.queries import Query
from tests.api.client import PASSWORD, Api
from tests.machines import MakeApi
from tests.subtree import Subtree
from tests.until import until

Act = Callable[[Services], object]


class Meter(list[str]):
    """The names of the operations that were sent, but for those in the background.

    Attributes:
        round_trips: how often the service sent something and waited for the response.
    """

    round_trips = 0

    def append(self, operation: str) -> None:
        if threading.current_thread() is threading.main_thread():
            super().append(operation)

    def of(self, act: Callable[[], object]) -> list[str]:
        self.clear()
        self.round_trips = 0
        act()
        return list(self)

    def counts(self, act: Callable[[], object]) -> tuple[int, int]:
        """The number of operations and that of round trips."""
        return len(self.of(act)), self.round_trips


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    meter, exchange = Meter(), LdapConnection.exchange

    def counted(
        session: LdapConnection, operation: str, count: int = 1
    ) -> AbstractContextManager[None]:
        if threading.current_thread() is threading.main_thread():
            meter.round_trips += 1
        return exchange(session, operation, count)

    monkeypatch.setattr(LdapConnection, "exchange", counted)
    return meter


@pytest.fixture
def busy(api_of: MakeApi, meter: Meter) -> Api:
    """An admin of a service that holds nothing in memory."""
    return in_use(api_of(meter.append, USER_STORE__INDEX_LIMIT="0"))


@pytest.fixture
def quick(api_of: MakeApi, meter: Meter) -> Api:
    """An admin of a service that holds everything in memory."""
    admin = in_use(api_of(meter.append))
    admin.get("/users")
    until(lambda: admin.services.store.read_source().source == "memory")
    admin.get("/users/bob")
    return admin


def in_use(api: Api) -> Api:
    """`bob` holds `dev`, `boss` is an admin."""
    admin = api.logged_in("admin")
    admin.add_user("bob")
    admin.add_user("boss", isAdmin=True)
    admin.add_role("dev", "bob")
    admin.logged_in("bob")
    return admin


def test_login_is_one_bind_and_at_most_three_searches(busy: Api, meter: Meter) -> None:
    for name in ("admin", "bob", "boss"):
        sent = meter.of(partial(busy.login, name))
        assert sent.count("bind") == 1
        assert len(sent) <= 4
        assert set(sent) == {"bind", "search"}


def test_wrong_password_costs_no_more_operations(busy: Api, meter: Meter) -> None:
    sent = meter.of(lambda: busy.login("bob", "wrong"))
    assert sent.count("bind") == 1
    assert len(sent) <= 4


def test_throttled_login_sends_no_operation(busy: Api, meter: Meter) -> None:
    for _ in range(busy.services.settings.management_api.throttle.failures_per_name):
        busy.login("bob", "wrong")
    assert meter.of(lambda: busy.login("bob")) == []


def test_unknown_name_is_not_bound(busy: Api, meter: Meter) -> None:
    assert meter.of(lambda: busy.login("nobody")) == ["search"]


ADMIN_ROLE = AdminRole(Role(EntryId("an id"), "admin", "cn=admin", ""), frozenset({"uid=boss"}))
"""As the guard of a request has read it already."""


def test_empty_password_is_not_bound(busy: Api, meter: Meter) -> None:
    assert "bind" not in meter.of(lambda: busy.login("bob", ""))


READING: list[tuple[Act, int]] = [
    (lambda made: made.users.show("bob", ADMIN_ROLE), 3),
    (lambda made: made.users.show("boss", ADMIN_ROLE), 4),
    (lambda made: made.users.show("boss"), 5),
    (lambda made: made.users.select(Query()), 1),
    (lambda made: made.users.select(Query(limit=10, offset=20)), 1),
    (lambda made: made.users.select(Query(search_key="b", regex="o")), 1),
    (lambda made: made.roles.select(Query()), 1),
    (lambda made: made.roles.show("Internal/everyone"), 1),
    (lambda made: made.roles.show("dev"), 3),
    (lambda made: made.users.select(Query(role="dev")), 3),
    (lambda made: made.store.check(), 2),
]


def test_operations_of_reads(busy: Api, meter: Meter) -> None:
    for at, (act, most) in enumerate(READING):
        sent = meter.of(partial(act, busy.services))
        assert set(sent) == {"search"}
        assert len(sent) <= most, READING[at]


REQUESTS = {
    ("GET", "/server"): (1, 1),
    ("GET", "/users"): (3, 2),
    ("GET", "/roles"): (3, 2),
    ("GET", "/users/boss"): (6, 4),
    ("GET", "/roles/dev"): (5, 4),
    ("OPTIONS", "/users"): (0, 0),
    ("GET", ""): (0, 0),
    ("GET", "/logout"): (1, 1),
}
"""Operations and round trips."""


def test_authorization_reads_the_performer_and_the_admin_role_together(
    busy: Api, meter: Meter
) -> None:
    counted = {request: meter.counts(partial(busy, *request)) for request in REQUESTS}
    assert counted == REQUESTS


FROM_MEMORY = [
    "/server",
    "/users",
    "/users?limit=10&offset=20",
    "/users?searchKey=b&regex=o",
    "/users?role=dev",
    "/users/bob",
    "/users/boss",
    "/roles",
    "/roles/dev",
    "/roles/Internal%2Feveryone",
]


def test_read_from_memory_is_one_poll(quick: Api, meter: Meter) -> None:
    for path in FROM_MEMORY:
        assert meter.of(partial(quick.get, path)) == ["poll"], path


def test_first_read_after_a_change_is_three_polls(
    quick: Api, meter: Meter, subtree: Subtree
) -> None:
    subtree.add_user("carl")
    assert meter.of(lambda: quick.get("/users/carl")) == ["poll"] * 3
    subtree.add_member("dev", subtree.user_dn("boss"))
    assert meter.of(lambda: quick.get("/users/boss")) == [*["poll"] * 3, "search"]
    assert "dev" in quick.get("/users/boss")["roles"]


def test_first_read_after_a_change_of_this_service_is_two_polls(quick: Api, meter: Meter) -> None:
    quick.do("PUT", "/roles", {"userId": "boss", "addedRoles": ["dev"]})
    assert meter.of(lambda: quick.get("/users/boss")) == ["poll", "poll", "search"]
    assert "dev" in quick.get("/users/boss")["roles"]


def test_decisions_about_a_change_read_the_directory(quick: Api, meter: Meter) -> None:
    sent = meter.of(lambda: quick.do("DELETE", "/users/bob"))
    assert sent.count("poll") <= 4  # for the performer, and until the removal is told
    assert sent.count("search") >= 3


def do(admin: Api, method: str, path: str, **body: object) -> Callable[[], object]:
    return lambda: admin.do(method, path, body or None)


def changes(admin: Api) -> dict[str, Callable[[], object]]:
    """What is counted, in an order in which each change is possible."""
    assign, revoke = {"addedRoles": ["dev"]}, {"removedRoles": ["dev"]}
    roles = {"addedRoles": ["one", "two", "dev"]}
    return {
        "create a role": do(admin, "POST", "/roles", role="one"),
        "create another": do(admin, "POST", "/roles", role="two"),
        "create a user": do(admin, "POST", "/users", userId="carl", password=PASSWORD),
        "assign a role": do(admin, "PUT", "/roles", userId="carl", **assign),
        "assign it again": do(admin, "PUT", "/roles", userId="carl", **assign),
        "revoke a role": do(admin, "PUT", "/roles", userId="carl", **revoke),
        "assign three": do(admin, "PUT", "/roles", userId="carl", **roles),
        "delete a user with three roles": do(admin, "DELETE", "/users/carl"),
        "delete a user without roles": do(admin, "DELETE", "/users/dan"),
        "delete a role": do(admin, "DELETE", "/roles/one"),
        "promote": do(admin, "PUT", "/roles", userId="bob", addedRoles=["admin"]),
        "demote": do(admin, "PUT", "/roles", userId="bob", removedRoles=["admin"]),
        "create an admin": do(
            admin, "POST", "/users", userId="eve", password=PASSWORD, isAdmin=True
        ),
        "delete an admin": do(admin, "DELETE", "/users/eve"),
    }


COUNTS = {
    "create a role": (7, 4),
    "create another": (7, 4),
    "create a user": (9, 7),
    "assign a role": (8, 5),
    "assign it again": (5, 3),
    "revoke a role": (6, 4),
    "assign three": (14, 7),
    "delete a user with three roles": (11, 8),
    "delete a user without roles": (8, 5),
    "delete a role": (8, 5),
    "promote": (13, 8),
    "demote": (13, 9),
    "create an admin": (15, 12),
    "delete an admin": (13, 9),
}
"""Operations and round trips of each change without memory."""


def test_operations_and_round_trips_of_changes(busy: Api, meter: Meter) -> None:
    busy.add_user("dan")
    counted = {name: meter.counts(act) for name, act in changes(busy).items()}
    assert counted == COUNTS


COUNTS_WITH_MEMORY = {
    "create a role": (7, 4),
    "create another": (7, 4),
    "create a user": (9, 7),
    "assign a role": (5, 3),
    "assign it again": (2, 1),
    "revoke a role": (3, 2),
    "assign three": (9, 5),
    "delete a user with three roles": (11, 8),
    "delete a user without roles": (8, 5),
    "delete a role": (8, 5),
    "promote": (11, 7),
    "demote": (11, 8),
    "create an admin": (15, 12),
    "delete an admin": (13, 9),
}
"""The same, without the polls by which memory learns of a change that this service made."""


def test_operations_and_round_trips_of_changes_with_memory(quick: Api, meter: Meter) -> None:
    quick.add_user("dan")
    counted = {}
    for name, act in changes(quick).items():
        quick.get("/users/boss")  # memory has the changes before
        operations, round_trips = meter.counts(act)
        polls = meter.count("poll")
        counted[name] = operations - polls, round_trips - polls
    assert counted == COUNTS_WITH_MEMORY


def test_assignment_decides_on_memory_and_is_guarded_afterwards(quick: Api, meter: Meter) -> None:
    def change(key: str) -> list[str]:
        quick.get("/users/boss")
        return meter.of(lambda: quick.do("PUT", "/roles", {"userId": "boss", key: ["dev"]}))

    # Who may act is read from the directory: the token's user and the admin role.
    deciding = ["search", "search", "poll"]
    # At last: is the user as it was read, and is the role there?
    assert change("addedRoles") == [*deciding, "modify", "assert", "assert"]
    assert change("addedRoles") == deciding
    assert change("removedRoles") == [*deciding, "modify"]


def test_login_with_memory_is_one_poll_and_one_bind(quick: Api, meter: Meter) -> None:
    assert meter.of(lambda: quick.login("bob")) == ["poll", "bind"]
    assert meter.of(lambda: quick.login("boss")) == ["poll", "bind"]


def test_refused_login_with_memory_costs_no_more(quick: Api, meter: Meter) -> None:
    assert meter.of(lambda: quick.login("bob", "wrong")) == ["poll", "bind"]
    assert meter.of(lambda: quick.login("nobody", "wrong")) == ["poll"]


def test_user_created_by_another_tool_can_log_in_at_once(
    quick: Api, meter: Meter, subtree: Subtree
) -> None:
    subtree.add_user("carl")
    quick.do("PATCH", "/users/carl", {"newPassword": PASSWORD, "confirmPassword": PASSWORD})
    assert meter.of(lambda: quick.login("carl")) == ["poll", "poll", "bind"]


def test_invalid_token_costs_at_most_one_read(busy: Api, meter: Meter) -> None:
    assert meter.of(lambda: busy.stranger()("GET", "/users")) == []


def test_long_list_is_read_in_pages(
    busy: Api, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAGE_SIZE", 2)
    assert meter.of(lambda: busy.services.users.select(Query(limit=1))) == ["search"] * 2
    assert busy.names() == ["admin", "bob", "boss"]
