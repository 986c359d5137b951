"""Users of class person, which allows no `uid` by itself."""

from __future__ import annotations

from tests.field.unix_accounts import case_of

CASE = case_of(
    "person",
    {"USER_STORE__USER_OBJECT_CLASSES": "uidObject"},
    refusal="do not allow the attribute uid",
    foreseen="none of the classes person, miLdapAccount allows the attribute uid",
)
