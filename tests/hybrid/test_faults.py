"""The database of hybrid roles is down, hangs, refuses changes, or holds what nobody wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from mi_ldap.deadline import deadline
from mi_ldap.sql.schema import create_tables
from mi_ldap.store import AssignRole, Unchanged
from tests.contract.words import make_user
from tests.hosts.process import wait_for
from tests.hybrid.stores import ADMIN_ROLE, within
from tests.hybrid.world import PASSWORD, BesideDatabase, InOneDatabase, World, opened
from tests.service import Answer, LocalCaller
from tests.sql.machines import at_once
from tests.sql.servers import DatabaseServer, MariaDb, PostgreSql
from tests.sql.stores import Place, server_place, sqlite_place

KINDS = {"postgresql": PostgreSql, "mariadb": MariaDb}
REQUEST_S, SLACK_S = 3.0, 2.5  # psycopg waits at least 2 s for a connection
CHANGE = {"oldPassword": PASSWORD, "newPassword": PASSWORD, "confirmPassword": PASSWORD}


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """A server of the test's own, to be mistreated."""
    with KINDS[request.param]() as server:
        create_tables(server.config)
        yield server


@contextmanager
def beside(server: DatabaseServer, folder: Path, **settings: str) -> Iterator[World]:
    """A service with its users elsewhere; `root` is an admin, `alice` and `bob` are users."""
    with (
        server_place(server) as place,
        opened(BesideDatabase(place, folder, **settings)) as world,
    ):
        world.add_users("root", "alice", "bob")
        world.ask("root", "POST", "/roles", {"role": "Internal/dev"})
        assert world.change("root", "bob", added="Internal/dev") == 200
        yield world


def ask(world: World, by: str, method: str, path: str, body: object = None) -> Answer:
    began = time.monotonic()
    with deadline(REQUEST_S):
        answer = world.ask(by, method, path, body)
    assert time.monotonic() - began < REQUEST_S + SLACK_S, (method, path)
    return answer


@contextmanager
def unusable(server: DatabaseServer, *, hangs: bool) -> Iterator[None]:
    (server.freeze if hangs else server.kill)()
    try:
        yield
    finally:
        (server.thaw if hangs else server.start)()


@pytest.mark.parametrize("hangs", [False, True], ids=["down", "hangs"])
def test_without_its_database_no_hybrid_admin_does_anything(
    server: DatabaseServer, tmp_path: Path, hangs: bool
) -> None:
    with beside(server, tmp_path) as world:
        with unusable(server, hangs=hangs):
            for method, path, body in (
                ("GET", "/users", None),
                ("POST", "/users", {"userId": "carol", "password": PASSWORD}),
                ("DELETE", "/users/bob", None),
            ):
                assert ask(world, "root", method, path, body).status == 503, path
            with deadline(REQUEST_S):
                assert world.call("GET", "/login", basic=f"bob:{PASSWORD}").status == 503
        assert wait_for(lambda: world.ask("root", "GET", "/users").status == 200, 20)
        assert world.ask("root", "GET", "/users/bob").json["roles"][-1] == "Internal/dev"


@pytest.mark.parametrize("hangs", [False, True], ids=["down", "hangs"])
def test_without_its_database_plain_admins_go_on(
    server: DatabaseServer, tmp_path: Path, hangs: bool
) -> None:
    with beside(server, tmp_path, SUPER_ADMIN__ADMIN_ROLE="admin") as world:
        world.ask("root", "POST", "/roles", {"role": "ops"})
        world.ask("alice", "GET", "/logout")
        world.clear_tokens()
        with unusable(server, hangs=hangs):
            assert ask(world, "root", "GET", "/users").status == 200
            assert ask(world, "alice", "PATCH", "/users/alice", CHANGE).status == 200
            for query in ("", "?regex=o", "?searchKey=op"):
                roles = ask(world, "root", "GET", f"/roles{query}")
                assert (roles.status, roles.headers["X-Result-Truncated"]) == (200, "true"), query
                assert {"role": "ops"} in roles.json["list"]
            for method, path in (
                ("DELETE", "/users/bob"),
                ("GET", "/users/bob"),
                ("GET", "/roles/Internal/dev"),
            ):
                assert ask(world, "root", method, path).status == 503, path
        assert wait_for(lambda: world.ask("root", "GET", "/users/bob").status == 200, 20)
        assert world.ask("root", "DELETE", "/users/bob").status == 200
        assert world.mi.members("dev") == []


def test_an_account_that_may_only_read_gets_a_sentence(
    server: DatabaseServer, tmp_path: Path
) -> None:
    statements = [
        "CREATE USER reader@'%' IDENTIFIED BY 'x'",
        f"GRANT SELECT ON {server.config.database}.* TO reader@'%'",
    ]
    if server.dialect == "postgresql":
        statements = [
            "CREATE ROLE reader LOGIN PASSWORD 'x'",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        ]
    for statement in statements:
        server.tools.write(partial(Connection.execute, statement=text(statement)))
    account = {"DATASOURCE__USERNAME": "reader", "DATASOURCE__PASSWORD": "x"}
    plain = {**account, "SUPER_ADMIN__ADMIN_ROLE": "admin"}
    with (
        server_place(server) as place,
        opened(BesideDatabase(place, tmp_path, **plain)) as world,
    ):
        world.add_users("root", "bob")
        world.mi.add_role("dev")
        world.mi.add_member("dev", "bob")
        body = {"userId": "bob", "removedRoles": ["Internal/dev"]}
        for tables in ("MI_LDAP_USER", "MI_LDAP_HYBRID_ROLE"), ():
            assert world.ask("root", "GET", "/users/bob").json["roles"][-1] == "Internal/dev"
            world.store.clean_up()
            for method, change in (("POST", {"role": "Internal/x"}), ("PUT", body)):
                refused = world.ask("root", method, "/roles", change)
                assert (refused.status, bool(refused.json["Error"])) == (403, True)
            # Once more with MI's tables, but without ours, which it may not create.
            place.execute(*(f"DROP TABLE {table}" for table in tables))
            world.services = world.new_machine()
            world.call = LocalCaller(world.services)
            world.clear_tokens()


@pytest.mark.parametrize("has_domain", [True, False])
def test_missing_tables_are_created(tmp_path: Path, has_domain: bool) -> None:
    with sqlite_place(tmp_path) as place:
        tables = ["MI_LDAP_USER", "MI_LDAP_HYBRID_ROLE", "UM_HYBRID_USER_ROLE", "UM_HYBRID_ROLE"]
        for table in [*tables, *(() if has_domain else ("UM_DOMAIN",))]:
            place.execute(f"DROP TABLE {table}")
        folder = tmp_path / "state"
        folder.mkdir()
        with opened(InOneDatabase(place, folder)) as world:
            world.add_users("root", "bob")
            assert world.login("bob").status == 200
            assert world.admins() == ["bob"]


def test_garbage_in_our_own_tables_is_no_failure(world: World) -> None:
    world.add_users("bob", "carol")
    world.promote("root", "bob", "carol")
    ids = {name: world.users.find_user(name).id for name in ("root", "bob", "carol")}
    place = world.place
    insert = (
        "INSERT INTO MI_LDAP_USER (um_tenant_id, domain_name, user_id, user_name, custodian, state)"
        " VALUES (-1234, 'PRIMARY', :id, :name, :custodian, :state)"
    )
    for user_id, name, custodian, state in (
        ("", "bob", ids["root"], "x"),
        ("\t", "carol", ids["root"], None),
        ("zzzz", "bob", " ", "unfinished:" + "9" * 200),
        ("~~~~", "", None, None),
    ):
        place.execute(insert, id=user_id, name=name, custodian=custodian, state=state)
    place.execute(
        "UPDATE MI_LDAP_USER SET state = :state WHERE user_id = :id",
        state="resetting:" + "9" * 240,
        id=ids["carol"],
    )
    place.execute("UPDATE MI_LDAP_USER SET custodian = ' ' WHERE user_id = :id", id=ids["root"])
    place.execute("UPDATE MI_LDAP_HYBRID_ROLE SET revision = NULL")
    world.clear_tokens()
    assert world.admins() == ["bob", "carol", "root"]
    assert world.ask("root", "GET", "/users/carol").json["createdBy"] == "root"
    assert world.ask("root", "GET", "/users?role=Internal/admin").status == 200
    for name in ("bob", "carol"):
        assert world.change("root", name, removed=ADMIN_ROLE) == 200, name
        assert world.change("root", name, added=ADMIN_ROLE) == 200, name
    assert world.change("bob", "carol", removed=ADMIN_ROLE) == 403
    world.store.clean_up()


@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_small_pool_is_no_deadlock(place: Place, pool_size: int) -> None:
    """Changes read users in their transaction, while all connections wait for its lock."""
    store = within(place, pool_size=pool_size)
    users = [make_user(store, f"user{number}") for number in range(8)]
    store.create_role("Internal/dev")

    def assign(number: int) -> None:
        role = store.find_role("Internal/dev")
        assert role is not None
        with deadline(10):
            store.apply(Unchanged(users[number]), AssignRole(role, users[number]))

    began = time.monotonic()
    at_once(*(partial(assign, number) for number in range(8)))
    assert time.monotonic() - began < 8
    role = store.find_role("Internal/dev")
    assert role is not None
    assert len(store.member_names(role).names) == 8
