"""Users whose creation was interrupted by a crash."""

from __future__ import annotations

from collections.abc import Iterator

from mi_ldap import account_state
from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, counted, listed
from mi_ldap.directory.layout.entry_names import shown_name


def unfinished_users(context: CheckContext) -> Iterator[Finding]:
    """Warn of unfinished users whose creation has ended."""
    layout = context.layout
    found = sorted(
        shown_name(entry, layout.user_name)
        for entry in context.users.entries
        if layout.is_unfinished(entry) and account_state.is_old(entry.first(layout.epoch) or "")
    )
    if not found:
        return
    yield Finding(
        "unfinished-users",
        "warn",
        f"A crash interrupted the creation of {counted(len(found), 'users')}: "
        f"{listed(found)}. The service does not show them.",
        "The running service removes them within minutes, if its account may delete users. Their "
        "names can be used at once.",
    )
