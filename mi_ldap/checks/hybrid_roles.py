"""The check `hybrid-roles`: where hybrid roles are stored, and whether their members exist."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from mi_ldap.checks.findings import Finding, counted, listed
from mi_ldap.checks.hybrid_members import MemberStates, states_of
from mi_ldap.deadline import deadline
from mi_ldap.errors import AmbiguousName, MiLdapError
from mi_ldap.hybrid_roles import HybridMember, HybridRoles
from mi_ldap.name_folding import folded
from mi_ldap.name_rules import is_hybrid_name
from mi_ldap.services.container import Services

_Roles = Mapping[HybridMember, list[str]]

_CHECK: Final = "hybrid-roles"
_CHECK_S: Final = 60.0


def examine_hybrid_roles(services: Services) -> Iterator[Finding]:
    """Yield findings about the store of hybrid roles; a change that is tried is rolled back."""
    hybrid = services.hybrid
    if hybrid is None:
        sentence = (
            "Hybrid roles are not stored: a role Internal/x is a group of that name in the "
            "directory. See docs/stores/hybrid.md."
        )
        yield Finding(_CHECK, "pass", sentence)
        return
    storage = _run(_storage, services, hybrid)
    yield from storage
    if any(finding.level == "skip" for finding in storage):  # nothing of it can be read
        return
    try:
        with deadline(_CHECK_S):
            hybrid.check()
    except MiLdapError:  # the findings of `_storage` say why
        return
    for check in (_names, _members, _hidden_groups):
        yield from _run(check, services, hybrid)


def _run(
    check: Callable[[Services, HybridRoles], Iterator[Finding]],
    services: Services,
    hybrid: HybridRoles,
) -> list[Finding]:
    """Return the findings of a check; if it fails, those before that and one for the error."""
    found: list[Finding] = []
    try:
        with deadline(_CHECK_S):
            found.extend(check(services, hybrid))
    except MiLdapError as error:  # a check that fails must not end the report
        remedy = "See the log of the database or directory, and hybrid-roles in docs/doctor.md."
        if file := services.settings.hybrid_roles_file:
            remedy = f"Check {file}, its rights and the disk, or restore it from a backup."
        found.append(Finding(_CHECK, "fail", f"Hybrid roles cannot be used: {error}", remedy))
    return found


def _storage(services: Services, hybrid: HybridRoles) -> Iterator[Finding]:
    """Report where hybrid roles are stored, and whether they can be read and changed."""
    # Here, so that a service without a database loads no SQLAlchemy.
    from mi_ldap.checks.database.hybrid_storage import storage_findings
    from mi_ldap.sql import SqlHybridRoles

    if isinstance(hybrid, SqlHybridRoles):
        yield from storage_findings(services, hybrid)
    else:  # other checks examine the directory; here only whether the groups can be read
        hybrid.check()


def _names(services: Services, hybrid: HybridRoles) -> Iterator[Finding]:
    """Report names that several hybrid roles have; case is ignored."""
    names = hybrid.role_names().names
    counts = Counter(map(folded, names))
    ambiguous = sorted({name for name in names if counts[folded(name)] > 1})
    if ambiguous:
        where = "the table UM_HYBRID_ROLE" if hybrid.hides_groups else "the directory"
        yield Finding(
            _CHECK,
            "fail",
            f"Several hybrid roles have the same name but for its case: {listed(ambiguous)}.",
            f"Rename all but one of them in {where}.",
        )


def _members(services: Services, hybrid: HybridRoles) -> Iterator[Finding]:
    """Report how many members there are, those that are no users, and those without an id."""
    number = len(hybrid.role_names().names)
    if not number:
        yield Finding(_CHECK, "pass", "There are no hybrid roles yet.")
        return
    roles = _roles_by_member(hybrid)
    count = f"{counted(number, 'hybrid roles')} with {counted(len(roles), 'members')}"
    yield Finding(_CHECK, "pass", f"There {'is' if number == 1 else 'are'} {count}.")
    states = states_of(services, [*roles])
    yield from _without_effect(services, states, roles)
    yield from _known_by_name(services, states, roles)
    for domain, reason in states.unread.items():
        place = f"the user store {domain}" if domain else "the primary user store"
        yield Finding(_CHECK, "skip", f"Members of {place} were not examined: {reason}")


def _roles_by_member(hybrid: HybridRoles) -> _Roles:
    """Return the names of each member's roles."""
    roles: defaultdict[HybridMember, list[str]] = defaultdict(list)
    for name in hybrid.role_names().names:
        # `_names` reports ambiguous names.
        with suppress(AmbiguousName):
            role = hybrid.find_role(name)
            for member in hybrid.members(role) if role else ():
                roles[member].append(name)
    return roles


def _without_effect(services: Services, states: MemberStates, roles: _Roles) -> Iterator[Finding]:
    """Report members that have no effect: deleted users, and users of unknown domains."""
    if states.gone:
        yield Finding(
            _CHECK,
            "warn",
            "These members are not found in their user store any more: "
            f"{_shown(states.gone, roles)}. The roles have no effect, also for new users of these "
            "names.",
            f"If the users are gone, {_removal(services)}",
        )
    if states.of_unknown_domain:
        domains = sorted({member.domain for member in states.of_unknown_domain})
        yield Finding(
            _CHECK,
            "warn",
            f"There is no user store {listed(domains)}, so these members have no effect: "
            f"{_shown(states.of_unknown_domain, roles)}.",
            f"Configure a [[secondary_user_store]] for each, or {_removal(services)}",
        )


def _known_by_name(services: Services, states: MemberStates, roles: _Roles) -> Iterator[Finding]:
    """Report members without an id: MI has written them."""
    if states.without_user:
        admin_role = folded(services.settings.super_admin.admin_role)
        held = {folded(role) for member in states.without_user for role in roles[member]}
        yield Finding(
            _CHECK,
            "fail" if admin_role in held else "warn",
            "MI has written these members, and there are no such users: "
            f"{_shown(states.without_user, roles)}. Whoever is created with such a name gets the "
            "role.",
            f"If the users are gone, {_removal(services)}",
        )
    if states.ambiguous:
        yield Finding(
            _CHECK,
            "fail",
            f"Several users have the names of these members: {_shown(states.ambiguous, roles)}.",
            "Rename all but one of the users.",
        )
    if states.by_name:
        sentence = f"MI has written {counted(len(states.by_name), 'members')} by name."
        if services.hybrid and services.hybrid.writable:
            sentence += " The running service stores their ids within a minute."
        yield Finding(_CHECK, "pass", sentence)


def _shown(members: Sequence[HybridMember], roles: _Roles) -> str:
    """Return the members with their roles as text: `bob (Internal/x), carol (Internal/y)`."""
    return listed(sorted(f"{_name_of(each)} ({', '.join(roles[each])})" for each in members))


def _name_of(member: HybridMember) -> str:
    # Groups of a directory have only the ids of members of other user stores.
    return member.full_name if member.name else str(member.user_id)


def _removal(services: Services) -> str:
    """Return the remedy for members that are not wanted, as the second part of a sentence."""
    if services.hybrid and not services.hybrid.hides_groups:
        return "remove these values of miLdapMember from the groups of the roles."
    file = services.settings.hybrid_roles_file
    return f"delete their rows from the table UM_HYBRID_USER_ROLE{f' in {file}' if file else ''}."


def _hidden_groups(services: Services, hybrid: HybridRoles) -> Iterator[Finding]:
    """Report roles of the primary user store that are ignored for their names."""
    names = sorted(name for name in services.primary.role_names().names if is_hybrid_name(name))
    if not (names and hybrid.hides_groups):
        return
    kind = "roles" if services.settings.is_database else "groups"
    admin_role = folded(services.settings.super_admin.admin_role)
    is_admin_role = any(folded(name) == admin_role for name in names)
    yield Finding(
        _CHECK,
        "fail" if is_admin_role else "warn",
        f"The user store has {kind} named like hybrid roles: {listed(names)}. They are not shown "
        "and have no effect, because hybrid roles are stored elsewhere.",
        f"Rename or delete these {kind}, and assign the hybrid roles of these names instead.",
    )
