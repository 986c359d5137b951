"""Changes that servers do not report, which is why such directories are not replicated.

The measurements stand in `mi_ldap.directory.layout.profiles`. If a test fails, a newer server may
report more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ldap3 import BASE, MODIFY_ADD, MODIFY_REPLACE

from mi_ldap.deadline import deadline
from mi_ldap.ldap import requests
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.content_sync import Poller, SyncSearch
from mi_ldap.ldap.messages import Entry
from tests.hosts.ds389 import Ds389
from tests.hosts.fixtures import samba  # noqa: F401
from tests.hosts.samba import Samba
from tests.ldap.connectors import connector
from tests.until import until

SHOW_DELETED = ("1.2.840.113556.1.4.417", True, None)  # [MS-ADTS] §3.1.1.3.4.1.14


class Told:
    """Who is there, by what is told."""

    def __init__(self) -> None:
        self.here: set[bytes] = set()

    def changed(self, uuid: bytes, entry: Entry) -> None:
        self.here.add(uuid)

    def unchanged(self, uuids: Sequence[bytes]) -> None:
        pass

    def gone(self, uuids: Sequence[bytes]) -> None:
        self.here.difference_update(uuids)


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ds389]:
    """A 389 with all that it has for telling changes."""
    with Ds389(tmp_path_factory.mktemp("telling"), tells_changes=True) as host:
        yield host


def test_389_leaves_out_who_leaves_the_filter_and_the_51st_that_goes(telling: Ds389) -> None:
    told = Told()
    staying = requests.condition("(&(uid=u*)(!(title=left)))")
    people = SyncSearch(telling.user_base, staying, ["1.1"], told)
    connect = connector(telling.ldaps_url, account=telling.service, ca_file=telling.ca_file)
    dns = [f"uid=u{number},{telling.user_base}" for number in range(53)]
    with telling.connected(*telling.manager) as manager, deadline(30):
        session = connect.bound()
        for dn in dns:
            assert manager.add(dn, ["inetOrgPerson"], {"cn": "x", "sn": "x"})
        ask(session, people)
        assert len(told.here) == 53
        assert manager.modify(dns[0], {"title": [(MODIFY_REPLACE, ["left"])]})
        ask(session, people)
        assert len(told.here) == 53
        for dn in dns[1:52]:
            assert manager.delete(dn)
        ask(session, people)
        assert len(told.here) == 53 - 50
        session.close()


def ask(session: LdapConnection, search: SyncSearch) -> None:
    assert Poller([search]).poll(session)


def test_389_closes_accounts_through_roles_without_a_trace_on_them(telling: Ds389) -> None:
    asked = ("nsAccountLock", "entryUSN", "modifyTimestamp")
    staff, closed = (f"cn={name},{telling.base}" for name in ("staff", "closed"))
    ann = f"uid=ann,{telling.user_base}"
    with telling.connected(*telling.manager) as manager:
        make_roles(manager, telling.base, staff, closed)
        assert manager.add(ann, ["inetOrgPerson"], {"cn": "x", "sn": "x", "nsRoleDN": staff})
        before = seen(manager, ann, *asked)
        assert manager.modify(closed, {"nsRoleDN": [(MODIFY_ADD, [staff])]})
        until(lambda: seen(manager, ann, "nsAccountLock") == {"nsAccountLock": [b"true"]})
        after = seen(manager, ann, *asked)
    assert before["entryUSN"]
    assert not before["nsAccountLock"]
    assert after == {**before, "nsAccountLock": [b"true"]}


def make_roles(manager: Any, base: str, staff: str, closed: str) -> None:
    """Two roles, whoever has the second one being closed, as 389's own tools make them."""
    role = ["ldapSubEntry", "nsRoleDefinition"]
    simple = [*role, "nsSimpleRoleDefinition", "nsManagedRoleDefinition"]
    nested = [*role, "nsComplexRoleDefinition", "nsNestedRoleDefinition"]
    template = ["ldapSubEntry", "extensibleObject", "cosTemplate"]
    cos = ["ldapSubEntry", "cosSuperDefinition", "cosClassicDefinition"]
    given = {"cosTemplateDn": base, "cosSpecifier": "nsRole"}
    given["cosAttribute"] = "nsAccountLock operational"
    assert manager.add(staff, simple)
    assert manager.add(f"cn=nobody,{base}", simple)
    assert manager.add(closed, nested, {"nsRoleDN": f"cn=nobody,{base}"})
    assert manager.add(f'cn="{closed}",{base}', template, {"nsAccountLock": "true"})
    assert manager.add(f"cn=closing,{base}", cos, given)


def test_active_directory_does_not_show_the_account_what_was_removed(
    samba: Samba,  # noqa: F811
) -> None:
    dn = f"CN=gone,{samba.user_base}"
    with (
        samba.connected(*samba.manager) as manager,
        samba.connected(*samba.service) as service,
    ):
        assert manager.add(dn, ["user"], {"sAMAccountName": "gone"})
        before = committed(service)
        assert manager.delete(dn)
        assert committed(service) > before
        assert any("DEL:" in each for each in changed_since(manager, samba.base, before))
        assert changed_since(service, samba.base, before) == []


def committed(connection: Any) -> int:
    return int(seen(connection, "", "highestCommittedUSN")["highestCommittedUSN"][0])


def changed_since(connection: Any, base: str, number: int) -> list[str]:
    """The DNs of what was changed later, or removed."""
    connection.search(base, f"(uSNChanged>={number + 1})", controls=[SHOW_DELETED])
    return [each["dn"] for each in connection.response if each["type"] == "searchResEntry"]


def seen(connection: Any, dn: str, *attributes: str) -> dict[str, list[bytes]]:
    connection.search(dn, "(objectClass=*)", BASE, attributes=attributes)
    return {name: connection.response[0]["raw_attributes"].get(name, []) for name in attributes}
