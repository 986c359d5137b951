"""Encoded search requests, compared with those of ldap3."""

from __future__ import annotations

import pytest
from ldap3 import BASE, DEREF_NEVER, SUBTREE
from ldap3.operation.search import search_operation
from pyasn1.codec.ber import encoder

from mi_ldap.ldap import requests


def by_ldap3(base: str, scope: str, ldap_filter: str, attributes: list[str], limit: int) -> bytes:
    operation = search_operation(
        base, ldap_filter, scope, DEREF_NEVER, attributes, limit, 0, False, None, None, None, None
    )
    return bytes(encoder.encode(operation))


@pytest.mark.parametrize(
    ("ldap_filter", "condition"),
    [
        ("(objectClass=*)", requests.condition("(objectClass=*)")),
        ("(&(uid=*)(!(cn=a*b)))", requests.condition("(&(uid=*)(!(cn=a*b)))")),
        ("(entryUUID=ä b)", requests.equals("entryUUID", "ä b")),
        (f"(uid={'x' * 300})", requests.equals("uid", "x" * 300)),
        ("(entryCSN>=2026)", requests.at_least("entryCSN", "2026")),
        (
            "(&(uid=*)(|(cn=a)(cn=b)))",
            requests.all_of(
                requests.condition("(uid=*)"),
                requests.any_of([requests.equals("cn", "a"), requests.equals("cn", "b")]),
            ),
        ),
    ],
)
def test_a_search_is_encoded_as_by_ldap3(ldap_filter: str, condition: bytes) -> None:
    asked = ("ou=people,dc=mi", ["uid", "cn"])
    assert requests.search(asked[0], condition, asked[1]) == by_ldap3(
        asked[0], SUBTREE, ldap_filter, asked[1], 0
    )
    assert requests.search("", condition, ["1.1"], requests.BASE, 1) == by_ldap3(
        "", BASE, ldap_filter, ["1.1"], 1
    )
