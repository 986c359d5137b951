"""The doctor: checks of the directory and of the configuration, with a remedy for each problem.

A check maps a `CheckContext` to findings (`findings.Finding`). Checks run in the order of `CHECKS`;
one whose prerequisite failed is skipped and named in the report. Nothing is changed:
`directory.probes` describes how rights are determined without a change. May import `wiring` and the
`directory` store that it examines; must not know the terminal, which is `serving.doctor_command`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks import (
    admins,
    connection,
    content,
    custody,
    excess_rights,
    memory,
    rights,
    server,
    slapd,
)
from mi_ldap.checks.context import Check, CheckContext, context_at
from mi_ldap.checks.findings import Finding, Report, format_findings
from mi_ldap.checks.fix_members import remove_dangling_members
from mi_ldap.checks.member_of import member_of
from mi_ldap.checks.members import Dangling, dangling, members
from mi_ldap.checks.new_users import new_users
from mi_ldap.checks.replicas import replicas
from mi_ldap.checks.schema import schema
from mi_ldap.checks.unfinished_users import unfinished_users
from mi_ldap.deadline import deadline
from mi_ldap.directory.probes import ProbeTarget
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.errors import DirectoryUnavailable, MiLdapError
from mi_ldap.ldap.result_codes import LdapError
from mi_ldap.services.container import Services

__all__ = ["Doctor", "Finding", "Report", "format_findings"]

# Time limit of one check in seconds: complete lists of 100,000 users take tens of seconds.
CHECK_S: Final = 60.0

_CONTENT = ("bases", "filters")

# In this order: `filters` reads the lists of users and groups that the checks after it examine.
CHECKS: Final = (
    Check("profile", server.profile),
    Check("bases", content.bases),
    Check("filters", content.filters, ("bases",), ("fail", "warn")),
    Check("schema", schema),
    Check("new-users", new_users),
    Check("limits", server.limits, _CONTENT),
    Check("indexes", slapd.indexes),
    Check("overlays", slapd.overlays),
    Check("clock", server.clock),
    Check("memory", memory.memory, _CONTENT),
    Check("rights", rights.account_rights, _CONTENT),
    Check("too-many-rights", excess_rights.excess_rights, _CONTENT),
    Check("custodian", custody.self_writable_markers, _CONTENT),
    Check("duplicates", content.duplicates, _CONTENT),
    Check("unfinished-users", unfinished_users, _CONTENT),
    Check("members", members, _CONTENT),
    Check("member-of", member_of, _CONTENT),
    Check("admins", admins.admins, _CONTENT),
)


class Doctor:
    """One run of all checks.

    Args:
        services: the services over the directory to check; `close` closes them.
        embedded: whether that is the embedded directory.
    """

    def __init__(self, services: Services, *, embedded: bool) -> None:
        assert isinstance(services.primary, DirectoryStore)  # noqa: S101 - services() makes no other
        self._services, self._embedded, store = services, embedded, services.primary
        self._target = ProbeTarget(store.config, store.build_layout, store.admin_role_name)
        self._context: CheckContext | None = None
        self._failed: set[str] = set()
        self._skipped: dict[str, list[str]] = {}

    def close(self) -> None:
        """Close the connections of the checks, and the services."""
        if self._context is not None:
            self._context.pool.close()
        self._services.close()

    def examine(self) -> Iterator[Finding]:
        """Run all checks; yield each finding as soon as it is known."""
        try:
            attempts = connection.connect_all(self._target)
        except DirectoryUnavailable as error:
            yield Finding("address", "fail", str(error), "Check user_store.connection_url.")
            return
        yield from connection.connection_findings(self._target, attempts)
        urls = [each.url for each in attempts if each.error is None]
        if not urls:
            yield Finding("profile", "skip", "Nothing in the directory was checked.")
            return
        yield from self._check_server(urls)

    def fix_members(self, operator: str) -> Iterator[Finding]:
        """Remove dangling members from their groups; call it after `examine` and a confirmation.

        Args:
            operator: who runs it, for the audit log.
        """
        if self._context is None:
            return
        if not self.may_change_groups:
            yield Finding("fix-members", "fail", "The configuration only reads groups.", _READ_ONLY)
            return
        with deadline(CHECK_S):
            yield from remove_dangling_members(self._context, self.dangling(), operator)

    @property
    def may_change_groups(self) -> bool:
        access = self._target.config
        return access.writable and access.roles_writable

    def dangling(self) -> list[Dangling]:
        """Return the groups with dangling members, among the groups that `examine` has read."""
        context = self._context
        if context is None or self._failed & set(_CONTENT) or not context.users.complete:
            return []
        with deadline(CHECK_S):
            return dangling(context)

    def _check_server(self, urls: list[str]) -> Iterator[Finding]:
        try:
            with deadline(CHECK_S):
                self._context = context_at(
                    self._services, self._target, urls[0], embedded=self._embedded
                )
        except (LdapError, DirectoryUnavailable):
            remedy = "Let the account read the root DSE (the entry with the empty DN)."
            yield Finding("profile", "fail", "The server type cannot be detected.", remedy)
            return
        for check in CHECKS:
            yield from self._run(check, self._context)
        # Not in `CHECKS`: it needs the addresses that accepted a bind.
        compared = Check("replicas", lambda context: replicas(context, urls))
        yield from self._run(compared, self._context)
        for cause, names in self._skipped.items():
            sentence = f"Not checked until this is corrected: {', '.join(names)}."
            yield Finding(cause, "skip", sentence)

    def _run(self, check: Check, context: CheckContext) -> list[Finding]:
        failed_needs = [name for name in check.needs if name in self._failed]
        if failed_needs:
            # Checks that need a skipped check are skipped as well.
            self._failed.add(check.name)
            self._skipped.setdefault(failed_needs[0], []).append(check.name)
            return []
        found: list[Finding] = []
        try:
            with deadline(CHECK_S):
                found.extend(check.examine(context))
        # A check that fails must not end the report.
        except LdapError as error:
            found.append(_failure(check, f"The server rejected the request (code {error.code})."))
        except MiLdapError as error:
            found.append(_failure(check, str(error)))
        # Checks that need this one would only report consequences of its problem.
        if any(finding.level in check.blocks_on for finding in found):
            self._failed.add(check.name)
        return found


_READ_ONLY = (
    'Set user_store.type = "read_write_ldap" and user_store.write_groups = true for this command, '
    "or use the directory's own tools."
)


def _failure(check: Check, sentence: str) -> Finding:
    remedy = f"See the directory's log, and {check.name} in docs/doctor.md."
    return Finding(check.name, "fail", sentence, remedy)
