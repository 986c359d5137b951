"""The check `secondary-stores`: whether each secondary user store can be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks.findings import Finding
from mi_ldap.deadline import deadline
from mi_ldap.errors import MiLdapError
from mi_ldap.services.container import Services

_DEADLINE_S: Final = 15.0
_CHECK: Final = "secondary-stores"


def examine_secondary_stores(services: Services) -> Iterator[Finding]:
    """Yield a finding for each secondary user store; a change of it is not tried."""
    for domain, store in services.secondaries.items():
        try:
            with deadline(_DEADLINE_S):
                store.check()
                warning = store.account_warning
        except MiLdapError as error:
            remedy = "Correct its [[secondary_user_store]], or see docs/stores/secondary.md."
            yield Finding(_CHECK, "fail", f"{domain} cannot be used: {error}", remedy)
            continue
        if warning:
            sentence = f"{domain} can be used, but not for long: {warning}."
            yield Finding(_CHECK, "warn", sentence, "Renew the account's password.")
        else:
            yield Finding(_CHECK, "pass", f"{domain} can be used.")
