"""Single rights of the service's account, each determined by a probe that changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext
from mi_ldap.directory.layout.new_entries import new_user
from mi_ldap.directory.probes import (
    effective_rights,
    probe_move_to_missing_parent,
    probe_move_with_invalid_rdn,
    probe_value_deletion,
    search_raw,
)
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.names import parsed_dn, rdn_and_parent
from mi_ldap.ldap.result_codes import ResultCode

RIGHTS = {
    "openldap": "Load config/ldif/rights.ldif with the names of your account and bases.",
    "389ds": "Load config/ldif/rights-389ds.ldif with the names of your account and bases.",
    "active_directory": "Run config/ldif/rights-active-directory.sh for your account and bases.",
    "other": "Give the account these rights in the directory.",
}
"""The remedy for a missing right, by kind of server."""


@dataclass(frozen=True, slots=True)
class Right:
    """One right of the account; `held` is None if no probe without a change can determine it."""

    what: str
    held: bool | None


def user_rights(context: CheckContext) -> Iterator[Right]:
    """Yield the rights on users that changes need."""
    layout, sample = context.layout, first(context.users.entries)
    attributes = {layout.profile.password_attribute or "userPassword": "set passwords"}
    attributes |= {name: f"write {name}" for name in context.markers.values()}
    if layout.own_classes:
        attributes["objectClass"] = "write objectClass"
    if context.server_type == "active_directory":
        # Active Directory creates users disabled; the service enables them.
        attributes["userAccountControl"] = "write userAccountControl"
    parent = rdn_and_parent(sample.dn)[1] if sample else parent_of_new_users(context)
    yield _create_right(context, sample, parent, *_new_user_template(context))
    yield from _write_rights(context, sample, attributes)


def group_rights(context: CheckContext) -> Iterator[Right]:
    """Yield the rights on groups that changes need."""
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
    return f"{layout.rdn_attribute}@{layout.user_class}:{layout.rdn_attribute}", layout.user_class


def parent_of_new_users(context: CheckContext) -> str:
    """Return the DN below which the service creates users."""
    return rdn_and_parent(new_user(context.layout, "mildapdoctor").dn)[1]


def may_create_users(context: CheckContext, sample: Entry, parent: str) -> bool | None:
    """Return whether the account may create users there; `sample` is an existing user elsewhere."""
    if context.server_type == "openldap":
        return _may_create_on_openldap(context, sample.dn, parent)
    return _create_right(context, None, parent, *_new_user_template(context)).held


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
