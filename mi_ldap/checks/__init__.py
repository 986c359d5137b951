"""Looks the directory over as the service would use it, and says what is wrong with what to do.

Checks are small functions that yield findings (`findings.Finding`), in the order of `CHECKS`; one
whose prerequisite failed is left out with a word. Nothing is changed: see `directory.probes` for
how rights are told all the same.
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
from mi_ldap.checks.findings import Finding, Report, lines
from mi_ldap.checks.fix_members import take_out
from mi_ldap.checks.member_of import member_of
from mi_ldap.checks.new_users import new_users
from mi_ldap.checks.schema import schema
from mi_ldap.checks.unfinished_users import unfinished_users
from mi_ldap.deadline import deadline
from mi_ldap.directory import DirectoryStore
from mi_ldap.directory.probes import ProbeTarget, probe_target_of
from mi_ldap.errors import DirectoryUnavailable, MiLdapError
from mi_ldap.ldap.connection import LdapError
from mi_ldap.services.container import Services

__all__ = ["Doctor", "Finding", "Report", "lines"]

CHECK_S: Final = 60.0
"""The longest that one check may take: lists of a hundred thousand users take a while."""

_CONTENT = ("bases", "filters")

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
    Check("rights", rights.held, _CONTENT),
    Check("too-many-rights", excess_rights.too_many, _CONTENT),
    Check("custodian", custody.self_writable_markers, _CONTENT),
    Check("duplicates", content.duplicates, _CONTENT),
    Check("unfinished-users", unfinished_users, _CONTENT),
    Check("members", content.members, _CONTENT),
    Check("member-of", member_of, _CONTENT),
    Check("admins", admins.admins, _CONTENT),
)


class Doctor:
    """One examination.

    Args:
        services: over the directory that is examined; closed with the doctor.
        embedded: whether that is the embedded one.
    """

    def __init__(self, services: Services, *, embedded: bool) -> None:
        assert isinstance(services.store, DirectoryStore)  # noqa: S101 - services() makes no other
        self._services, self._embedded, self._store = services, embedded, services.store
        self._bench: ProbeTarget = probe_target_of(services.store)
        self._patient: CheckContext | None = None
        self._failed: set[str] = set()
        self._left_out: dict[str, list[str]] = {}

    def close(self) -> None:
        """Close all that the examination has opened."""
        if self._patient is not None:
            self._patient.pool.close()
        self._services.close()

    def examine(self) -> Iterator[Finding]:
        """Everything, each finding as soon as it is made."""
        try:
            reached = connection.reach_all(self._bench)
        except DirectoryUnavailable as error:
            yield Finding("address", "fail", str(error), "Check user_store.connection_url.")
            return
        yield from connection.connection_findings(self._bench, reached)
        urls = [each.url for each in reached if each.error is None]
        if not urls:
            yield Finding("profile", "skip", "Nothing in the directory was checked.")
            return
        yield from self._within(urls)

    def fix_members(self, operator: str) -> Iterator[Finding]:
        """Take members that are nobody out of their groups; after `examine`, and a yes."""
        if self._patient is None:
            return
        if not self.may_change_groups:
            yield Finding("fix-members", "fail", "The configuration only reads groups.", _READ_ONLY)
            return
        with deadline(CHECK_S):
            yield from take_out(self._patient, self.dangling(), operator)

    @property
    def may_change_groups(self) -> bool:
        access = self._bench.access
        return access.writable and access.roles_writable

    def dangling(self) -> list[content.Dangling]:
        """The groups with members that are nobody, as `examine` found the groups."""
        patient = self._patient
        if patient is None or self._failed & set(_CONTENT) or not patient.users.complete:
            return []
        with deadline(CHECK_S):
            return content.dangling(patient)

    def _within(self, urls: list[str]) -> Iterator[Finding]:
        try:
            with deadline(CHECK_S):
                self._patient = context_at(
                    self._services, self._bench, urls[0], embedded=self._embedded
                )
        except (LdapError, DirectoryUnavailable):
            remedy = "Let the account read the entry with the empty name."
            yield Finding("profile", "fail", "The server type cannot be detected.", remedy)
            return
        for check in CHECKS:
            yield from self._examined(check, self._patient)
        replicas = Check("replicas", lambda patient: connection.replicas(patient, urls))
        yield from self._examined(replicas, self._patient)
        for cause, names in self._left_out.items():
            sentence = f"Not checked until this is corrected: {', '.join(names)}."
            yield Finding(cause, "skip", sentence)

    def _examined(self, check: Check, patient: CheckContext) -> list[Finding]:
        missing = [name for name in check.needs if name in self._failed]
        if missing:
            self._failed.add(check.name)
            self._left_out.setdefault(missing[0], []).append(check.name)
            return []
        found: list[Finding] = []
        try:
            with deadline(CHECK_S):
                found.extend(check.examine(patient))
        except LdapError as refused:
            found.append(_broken(check, f"The server refused it (code {refused.code})."))
        except MiLdapError as error:
            found.append(_broken(check, str(error)))
        if any(finding.level in check.blocks_on for finding in found):
            self._failed.add(check.name)
        return found


_READ_ONLY = (
    'Set user_store.type = "read_write_ldap" and user_store.write_groups = true for this command, '
    "or use a tool of the directory."
)


def _broken(check: Check, sentence: str) -> Finding:
    remedy = f"Look at the directory's own log, and at {check.name} in docs/doctor.md."
    return Finding(check.name, "fail", sentence, remedy)
