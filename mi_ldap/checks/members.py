"""The members of groups: dangling ones, and those that the service cannot read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import SHOWN, Finding, counted, listed
from mi_ldap.directory.layout.entry_names import shown_name
from mi_ldap.directory.probes import is_missing, search_raw
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.name_folding import folded

UID = "uid"
"""The attribute whose values memberUid holds (RFC 2307 §3), whatever the login name is."""

_NAMING = (UID, "cn", "mail")
"""Attributes, besides the login name, whose values memberUid may hold."""


@dataclass(frozen=True, slots=True)
class Dangling:
    """A group with dangling members: members whose entry does not exist."""

    entry: Entry
    name: str
    members: tuple[str, ...]


def members(context: CheckContext) -> Iterator[Finding]:
    """Report dangling members, and groups whose members the service cannot read."""
    layout = context.layout
    if not layout.reads_roles:
        return
    if not context.users.complete:
        yield Finding(
            "members", "skip", "Not checked: the list of users is incomplete, see limits."
        )
        return
    yield from _groups_of_other_classes(context)
    yield from _members_by_other_attributes(context)
    groups = dangling(context)
    if not groups:
        yield Finding("members", "pass", "No dangling group members.")
    for each in groups[:SHOWN]:
        yield Finding(
            "members",
            "warn",
            f"{counted(len(each.members), 'members')} of {each.name} cannot be found: "
            f"{listed(each.members, '; ')}.",
            "mi-ldap doctor --fix-members removes them, after asking.",
        )
    if len(groups) > SHOWN:
        rest = f"{len(groups) - SHOWN} more groups have dangling members."
        yield Finding("members", "warn", rest, "mi-ldap doctor --fix-members")


def _groups_of_other_classes(context: CheckContext) -> Iterator[Finding]:
    """Report groups that appear empty because their class keeps members in another attribute."""
    layout = context.layout
    classes = ((group, layout.foreign_class(group)) for group in context.groups.entries)
    shown = [f"{shown_name(group, layout.role_name)} ({name})" for group, name in classes if name]
    if shown:
        yield Finding(
            "members",
            "warn",
            f"These groups have no attribute {layout.member}, so they are shown without members, "
            f"and cannot be assigned: {listed(shown)}.",
            "Exclude them with user_store.group_name_list_filter and group_name_search_filter.",
        )


def _members_by_other_attributes(context: CheckContext) -> Iterator[Finding]:
    """Report users whom memberUid names by a value other than the login name."""
    layout = context.layout
    if not layout.group_schema.by_name:
        return
    names_of = _names_of_users(context)
    for group in context.groups.entries:
        others = {
            value: names_of[folded(value)]
            for value in layout.members(group)
            if folded(value) in names_of and value != names_of[folded(value)]
        }
        if others:
            shown = listed([f"{value} ({name})" for value, name in others.items()])
            yield Finding(
                "members",
                "warn",
                f"{layout.member} of {shown_name(group, layout.role_name)} names "
                f"{counted(len(others), 'users')} by a value other than the login name "
                f"({layout.user_name}), so they do not have the role: {shown}.",
                f"Write the login names into {layout.member}, or set "
                f"user_store.user_name_attribute to the attribute whose values {layout.member} "
                "holds.",
            )


def _names_of_users(context: CheckContext) -> dict[str, str]:
    """Map each folded name of a user to its login name, without names that several users have."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for entry in context.users.entries:
        name = shown_name(entry, context.layout.user_name)
        for value in (*entry.all(context.layout.user_name), *entry.all(UID)):
            found[folded(value)].add(name)
    return {value: next(iter(names)) for value, names in found.items() if len(names) == 1}


def dangling(context: CheckContext) -> list[Dangling]:
    """Return the groups with members that do not exist, according to the server."""
    # Most members are known from the lists; only the others need a search each.
    entries = (*context.users.entries, *context.groups.entries)
    known = {names.parsed_dn(each.dn) for each in entries}
    login_names = {
        name for entry in context.users.entries for name in entry.all(context.layout.user_name)
    }
    found = []
    with context.session() as session:
        for group in context.groups.entries:
            missing = tuple(
                value
                for value in context.layout.members(group)
                if not (value in login_names or names.parsed_dn(value) in known)
                and is_dangling(context, session, value)
            )
            if missing:
                name = shown_name(group, context.layout.role_name)
                found.append(Dangling(group, name, missing))
    return found


def is_dangling(context: CheckContext, session: LdapConnection, member: str) -> bool:
    """Whether the server confirms that the entry of a group's member does not exist."""
    layout = context.layout
    if layout.group_schema.by_name:
        # The entry may be outside of the search bases, such as that of a machine.
        naming = dict.fromkeys((layout.user_name, *_NAMING))
        same = names.any_of([names.equals(attribute, member) for attribute in naming])
        # Any other code, such as that of a limit, does not show that there is no such entry.
        return all(
            result.code == ResultCode.SUCCESS and not result.entries
            for result in (
                search_raw(session, naming_context, same, base_only=False, size_limit=1)
                for naming_context in context.contexts
            )
        )
    # Outside of the search bases the account may not see the entry.
    inside = layout.is_under_user_base(member) or layout.is_under_role_base(member)
    return inside and is_missing(session, member)
