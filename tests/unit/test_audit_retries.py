"""Each request has one pair of audit lines, however often a change is retried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from mi_ldap.errors import Conflict, CustodyRefused, DirectoryUnavailable, UserNotFound
from mi_ldap.model import User
from mi_ldap.services.recovery import Recovery
from mi_ldap.store import DeleteUser
from tests.world import World

TRIES = 7

Act = Callable[[World], object]

ACTS: dict[str, Act] = {
    "delete": lambda world: world.delete("boss", "carl"),
    "delete with a dependent": lambda world: world.delete("admin", "boss"),
    "demote": lambda world: world.demote("boss", "carl"),
    "resign": lambda world: world.demote("boss", "boss"),
    "promote": lambda world: world.give("boss", "bob", "admin"),
    "create": lambda world: world.create("boss", "dora", is_admin=True),
    "reset": lambda world: world.reset("boss", "carl"),
    "delete a role": lambda world: world.services.roles.delete(world.performer("boss"), "dev"),
}


@pytest.fixture
def busy(family: World) -> World:
    """The family, and somebody else who changes things before each of the next tries."""
    family.add("dev-user", "dev")
    family.store.meanwhile = [lambda: disturb(family)] * TRIES
    return family


def disturb(world: World) -> None:
    """Everything that was decided on has another revision."""
    for user in world.store.holder_users(world.store.admin_role() or pytest.fail("no role")):
        world.store.account(user.name).mark += "x"
    world.store.account("bob").mark += "x"


@pytest.mark.parametrize("name", ACTS)
def test_a_retried_change_has_each_audit_line_once(busy: World, name: str) -> None:
    try:
        ACTS[name](busy)
    except Conflict:
        pytest.skip("this change gives up by itself")
    told = Counter((line["action"], str(line["info"]), line["outcome"]) for line in busy.lines)
    assert not busy.store.meanwhile or name in {"create", "delete a role"}
    assert set(told.values()) == {1}
    assert {outcome for *_, outcome in told} == {"done"}


def test_a_retried_change_has_one_outcome(family: World) -> None:
    def vanish() -> None:
        family.store.apply(DeleteUser(family.user("carl")))

    family.store.meanwhile = [*[lambda: disturb(family)] * 3, vanish]
    with pytest.raises(UserNotFound):
        family.delete("boss", "carl")
    assert family.told("action", "outcome") == [("deleted", "done"), ("deleted", "undone")]


def test_a_refusal_after_retries_is_audited(family: World) -> None:
    def adopt() -> None:
        family.store.account("carl").custodian_id = family.user("eve").id

    family.store.meanwhile = [lambda: disturb(family), adopt]
    with pytest.raises(CustodyRefused):
        family.delete("boss", "carl")
    assert family.told("action", "outcome") == [
        ("deleted", "done"),
        ("deleted", "undone"),
        ("refused", "refused"),
    ]


def test_an_outage_after_retries_is_audited_once_as_unknown(family: World) -> None:
    def go_down() -> None:
        family.store.is_down = True

    family.store.meanwhile = [lambda: disturb(family), go_down]
    with pytest.raises(DirectoryUnavailable):
        family.delete("admin", "boss")
    assert Counter(family.told("outcome")) == {("done",): 2, ("unknown",): 2}


def test_an_audit_line_that_a_retry_made_wrong_is_withdrawn(family: World) -> None:
    """The dependent has another custodian on the second attempt: nothing is reassigned."""

    def adopt() -> None:
        family.store.account("carl").custodian_id = family.user("eve").id

    family.store.meanwhile = [adopt]
    family.delete("admin", "boss")
    assert family.told("action", "outcome") == [
        ("deleted", "done"),
        ("inherited", "done"),
        ("inherited", "undone"),
    ]
    assert family.custodian("carl") == "eve"


def test_a_retried_recovery_has_one_audit_line(family: World) -> None:
    services = family.services
    recovery = Recovery(family.store, services.audit, services.rules, "root on this machine")
    bob: User = family.user("bob")
    family.store.meanwhile = [lambda: disturb(family)] * TRIES
    assert recovery.assign_admin_role(bob)
    assert family.told("action", "outcome") == [("recovered", "done")]
