"""Whether OpenLDAP's rules let users write an attribute of themselves."""

from __future__ import annotations

import pytest

from mi_ldap.checks.slapd import Database, is_self_writable
from mi_ldap.ldap.messages import Entry

BASE = "ou=people,dc=example,dc=org"
OURS = 'to attrs=miLdapEpoch,miLdapCustodian by dn.exact="cn=svc" write by * none'
GENEROUS = "to * by self write by users read"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([OURS, GENEROUS], False),
        ([GENEROUS, OURS], True),
        ([f'to dn.subtree="{BASE}" by self write by * read', OURS], True),
        (['to dn.subtree="ou=desks,dc=example,dc=org" by self write', OURS], False),
        (["to attrs=userPassword by self =xw by * none", OURS], False),
        (["to attrs=mail by self write by * read"], None),
        (["to * by users read"], None),
        (["to attrs=miLdapCustodian by self =rscxwd"], True),
        (["to attrs=miLdapCustodian by self read by * break", GENEROUS], True),
    ],
)
def test_access_rules_are_evaluated_in_order(rules: list[str], expected: bool | None) -> None:
    values = [f"{{{number}}}{rule}".encode() for number, rule in enumerate(rules)]
    database = Database(Entry("olcDatabase={1}mdb,cn=config", {"olcaccess": values}), ())
    assert is_self_writable(database, "miLdapCustodian", BASE) is expected
