"""The rights in a database that docs/stores name are enough for the service's account."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mi_ldap.errors import Forbidden
from mi_ldap.model import Performer
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.services.container import Services
from mi_ldap.services.role_changes import RoleChange
from mi_ldap.services.users import NewUser
from mi_ldap.settings import load_settings
from mi_ldap.sql import DatabaseConfig
from mi_ldap.sql.schema import create_tables
from mi_ldap.wiring import services
from tests.checks.databases import database_keys, examined, make_first_admin
from tests.checks.doctor_runs import problems
from tests.hosts.installed import program
from tests.hosts.process import free_ports
from tests.memory_store import MemoryStore
from tests.sql.servers import DatabaseServer, PostgreSql
from tests.sql.stores import Place, server_place

PAGE = Path(__file__).parents[2] / "docs" / "stores" / "database.md"
HYBRID_PAGE = PAGE.with_name("hybrid.md")
MINIMUM = """
GRANT SELECT, INSERT, UPDATE, DELETE ON UM_USER, UM_ROLE, UM_USER_ROLE, UM_USER_ATTRIBUTE TO mi;
GRANT SELECT, DELETE ON UM_HYBRID_USER_ROLE TO mi;
GRANT SELECT ON UM_HYBRID_ROLE, UM_DOMAIN TO mi;
GRANT USAGE ON SEQUENCE UM_USER_SEQ, UM_ROLE_SEQ, UM_USER_ROLE_SEQ, UM_USER_ATTRIBUTE_SEQ TO mi;
"""


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


def test_the_rights_of_the_docs_suffice(server: DatabaseServer, state: Path) -> None:
    grants = grants_of(PAGE, server)
    with server_place(server):
        keys = database_keys(account_with(server, grants), state)
        make_first_admin(keys, "alice")
        assert problems(examined(keys)) == []
        with closing(services(load_settings(keys))) as found:
            performer = performer_of(found)
            found.users.create(performer, NewUser("bob", "a password", is_admin=False))
            found.roles.create(performer, "Internal/testers")
            found.role_changes.change(performer, RoleChange("bob", ("Internal/testers",)))
            assert found.roles.show("Internal/testers").users == ("bob",)
            found.users.delete(performer, "bob")
            found.roles.delete(performer, "Internal/testers")


def test_the_rights_for_hybrid_roles_alone_suffice(server: DatabaseServer, state: Path) -> None:
    with server_place(server):
        config = account_with(server, grants_of(HYBRID_PAGE, server))
        more = {"super_admin__admin_role": "Internal/admin", "user_store__type": ""}
        keys = database_keys(config, state, **more)
        settings = load_settings({**keys, "MI_LDAP_BOOTSTRAP__MODE": "first_login"})
        with closing(services(settings, store=MemoryStore())) as found:
            found.login.login(LoginRequest("alice", "a password", "192.0.2.1", is_local=True))
            performer = performer_of(found)
            found.users.create(performer, NewUser("bob", "a password", is_admin=True))
            found.roles.create(performer, "Internal/testers")
            found.role_changes.change(performer, RoleChange("bob", ("Internal/testers",)))
            assert found.roles.show("Internal/admin").users == ("alice", "bob")
            found.users.delete(performer, "bob")
            found.roles.delete(performer, "Internal/testers")
            assert found.roles.show("Internal/admin").users == ("alice",)


def grants_of(page: Path, server: DatabaseServer) -> str:
    found = re.findall(r"```sql\n((?:GRANT .*\n)+)```", page.read_text("utf-8"))
    return str(found[0 if isinstance(server, PostgreSql) else 1])


def test_without_own_tables_hybrid_roles_are_shown_and_leave_with_their_user(
    postgresql: PostgreSql, state: Path
) -> None:
    with server_place(postgresql) as place:
        keys = database_keys(account_with(postgresql, MINIMUM), state)
        place.execute("DROP TABLE MI_LDAP_USER", "DROP TABLE MI_LDAP_HYBRID_ROLE")
        try:
            make_first_admin(keys, "alice")
            with closing(services(load_settings(keys))) as found:
                performer = performer_of(found)
                for name in ("bob", "carl"):
                    found.users.create(performer, NewUser(name, "a password", is_admin=False))
                assign_as_mi(place, "testers", "bob", "carl")
                assert found.roles.show("Internal/testers").users == ("bob", "carl")
                found.users.delete(performer, "bob")
                found.users.create(performer, NewUser("bob", "a password", is_admin=False))
                assert found.roles.show("Internal/testers").users == ("carl",)
                found.role_changes.change(
                    performer, RoleChange("carl", revoked=("Internal/testers",))
                )
                assert found.roles.show("Internal/testers").users == ()
                with pytest.raises(Forbidden, match="mi-ldap database create"):
                    found.role_changes.change(performer, RoleChange("bob", ("Internal/testers",)))
        finally:
            create_tables(postgresql.config)


def assign_as_mi(place: Place, role: str, *names: str) -> None:
    place.execute(
        "INSERT INTO UM_DOMAIN (UM_DOMAIN_NAME, UM_TENANT_ID) VALUES ('PRIMARY', -1234)",
        "INSERT INTO UM_HYBRID_ROLE (UM_ROLE_NAME, UM_TENANT_ID) VALUES (:role, -1234)",
        role=role,
    )
    for name in names:
        place.execute(
            "INSERT INTO UM_HYBRID_USER_ROLE (UM_USER_NAME, UM_ROLE_ID, UM_TENANT_ID, UM_DOMAIN_ID)"
            " SELECT :name, R.UM_ID, -1234, D.UM_DOMAIN_ID FROM UM_HYBRID_ROLE R, UM_DOMAIN D",
            name=name,
        )


def performer_of(found: Services) -> Performer:
    """The first admin, `alice`."""
    alice = found.store.find_user("alice")
    assert alice is not None
    return Performer(alice, client="192.0.2.1")


def account_with(server: DatabaseServer, grants: str) -> DatabaseConfig:
    """Make an account with exactly these rights; return how it reaches the database."""
    account = name = f"least_{free_ports(1)[0]}"
    create = f"CREATE ROLE {account} LOGIN PASSWORD"
    if not isinstance(server, PostgreSql):
        account = f"{name}@localhost"
        create = f"CREATE USER {account} IDENTIFIED BY"
    as_administrator(
        server, f"{create} '{server.password}'", *re.sub(r"mi(@'%')?;", account, grants).split("\n")
    )
    return replace(server.config, username=name)


def as_administrator(server: DatabaseServer, *statements: str) -> None:
    if isinstance(server, PostgreSql):
        for statement in filter(None, statements):
            server.tools.read(lambda c, text=statement: c.exec_driver_sql(text))  # type: ignore[misc]
        return
    mariadb = (program("mariadb"), "--no-defaults", "-uroot", f"-S{server.folder}/socket")
    server.use(*mariadb, "-e", ";".join(filter(None, statements)))
