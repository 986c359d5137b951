"""Who is an operator: a holder of one of the roles, direct or through groups, in the directory."""

from __future__ import annotations

from structlog.testing import capture_logs

from mi_ldap.services.operators import Operators
from tests.api.client import Api
from tests.subtree import Subtree

OPERATORS = Operators(("operators", "nowhere"))


def is_operator(api: Api, name: str, operators: Operators = OPERATORS) -> bool:
    store = api.services.store
    user = store.find_user(name)
    assert user is not None
    for reads in (store, store.authority(changes=True)):
        prefetched = reads.prefetch(*operators.reads())
        assert operators.include(prefetched, user) == operators.include(reads, user)
    return operators.include(store, user)


def test_a_holder_is_an_operator_as_long_as_it_has_the_role(admin: Api) -> None:
    admin.add_user("bob")
    admin.add_role("Operators", "bob")
    assert is_operator(admin, "bob")
    assert not is_operator(admin, "admin")
    assert is_operator(admin, "bob", Operators(("none", " OPERATORS ")))
    assert not is_operator(admin, "bob", Operators())
    admin.do("PUT", "/roles", {"userId": "bob", "removedRoles": ["operators"]})
    assert not is_operator(admin, "bob")


def test_members_of_a_group_in_the_role_are_operators(
    admin: Api, subtree: Subtree, alice_dn: str
) -> None:
    shift = subtree.add_group("shift", alice_dn)
    subtree.add_group("operators", shift, "")
    assert is_operator(admin, "alice")
    subtree.tool.delete_values(subtree.group_dn("operators"), member=shift)
    assert not is_operator(admin, "alice")


def test_of_two_groups_of_one_name_neither_makes_operators(
    admin: Api, subtree: Subtree, alice_dn: str
) -> None:
    subtree.add_group("operators", alice_dn)
    subtree.add_group("second", alice_dn)
    subtree.tool.add_values(subtree.group_dn("second"), cn="operators")
    with capture_logs() as lines:
        assert not is_operator(admin, "alice")
    assert "operator_role_ambiguous" in {line["event"] for line in lines}
