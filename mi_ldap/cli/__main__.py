"""`python -m mi_ldap.cli` is `mi`."""

from mi_ldap.cli import entry_point

entry_point()
