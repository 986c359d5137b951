"""A role that is deleted between its assignment and the assertions that end the change."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.controls import Control
from mi_ldap.web import create_app
from tests.machines import MakeApi
from tests.subtree import Subtree

Assertions = Sequence[tuple[str, Sequence[Control]]]


def test_a_role_deleted_while_it_is_assigned_is_not_found_and_leaves_nothing(
    api_of: MakeApi, subtree: Subtree, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = api_of().logged_in("admin"), api_of().logged_in("admin")
    one.add_user("bob")
    one.add_role("dev")
    one.add_role("ops")
    other = replace(two, client=create_app(two.services).test_client(use_cookies=False))
    real, asserted = LdapConnection.assert_all, list[int]()

    def delete_before(connection: LdapConnection, assertions: Assertions) -> None:
        if len(assertions) > 1 and not asserted:
            asserted.append(len(assertions))
            deleting = threading.Thread(target=lambda: other.do("DELETE", "/roles/dev"))
            deleting.start()
            deleting.join()
        real(connection, assertions)

    monkeypatch.setattr(LdapConnection, "assert_all", delete_before)
    answer = one("PUT", "/roles", {"userId": "bob", "addedRoles": ["ops", "dev"]})
    assert (answer.status_code, asserted) == (404, [3]), answer.text
    assert one.user("bob")["roles"] == ["Internal/everyone"]
    found = subtree.tool.read_below(subtree.user_base, "uid", "memberOf")
    (bob,) = [entry for entry in found.values() if entry["uid"] == ["bob"]]
    assert not any(bob.get("memberOf", []))
