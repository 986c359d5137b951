"""What the service's account can read and write, determined by probes that change nothing.

`mi_ldap.directory.probes` describes the probes, and which server answers them correctly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.layout.new_entries import new_user
from mi_ldap.directory.probes import (
    effective_rights,
    probe_move_to_missing_parent,
    probe_move_with_invalid_rdn,
    probe_value_deletion,
    search_raw,
    split_dn,
)
from mi_ldap.ldap.connection import Entry, LdapConnection
from mi_ldap.ldap.names import parsed_dn
from mi_ldap.ldap.result_codes import ResultCode

RIGHTS = {
    "openldap": "Load config/ldif/rights.ldif with the names of your account and bases.",
    "389ds": "Load config/ldif/rights-389ds.ldif with the names of your account and bases.",
    "active_directory": "Run config/ldif/rights-active-directory.sh for your account and bases.",
    "other": "Give the account these rights in the directory.",
}

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
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Right:
    """One right of the account; `held` is None if no probe without a change can determine it."""

    what: str
    held: bool | None


def account_rights(context: CheckContext) -> Iterator[Finding]:
    """Report the rights to read and to change users and groups."""
    access = context.target.config
    yield from _read_rights(context)
    yield from _compare(context, "users", list(_user_rights(context)), wanted=access.writable)
    if access.writable:
        yield from _rights_for_new_users(context)
    if context.layout.reads_roles:
        wanted = access.writable and access.roles_writable
        yield from _compare(context, "groups", list(_group_rights(context)), wanted=wanted)


def _read_rights(context: CheckContext) -> Iterator[Finding]:
    """Report ids, time stamps and members that are hidden: lists of names work without them."""
    layout = context.layout
    # Groups of other classes have their members elsewhere; the check `members` reports them.
    own = [entry for entry in context.groups.entries if not layout.foreign_class(entry)]
    hidden = [
        *(_entries_without_id(context, context.users.entries, "users")),
        *(_entries_without_id(context, context.groups.entries, "groups")),
        *(_hidden_values(context.groups.entries, "groups", layout.profile.stamp)),
        *(
            _hidden_values(own, "groups", layout.member)
            if layout.group_schema.requires_member
            else ()
        ),
    ]
    shared = [*_shared_ids(context)]
    if hidden:
        sentence = f"The account cannot read {', '.join(hidden)}."
        yield Finding(
            "rights", "fail", sentence, f"Let it read them. {RIGHTS[context.server_type]}\n{_IDS}"
        )
    if shared:
        shown = " and ".join(shared[:SHOWN])
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


def _hidden_values(entries: Sequence[Entry], what: str, attribute: str) -> Iterator[str]:
    """Yield a clause if entries lack an attribute that every such entry has."""
    hidden = [entry for entry in entries if not entry.attributes.get(attribute.lower())]
    if hidden:
        yield f"{attribute} of {len(hidden)} of {len(entries)} {what}"


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


def _user_rights(context: CheckContext) -> Iterator[Right]:
    layout, sample = context.layout, first(context.users.entries)
    attributes = {layout.profile.password_attribute or "userPassword": "set passwords"}
    attributes |= {name: f"write {name}" for name in (layout.custodian, layout.epoch) if name}
    if layout.own_classes:
        attributes["objectClass"] = "write objectClass"
    if context.server_type == "active_directory":
        # Active Directory creates users disabled; the service enables them.
        attributes["userAccountControl"] = "write userAccountControl"
    parent = split_dn(sample.dn)[1] if sample else _parent_of_new_users(context)
    yield _create_right(context, sample, parent, *_new_user_template(context))
    yield from _write_rights(context, sample, attributes)


def _group_rights(context: CheckContext) -> Iterator[Right]:
    layout, sample = context.layout, first(context.groups.entries)
    names = dict.fromkeys((layout.member, layout.revision, layout.first_admin))
    attributes = {name: f"write {name}" for name in names if name}
    if layout.own_classes:
        attributes["objectClass"] = "write objectClass"
    template = f"{layout.role_name}@{layout.role_class}:{layout.role_name}"
    yield _create_right(context, sample, layout.role_bases[0], template, layout.role_class)
    yield from _write_rights(context, sample, attributes)


def _new_user_template(context: CheckContext) -> tuple[str, str]:
    """Return the template of a new entry for get effective rights (389), and its class (AD)."""
    layout = context.layout
    return f"{layout.naming}@{layout.user_class}:{layout.naming}", layout.user_class


def _parent_of_new_users(context: CheckContext) -> str:
    return split_dn(new_user(context.layout, "mildapdoctor").dn)[1]


def _rights_for_new_users(context: CheckContext) -> Iterator[Finding]:
    """Report a missing right to create users where existing users are not."""
    parent, sample = _parent_of_new_users(context), first(context.users.entries)
    # The probes on an existing user have tested this parent already.
    if sample is None or parsed_dn(split_dn(sample.dn)[1]) == parsed_dn(parent):
        return
    if context.server_type == "openldap":
        held = _may_create_on_openldap(context, sample.dn, parent)
    else:
        held = _create_right(context, None, parent, *_new_user_template(context)).held
    if held is False:
        yield Finding(
            "rights",
            "fail",
            f"The account may not create users in {parent}, where the service creates them.",
            "Set user_store.user_dn_pattern, or narrow user_search_base.",
        )


def _may_create_on_openldap(context: CheckContext, dn: str, parent: str) -> bool | None:
    """Probe with a user that the account may move out of its present parent."""
    with context.session() as session:
        if probe_move_to_missing_parent(session, dn, context.suffix) != ResultCode.NO_SUCH_OBJECT:
            return None
        # The new name is one that no user can have: 65 with the right, 50 without it.
        return _from_result_code(
            probe_move_with_invalid_rdn(session, dn, parent), ResultCode.OBJECT_CLASS_VIOLATION
        )


def first(entries: Sequence[Entry]) -> Entry | None:
    """Return any entry to test rights on; None if there is none."""
    return entries[0] if entries else None


def _write_rights(
    context: CheckContext, sample: Entry | None, attributes: dict[str, str]
) -> Iterator[Right]:
    if sample is None:
        yield from (Right(what, None) for what in attributes.values())
        return
    with context.session() as session:
        if context.server_type == "active_directory":
            yield from _write_rights_in_active_directory(session, sample, attributes)
            return
        for attribute, what in attributes.items():
            code = probe_value_deletion(session, sample.dn, attribute, context.suffix)
            yield Right(what, _from_result_code(code, ResultCode.NO_SUCH_ATTRIBUTE))


def _write_rights_in_active_directory(
    session: LdapConnection, sample: Entry, attributes: dict[str, str]
) -> Iterator[Right]:
    """Read the attributes that Active Directory says the account may write."""
    result = search_raw(session, sample.dn, attributes=["allowedAttributesEffective"])
    allowed = _lower(result.entries, "allowedAttributesEffective")
    for attribute, what in attributes.items():
        # To reset a password is an extended right, which the list of attributes does not contain.
        held = None if attribute == "unicodePwd" else attribute.lower() in allowed
        yield Right(what, held)


def _create_right(
    context: CheckContext, sample: Entry | None, base: str, template: str, entry_class: str
) -> Right:
    """Return the right to create and delete entries below the base."""
    what = "create and delete them"
    with context.session() as session:
        if context.server_type == "active_directory":
            result = search_raw(session, base, attributes=["allowedChildClassesEffective"])
            classes = _lower(result.entries, "allowedChildClassesEffective")
            return Right(what, entry_class.lower() in classes)
        if context.server_type == "389ds" and context.account_dn:
            entries = effective_rights(session, base, [template], context.account_dn)
            return Right(what, _rights_of_template(entries, base))
        if context.server_type == "openldap" and sample is not None:
            # The parent does not exist: 32 with the right, 50 without it.
            code = probe_move_to_missing_parent(session, sample.dn, context.suffix)
            return Right(what, _from_result_code(code, ResultCode.NO_SUCH_OBJECT))
    return Right(what, None)


def _rights_of_template(entries: list[Entry], base: str) -> bool | None:
    """Parse `entryLevelRights` of the template entry: `vad` for view, add, delete."""
    templates = [entry for entry in entries if parsed_dn(entry.dn) != parsed_dn(base)]
    if not templates:
        return None
    rights = templates[0].first("entryLevelRights") or ""
    return rights != "none" and {"a", "d"} <= set(rights)


def _from_result_code(code: ResultCode, allowed: ResultCode) -> bool | None:
    # Any other code, for example of a proxy, shows neither.
    return (
        True
        if code == allowed
        else False
        if code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS
        else None
    )


def _lower(entries: list[Entry], attribute: str) -> set[str]:
    return {value.lower() for entry in entries for value in entry.all(attribute)}
