"""What the service's account can read and write, and what it should not be able to write.

`mi_ldap.directory.probes` describes the probes, and which server answers them correctly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, listed
from mi_ldap.checks.right_probes import (
    RIGHTS,
    Right,
    first,
    group_rights,
    may_create_users,
    parent_of_new_users,
    user_rights,
)
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.names import parsed_dn, rdn_and_parent

_IF_NOT_YET = {
    "openldap": "Load config/ldif/rights.ldif if you have not; run",
    "389ds": "Load config/ldif/rights-389ds.ldif if you have not; run",
    "active_directory": "Run config/ldif/rights-active-directory.sh if you have not; run",
    "other": "Run",
}

_IDS = (
    "user_store.user_id_attribute names the attribute that holds the ids of users and of groups: "
    "every one of them needs a single value that no other has and that never changes."
)


def account_rights(context: CheckContext) -> Iterator[Finding]:
    """Report the rights to read and to change users and groups."""
    access = context.target.config
    yield from _read_rights(context)
    yield from _compare(context, "users", list(user_rights(context)), wanted=access.writable)
    if access.writable:
        yield from _rights_for_new_users(context)
    if context.layout.reads_roles:
        wanted = access.writable and access.roles_writable
        yield from _compare(context, "groups", list(group_rights(context)), wanted=wanted)


def _read_rights(context: CheckContext) -> Iterator[Finding]:
    """Report ids, time stamps and members that are hidden: lists of names work without them."""
    layout = context.layout
    # Groups of other classes have their members elsewhere; the check `members` reports them.
    own = [entry for entry in context.groups.entries if not layout.foreign_class(entry)]
    hidden = [
        *_entries_without_id(context, context.users.entries, "users"),
        *_entries_without_id(context, context.groups.entries, "groups"),
        *_hidden_values(context.groups.entries, layout.profile.stamp),
        *(_hidden_values(own, layout.member) if layout.group_schema.requires_member else ()),
    ]
    shared = [*_shared_ids(context)]
    if hidden:
        sentence = f"The account cannot read {', '.join(hidden)}."
        yield Finding(
            "rights", "fail", sentence, f"Let it read them. {RIGHTS[context.server_type]}\n{_IDS}"
        )
    if shared:
        shown = listed(shared, " and ")
        sentence = (
            f"These entries share one {layout.user_id}, so the service ignores them: {shown}."
        )
        yield Finding("rights", "fail", sentence, _IDS)
    if hidden or shared:
        return
    if context.users.entries:
        yield Finding("rights", "pass", "The account can read ids, time stamps and members.")


def _entries_without_id(
    context: CheckContext, entries: Sequence[Entry], what: str
) -> Iterator[str]:
    """Yield a clause if entries have no readable id; the service ignores such entries."""
    without = [entry for entry in entries if context.layout.readable_id_of(entry) is None]
    if without:
        yield f"{context.layout.user_id} of {len(without)} of {len(entries)} {what}"


def _shared_ids(context: CheckContext) -> Iterator[str]:
    """Yield the DNs of users and groups that share their id with another one."""
    dns: defaultdict[str, list[str]] = defaultdict(list)
    for entry in (*context.users.entries, *context.groups.entries):
        entry_id = context.layout.readable_id_of(entry)
        if entry_id:
            dns[entry_id].append(entry.dn)
    for each in dns.values():
        if len(set(each)) > 1:
            yield from each


def _hidden_values(groups: Sequence[Entry], attribute: str) -> Iterator[str]:
    """Yield a clause if groups lack an attribute that every such group has."""
    hidden = [entry for entry in groups if not entry.attributes.get(attribute.lower())]
    if hidden:
        yield f"{attribute} of {len(hidden)} of {len(groups)} groups"


def _compare(
    context: CheckContext, what: str, rights: list[Right], *, wanted: bool
) -> Iterator[Finding]:
    has, lacks, unknown = (
        ", ".join(right.what for right in rights if right.held is state)
        for state in (True, False, None)
    )
    if not wanted:
        yield _unneeded_rights(what, has)
        return
    if lacks:
        sentence = f"On {what} the account lacks: {lacks}."
        yield Finding("rights", "fail", sentence, RIGHTS[context.server_type])
    if has:
        yield Finding("rights", "pass", f"On {what} the account may: {has}.")
    if unknown and context.embedded:
        sentence = f"On {what} the account has the rights of config/ldif/config.ldif."
        yield Finding("rights", "pass", sentence)
    elif unknown and not (context.users if what == "users" else context.groups).entries:
        one = what.removesuffix("s")
        sentence = f"There is no {one} yet to test the rights on."
        remedy = f"{_IF_NOT_YET[context.server_type]} the doctor again after the first {one}."
        yield Finding("rights", "skip", sentence, remedy)
    elif unknown:
        sentence = f"Cannot be determined without a change: on {what}, {unknown}."
        yield Finding("rights", "skip", sentence)


def _unneeded_rights(what: str, has: str) -> Finding:
    if not has:
        return Finding("rights", "pass", f"The account can only read {what}, as configured.")
    return Finding(
        "rights",
        "warn",
        f"The configuration only reads {what}, but the account may: {has}.",
        "Revoke these rights from the account, so that nobody can use them through it.",
    )


def _rights_for_new_users(context: CheckContext) -> Iterator[Finding]:
    """Report a missing right to create users where existing users are not."""
    parent, sample = parent_of_new_users(context), first(context.users.entries)
    # The probes on an existing user have tested this parent already.
    if sample is None or parsed_dn(rdn_and_parent(sample.dn)[1]) == parsed_dn(parent):
        return
    if may_create_users(context, sample, parent) is False:
        yield Finding(
            "rights",
            "fail",
            f"The account may not create users in {parent}, where the service creates them.",
            "Set user_store.user_dn_pattern, or narrow user_search_base.",
        )
