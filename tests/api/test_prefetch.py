"""What is read together: never a guarded entry with what its guard protects."""

from __future__ import annotations

import pytest

from mi_ldap.store import DependentsOf, FindUser, Read, ReadAdminRole, ReadUser, RolesOf
from tests.api.client import PASSWORD, Api, Family
from tests.memory_store import MemoryStore


@pytest.fixture
def light_family(light_api: Api) -> Family:
    return Family(light_api)


@pytest.fixture
def together(memory: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Read, ...]]:
    """The reads of each `prefetch`."""
    read: list[tuple[Read, ...]] = []

    def prefetch(store: MemoryStore, *reads: Read) -> MemoryStore:
        read.append(reads)
        return store

    monkeypatch.setattr(MemoryStore, "prefetch", prefetch)
    return read


def test_dependents_are_read_after_the_admin_role(
    light_family: Family, together: list[tuple[Read, ...]]
) -> None:
    """A server answers in any order: a dependent added in between would be missed.

    The guard on the admin role would not notice it: the role would be read after that change.
    """
    admin = light_family.admin
    admin.add_role("dev")
    admin.add_user("eve", isAdmin=True)
    for key, role in (("added", "dev"), ("added", "admin"), ("removed", "admin")):
        admin.do("PUT", "/roles", {"userId": "bob", f"{key}Roles": [role]})
    admin.do("PATCH", "/users/bob", {"newPassword": PASSWORD, "confirmPassword": PASSWORD})
    for name in ("bob", "eve", "boss"):
        admin.do("DELETE", f"/users/{name}")
    for reads in together:
        kinds = {type(read) for read in reads}
        assert not kinds >= {ReadAdminRole, DependentsOf}, reads
    assert any(isinstance(read, DependentsOf) for reads in together for read in reads)


def test_performer_and_admin_role_are_read_together(
    light_family: Family, together: list[tuple[Read, ...]]
) -> None:
    admin = light_family.admin
    uid = light_family.stranger.services.store.find_user("admin")
    assert uid is not None
    together.clear()
    admin.get("/users")
    assert together == [(ReadUser(uid.id), ReadAdminRole())]


def test_target_of_a_deletion_is_read_with_the_performer(
    light_family: Family, together: list[tuple[Read, ...]]
) -> None:
    admin = light_family.admin
    admin.do("DELETE", "/users/PRIMARY%2Fbob")
    first, second = together
    assert [type(read) for read in first] == [ReadUser, ReadAdminRole, FindUser, FindUser]
    assert first[2:] == (FindUser("PRIMARY/bob"), FindUser("bob"))
    assert [type(read) for read in second] == [RolesOf, DependentsOf]


def test_nothing_is_read_for_an_invalid_token(
    light_family: Family, together: list[tuple[Read, ...]]
) -> None:
    assert light_family.stranger("DELETE", "/users/bob").status_code == 401
    assert together == []


def test_target_and_roles_are_read_together_as_typed_and_in_full(
    light_family: Family, together: list[tuple[Read, ...]]
) -> None:
    admin = light_family.admin
    admin.add_role("dev")
    together.clear()
    admin.give("PRIMARY/bob", "dev")
    names = [read.name for reads in together for read in reads if isinstance(read, FindUser)]
    assert names == ["PRIMARY/bob", "bob"]
