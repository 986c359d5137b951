"""No function that outside text comes to is quadratic in its length."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from mi_ldap import name_folding, name_rules
from mi_ldap.directory.replica.name_keys import name_key, name_keys_of_dn
from mi_ldap.errors import MiLdapError, UserNotFound
from mi_ldap.ldap import names
from mi_ldap.model import Names
from mi_ldap.services.accounts import find_role, find_user
from mi_ldap.services.queries import MAX_CONDITION, Query
from mi_ldap.state.fingerprints import Fingerprints
from tests.memory_store import MemoryStore

UNITS = (
    "\u0301\u0316",
    "a",
    " ",
    "a ",
    "\\",
    "\\ ",
    "*",
    "?",
    "*a",
    "%",
    "(",
    ",",
    "+",
    "=",
    "/",
    "\0",
)

STORE = MemoryStore()
LISTED = Names(("alice", "bob"))

FUNCTIONS: dict[str, Callable[[str], object]] = {
    "new_user_name": name_rules.new_user_name,
    "new_role_name": name_rules.new_role_name,
    "new_password": name_rules.new_password,
    "folded": name_folding.folded,
    "is_primary": name_rules.is_primary,
    "role_of_domain": lambda text: name_rules.role_of_domain(text, text),
    "full_role_name": name_rules.full_role_name,
    "without_primary": name_rules.without_primary,
    "find_user": lambda text: find_user(STORE, text),
    "find_role": lambda text: find_role(STORE, text),
    "UserNotFound": lambda text: str(UserNotFound(text)),
    "Fingerprints": Fingerprints("key").of,
    "filter_value": names.filter_value,
    "rdn": lambda text: names.rdn("cn", text),
    "parsed_dn": lambda text: names.parsed_dn.__wrapped__(f"cn={text},dc=x"),
    "first_rdn_pair": lambda text: names.first_rdn_pair(f"cn={text},dc=x"),
    "rdn_and_parent": lambda text: names.rdn_and_parent(f"cn={text},dc=x"),
    "word": name_key,
    "words_of_dn": lambda text: name_keys_of_dn(f"cn={text},dc=x"),
    "pattern": lambda text: Query(pattern=text[:MAX_CONDITION]).select(LISTED),
    "searchKey": lambda text: Query(search_key=text[:MAX_CONDITION]).select(LISTED),
    "regex": lambda text: Query(regex=text).select(LISTED),
    "like": lambda text: Query(pattern=text).like,
}


@pytest.mark.usefixtures("settled_heap", "untraced")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_long_text_costs_little(name: str) -> None:
    for unit in UNITS:
        for text in (unit * 50_000, f"a{unit * 50_000}b", f"{unit * 200_000}"[:200_000]):
            began = time.process_time()
            with suppress(MiLdapError):
                FUNCTIONS[name](text)
            assert time.process_time() - began < 1, unit


def test_what_is_too_long_for_a_name_is_nobodys() -> None:
    text = "a" * (name_folding.MAX_TYPED + 1)
    assert find_user(STORE, text) is None
    assert find_role(STORE, text) is None
    assert len(str(UserNotFound(text * 10))) < 400


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  a  ", "a"),
        ("a\\ ", "a "),
        ("a\\   ", "a "),
        (" a  b ", "a  b"),
        ("\\ a", " a"),
        ("   ", ""),
        ("a\\20", "a "),
    ],
)
def test_only_spaces_that_are_escaped_belong_to_a_value(value: str, expected: str) -> None:
    assert names.first_rdn_pair(f"cn={value},dc=x") == ("cn", expected)


@pytest.mark.parametrize("text", ["", " ", "a", " a", "a ", " \t a b \n", "\u00a0a\x1c", " * "])
def test_space_at_the_ends_is_kept_for_the_filter(text: str) -> None:
    def bytes_of(value: str) -> bytes:
        return value.encode()

    escaped = names.filter_value(text)
    assert escaped == escaped.strip()
    plain = bytes_of(escaped)
    while b"\\" in plain:
        at = plain.index(b"\\")
        plain = plain[:at] + bytes([int(plain[at + 1 : at + 3], 16)]) + plain[at + 3 :]
    assert plain == bytes_of(text)
