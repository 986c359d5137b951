"""`config/secondary.toml` runs as it is, but for addresses, passwords and bases."""

from __future__ import annotations

from pathlib import Path

from tests.api.client import PASSWORD
from tests.service import environment, running
from tests.sql.stores import sqlite_place
from tests.subtree import Subtree

CONFIG = Path(__file__).parents[2] / "config" / "secondary.toml"


def test_the_example_is_used_as_it_is(subtree: Subtree, tmp_path: Path) -> None:
    subtree.add_user("alice", PASSWORD)
    with sqlite_place(tmp_path) as database:
        env = {
            **environment(tmp_path, subtree),
            "MI_LDAP_CONFIG": str(CONFIG),
            "MI_LDAP_SECONDARY_USER_STORE__WSO2_COM__URL": f"sqlite:///{database.config.database}",
        }
        with running(env) as service, service.caller() as call:
            assert call.ask("GET", "/ready").status == 200
            token = call.login("alice", PASSWORD)  # the one name in bootstrap.users
            user = {"userId": "bob", "password": PASSWORD, "domain": "wso2.com"}
            assert call("POST", "/users", user, token=token).status == 200
            users = call("GET", "/users", token=token).json["list"]
            assert users == [{"userId": "alice"}, {"userId": "WSO2.COM/bob"}]
            assert call.login("bob", PASSWORD)
            assert call("DELETE", "/users/WSO2.COM/bob", token=token).status == 200
            service.assert_healthy()
