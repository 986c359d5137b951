"""The tables of MI's own scripts, and the old layout without UM_USER_ID."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.errors import UserExists
from mi_ldap.store import AssignRole, DeleteUser, RevokeRole, SetCustodian, Unchanged
from tests.contract.words import PASSWORD, make_user, promotion, reread, role_now
from tests.sql.stores import Place, bare_sqlite_place
from tests.sql.test_store_contract import InDatabase


class TestOldLayoutOnSqlite(InDatabase):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        with bare_sqlite_place(tmp_path) as place:
            place.run_script("old")
            yield place


@pytest.mark.parametrize("layout", ["current", "old"])
def test_users_and_roles_work_in_each_layout_of_mis_tables(bare: Place, layout: str) -> None:
    bare.run_script(layout)
    store = bare.open()
    boss, alice, dev = make_user(store, "boss"), make_user(store), store.create_role("dev")
    admin = store.create_role("admin")
    store.apply(AssignRole(admin, boss))
    store.apply(*promotion(boss, alice, role_now(store, admin)))
    alice = reread(store, alice)
    assert alice.custodian_id == boss.id
    assert [user.id for user in store.dependents_of(boss)] == [alice.id]
    store.apply(Unchanged(alice), AssignRole(dev, alice))
    assert store.member_names(dev).names == ("alice",)
    with pytest.raises(UserExists):
        store.create_user("ALICE")
    store.authenticate(alice, PASSWORD)
    (key,) = bare.query("SELECT UM_ID FROM UM_USER WHERE UM_USER_NAME = 'alice'")[0]
    assert (alice.id == str(key)) is (layout == "old")
    roles = store.roles_of(alice)
    store.apply(
        *(RevokeRole(role, alice) for role in roles), SetCustodian(alice, None), DeleteUser(alice)
    )
    left = "SELECT COUNT(*) FROM UM_USER_ATTRIBUTE WHERE UM_USER_ID = :key"
    assert bare.query(left, key=key) == [(0,)]


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "99999999999999999999", "1.0", "١"])
def test_what_is_no_key_finds_nobody(tmp_path: Path, text: str) -> None:
    with bare_sqlite_place(tmp_path) as place:
        place.run_script("old")
        store = place.open()
        make_user(store)
        assert store.user(text) is None
        assert store.user("1") is not None
