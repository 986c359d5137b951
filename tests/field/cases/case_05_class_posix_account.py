"""Users of class posixAccount, which makes no entry by itself and needs numbers."""

from __future__ import annotations

from tests.field.unix_accounts import case_of

CASE = case_of(
    "posixAccount",
    {
        "USER_STORE__USER_OBJECT_CLASSES": "account",
        "USER_STORE__USER_ATTRIBUTES": (
            "cn={name}, uidNumber={number}, gidNumber=100, homeDirectory=/home/{name}"
        ),
    },
    refusal="a structural one is missing",
    foreseen="none of the classes posixAccount, miLdapAccount is structural",
)
