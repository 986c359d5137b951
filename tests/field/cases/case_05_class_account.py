"""Users of class account, which takes no `cn`, and a password only with another class."""

from __future__ import annotations

from tests.field.unix_accounts import case_of

CASE = case_of(
    "account",
    {
        "USER_STORE__USER_OBJECT_CLASSES": "simpleSecurityObject",
        "USER_STORE__USER_ATTRIBUTES": "userPassword={CRYPT}!",
    },
    refusal="do not allow the attribute (cn|sn)",
    foreseen="none of the classes account, miLdapAccount allows the attribute cn",
)
