"""Users in memory: packed, and found by all that the server finds them by."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.directory.layout.builder import build_layout
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.profiles import PROFILES
from mi_ldap.directory.replica.people import People
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.settings import load_settings

BASE = "ou=people,dc=mi"
IDS = st.uuids()
NAMES = st.text(alphabet="abAB1é, ", min_size=1, max_size=6).map(str.strip).filter(bool)
VALUES = st.lists(st.binary(max_size=8), max_size=3)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["milapdepoch", "milapcustodian", "pwdchangedtime", "other"]), VALUES
)


def tree() -> DirectoryLayout:
    settings = load_settings({"MI_LDAP_STATE_DIR": "/nowhere"}).user_store
    return build_layout(settings, PROFILES["openldap"])


TREE = tree()


def entry_of(
    user_id: uuid.UUID, name: str, more: dict[str, list[bytes]] | None = None, *others: str
) -> Entry:
    """Somebody's entry, as the server tells it."""
    attributes = {
        "uid": [each.encode() for each in (name, *others)],
        "entryuuid": [str(user_id).encode()],
        "objectclass": [b"inetOrgPerson"],
    }
    return Entry(names.dn_in(BASE, "uid", name), {**attributes, **(more or {})})


@given(IDS, NAMES, ATTRIBUTES, st.lists(NAMES, max_size=2))
def test_who_was_packed_is_who_was_told(
    user_id: uuid.UUID, name: str, more: dict[str, list[bytes]], others: list[str]
) -> None:
    people, entry = People(TREE), entry_of(user_id, name, more, *others)
    person = people.put(user_id.bytes, entry)
    assert people.user(person) == TREE.user_from(entry)
    assert people.dn(person) == entry.dn
    assert person.uuid == user_id.bytes
    found = people.get(user_id.bytes), people.by_id(str(user_id)), people.at(entry.dn)
    assert found == (person, person, person)


def test_another_own_name_than_the_usual_one_is_kept() -> None:
    people, user_id = People(TREE), uuid.UUID(int=7)
    entry = Entry("cn=Ann+uid=ann,ou=in,dc=mi", entry_of(user_id, "ann").attributes)
    person = people.put(user_id.bytes, entry)
    assert people.dn(person) == people.user(person).locator == entry.dn
    assert people.at(entry.dn) is people.named("ann") is person


@given(st.lists(st.tuples(st.integers(1, 4), NAMES, ATTRIBUTES)))
def test_the_last_that_was_told_counts(
    changes: list[tuple[int, str, dict[str, list[bytes]]]],
) -> None:
    people, told = People(TREE), dict[int, Entry]()
    for number, name, more in changes:
        told[number] = entry_of(uuid.UUID(int=number), name, more)
        before = people.get(number.to_bytes(16))
        assert before in (None, people.put(number.to_bytes(16), told[number]))
        assert [*people.names().names] == sorted(
            {entry.first("uid") or "" for entry in told.values()},
            key=lambda name: (name.casefold(), name),
        )
    for number, entry in told.items():
        person = people.pop(number.to_bytes(16))
        assert person is not None
        assert people.user(person) == TREE.user_from(entry)
    assert (len(people), people.names().names) == (0, ())
    assert not any(people.at(entry.dn) for entry in told.values())


def test_a_new_password_leaves_the_list_of_names_what_it_was() -> None:
    people, user_id = People(TREE), uuid.UUID(int=7)
    people.put(user_id.bytes, entry_of(user_id, "ann"))
    listed = people.names()
    people.put(user_id.bytes, entry_of(user_id, "ann", {"pwdchangedtime": [b"20260101000000Z"]}))
    assert people.names() is listed


def test_what_is_mostly_one_text_is_one_object() -> None:
    people, user_id = People(TREE), uuid.UUID(int=7)
    person = people.put(user_id.bytes, entry_of(user_id, "somebody", {"miLdapEpoch": [b"1"]}))
    listed = people.names()
    assert listed.names[0] is person.name
    assert listed.folded is not None
    assert listed.folded[0] is person.name
