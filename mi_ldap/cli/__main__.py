"""`python -m mi_ldap.cli` is `mi`."""

from mi_ldap.cli import main

main()
