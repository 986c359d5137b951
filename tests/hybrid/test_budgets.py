"""How many statements a request costs, with users and hybrid roles in one database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from mi_ldap.domains import HybridStore
from mi_ldap.services.container import Services
from mi_ldap.settings import load_settings
from mi_ldap.wiring import services
from tests.hybrid.stores import ADMIN_ROLE
from tests.hybrid.world import PASSWORD, InOneDatabase, opened
from tests.sql.stores import Place, sqlite_place

MEMBERS = 2000


class Counting(InOneDatabase):
    """Counts the statements."""

    statements: int

    def _services(self, environ: dict[str, str]) -> Services:
        self.statements = 0

        def count(statement: str) -> None:
            self.statements += statement != "pragma"

        return services(load_settings(environ), store=self.place.open(count))

    def cost(self, method: str, path: str) -> int:
        before = self.statements
        assert self.ask("root", method, path).status == 200
        return self.statements - before


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with sqlite_place(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("admin_role", "detail", "roles", "login", "users"),
    [(ADMIN_ROLE, 8, 7, 6, 6), ("admin", 4, 4, 3, 3)],
)
def test_a_request_needs_few_statements(
    place: Place, tmp_path: Path, admin_role: str, detail: int, roles: int, login: int, users: int
) -> None:
    settings = {
        "SUPER_ADMIN__ADMIN_ROLE": admin_role,
        "DATASOURCE__URL": f"sqlite:///{place.config.database}",
    }
    with opened(Counting(place, tmp_path, **settings)) as world:
        assert isinstance(world.services.store, HybridStore)
        world.add_users("root", "bob")
        world.ask("root", "POST", "/roles", {"role": "Internal/dev"})
        assert world.change("root", "bob", added="Internal/dev") == 200
        assert world.cost("GET", "/users/bob") <= detail
        assert world.cost("GET", "/roles") <= roles
        assert world.cost("GET", "/users") <= users
        before = world.statements
        assert world.call("GET", "/login", basic=f"bob:{PASSWORD}").status == 200
        assert world.statements - before <= login


def test_many_members_need_few_more_statements(place: Place, tmp_path: Path) -> None:
    with opened(Counting(place, tmp_path)) as world:
        world.add_users("root")
        world.ask("root", "POST", "/roles", {"role": "Internal/big"})
        few = world.cost("GET", "/roles/Internal/big"), world.cost("GET", "/users/root")
        fill(place, "big")
        fill(place, "admin")
        answer = world.ask("root", "GET", "/roles/Internal/big")
        assert len(answer.json["users"]) == MEMBERS
        # A statement for each 500 users, not for each.
        assert world.cost("GET", "/roles/Internal/big") <= few[0] + MEMBERS / 500
        assert world.cost("GET", "/users/root") <= few[1]
        body = {"userId": "admin1", "removedRoles": [ADMIN_ROLE]}
        before = world.statements
        assert world.ask("root", "PUT", "/roles", body).status == 403
        assert world.statements - before <= 30


def fill(place: Place, role: str) -> None:
    """Give the role many members."""
    rows = [{"name": f"{role}{at}", "id": str(uuid.uuid4()), "role": role} for at in range(MEMBERS)]
    statements = (
        "INSERT INTO UM_USER (UM_USER_ID, UM_USER_NAME, UM_USER_PASSWORD, UM_CHANGED_TIME, "
        "UM_TENANT_ID) VALUES (:id, :name, 'x', '2020-01-01 00:00:00', -1234)",
        "INSERT INTO UM_HYBRID_USER_ROLE (UM_USER_NAME, UM_ROLE_ID, UM_TENANT_ID, UM_DOMAIN_ID) "
        "SELECT :name, R.UM_ID, -1234, D.UM_DOMAIN_ID FROM UM_HYBRID_ROLE R, UM_DOMAIN D "
        "WHERE R.UM_ROLE_NAME = :role AND D.UM_DOMAIN_NAME = 'PRIMARY'",
        "INSERT INTO MI_LDAP_USER (um_tenant_id, domain_name, user_id, user_name) "
        "VALUES (-1234, 'PRIMARY', :id, :name)",
    )

    def run(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement), rows)

    place.tools.write(run)
