"""What the service's account sees and may change, told by probes that change nothing.

`mi_ldap.directory.probes` says which probes are truthful on which server.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.probes import (
    code_of_deleting_nothing,
    code_of_moving_misnamed,
    code_of_moving_nowhere,
    effective_rights,
    look,
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
    """One right; `held` is None where no harmless probe tells."""

    what: str
    held: bool | None


def held(patient: CheckContext) -> Iterator[Finding]:
    """The rights to read, and those that changes need, of users and of groups."""
    access = patient.bench.access
    yield from _reads(patient)
    yield from _judged(patient, "users", list(_of_users(patient)), wanted=access.writable)
    if access.writable:
        yield from _where_new_users_go(patient)
    if patient.tree.reads_roles:
        wanted = access.writable and access.roles_writable
        yield from _judged(patient, "groups", list(_of_groups(patient)), wanted=wanted)


def _reads(patient: CheckContext) -> Iterator[Finding]:
    """What every decision rests on; a list that shows names may hide it all the same."""
    tree = patient.tree
    ours = [entry for entry in patient.groups.entries if not tree.foreign_class(entry)]
    unseen = [
        *(_without_id(patient, patient.users.entries, "users")),
        *(_without_id(patient, patient.groups.entries, "groups")),
        *(_unseen(patient.groups.entries, "groups", tree.profile.stamp)),
        *(_unseen(ours, "groups", tree.member) if tree.shape.wants_a_member else ()),
    ]
    shared = [*_shared_ids(patient)]
    if unseen:
        sentence = f"The account does not see {', '.join(unseen)}."
        yield Finding(
            "rights", "fail", sentence, f"Let it read them. {RIGHTS[patient.kind]}\n{_IDS}"
        )
    if shared:
        shown = " and ".join(shared[:SHOWN])
        sentence = f"Users or groups share one {tree.user_id}, so none of them is served: {shown}."
        yield Finding("rights", "fail", sentence, _IDS)
    if unseen or shared:
        return
    if patient.users.entries:
        yield Finding("rights", "pass", "The account reads ids, stamps and members.")


def _without_id(patient: CheckContext, entries: Sequence[Entry], what: str) -> Iterator[str]:
    """Describe how many entries have no readable id; the service ignores such entries."""
    without = [entry for entry in entries if patient.tree.readable_id_of(entry) is None]
    if without:
        yield f"{patient.tree.user_id} of {len(without)} of {len(entries)} {what}"


def _shared_ids(patient: CheckContext) -> Iterator[str]:
    """Yield the DNs of users and groups that share their id with another one."""
    dns: defaultdict[str, list[str]] = defaultdict(list)
    for entry in (*patient.users.entries, *patient.groups.entries):
        entry_id = patient.tree.readable_id_of(entry)
        if entry_id:
            dns[entry_id].append(entry.dn)
    for each in dns.values():
        if len(set(each)) > 1:
            yield from each


def _unseen(entries: Sequence[Entry], what: str, attribute: str) -> Iterator[str]:
    """Attributes that every entry of the kind has."""
    hidden = [entry for entry in entries if not entry.attributes.get(attribute.lower())]
    if hidden:
        yield f"{attribute} of {len(hidden)} of {len(entries)} {what}"


def _judged(
    patient: CheckContext, what: str, rights: list[Right], *, wanted: bool
) -> Iterator[Finding]:
    has, lacks, unknown = (
        ", ".join(right.what for right in rights if right.held is state)
        for state in (True, False, None)
    )
    if not wanted:
        yield _more_than_reading(what, has)
        return
    if lacks:
        sentence = f"On {what} the account lacks: {lacks}."
        yield Finding("rights", "fail", sentence, RIGHTS[patient.kind])
    if has:
        yield Finding("rights", "pass", f"On {what} the account may: {has}.")
    if unknown and patient.embedded:
        sentence = f"On {what} the account may what config/ldif/config.ldif gives it."
        yield Finding("rights", "pass", sentence)
    elif unknown and not (patient.users if what == "users" else patient.groups).entries:
        one = what.removesuffix("s")
        sentence = f"There is no {one} yet to try the rights on."
        remedy = f"{_IF_NOT_YET[patient.kind]} the doctor again after the first {one}."
        yield Finding("rights", "skip", sentence, remedy)
    elif unknown:
        how = "No harmless probe tells"
        yield Finding("rights", "skip", f"{how} whether on {what} the account may: {unknown}.")


def _more_than_reading(what: str, has: str) -> Finding:
    if not has:
        return Finding("rights", "pass", f"Only reading is wanted of {what}, and no more is held.")
    return Finding(
        "rights",
        "warn",
        f"The configuration only reads {what}, and the account may: {has}.",
        "Take these rights from the account: what it can't do, nobody can do through it.",
    )


def _of_users(patient: CheckContext) -> Iterator[Right]:
    tree, sample = patient.tree, first(patient.users.entries)
    attributes = {tree.profile.password_attribute or "userPassword": "set passwords"}
    attributes |= {name: f"write {name}" for name in (tree.custodian, tree.epoch) if name}
    if tree.own_classes:
        attributes["objectClass"] = "write objectClass"
    if patient.kind == "active_directory":
        attributes["userAccountControl"] = "write userAccountControl"
    place = split_dn(sample.dn)[1] if sample else _place_of_new_users(patient)
    yield _makes(patient, sample, place, *_new_user(patient))
    yield from _writes(patient, sample, attributes)


def _of_groups(patient: CheckContext) -> Iterator[Right]:
    tree, sample = patient.tree, first(patient.groups.entries)
    names = dict.fromkeys((tree.member, tree.revision, tree.first_admin))
    attributes = {name: f"write {name}" for name in names if name}
    if tree.own_classes:
        attributes["objectClass"] = "write objectClass"
    template = f"{tree.role_name}@{tree.role_class}:{tree.role_name}"
    yield _makes(patient, sample, tree.role_bases[0], template, tree.role_class)
    yield from _writes(patient, sample, attributes)


def _new_user(patient: CheckContext) -> tuple[str, str]:
    """How 389 and Active Directory call an entry that is still to be made."""
    tree = patient.tree
    return f"{tree.naming}@{tree.user_class}:{tree.naming}", tree.user_class


def _place_of_new_users(patient: CheckContext) -> str:
    return split_dn(patient.tree.new_user("mildapdoctor").dn)[1]


def _where_new_users_go(patient: CheckContext) -> Iterator[Finding]:
    """Users that are there may lie elsewhere than new ones are put."""
    place, sample = _place_of_new_users(patient), first(patient.users.entries)
    if sample is None or parsed_dn(split_dn(sample.dn)[1]) == parsed_dn(place):
        return
    if patient.kind == "openldap":
        held = _adds_on_openldap(patient, sample.dn, place)
    else:
        held = _makes(patient, None, place, *_new_user(patient)).held
    if held is False:
        yield Finding(
            "rights",
            "fail",
            f"The account may not make users in {place}, where new ones are put.",
            "Set user_store.user_dn_pattern, or narrow user_search_base.",
        )


def _adds_on_openldap(patient: CheckContext, dn: str, place: str) -> bool | None:
    """Tried with a user that the account may move, as far as that one's own place goes."""
    with patient.session() as session:
        if code_of_moving_nowhere(session, dn, patient.suffix) != ResultCode.NO_SUCH_OBJECT:
            return None
        return _verdict(
            code_of_moving_misnamed(session, dn, place), ResultCode.OBJECT_CLASS_VIOLATION
        )


def first(entries: Sequence[Entry]) -> Entry | None:
    """An entry to try rights on."""
    return entries[0] if entries else None


def _writes(
    patient: CheckContext, sample: Entry | None, attributes: dict[str, str]
) -> Iterator[Right]:
    if sample is None:
        yield from (Right(what, None) for what in attributes.values())
        return
    with patient.session() as session:
        if patient.kind == "active_directory":
            yield from _told_by_active_directory(session, sample, attributes)
            return
        for attribute, what in attributes.items():
            code = code_of_deleting_nothing(session, sample.dn, attribute, patient.suffix)
            yield Right(what, _verdict(code, ResultCode.NO_SUCH_ATTRIBUTE))


def _told_by_active_directory(
    session: LdapConnection, sample: Entry, attributes: dict[str, str]
) -> Iterator[Right]:
    """The right to reset a password is an extended one, which no attribute tells."""
    given = look(session, sample.dn, attributes=["allowedAttributesEffective"])
    allowed = _lower(given.entries, "allowedAttributesEffective")
    for attribute, what in attributes.items():
        told = None if attribute == "unicodePwd" else attribute.lower() in allowed
        yield Right(what, told)


def _makes(
    patient: CheckContext, sample: Entry | None, base: str, template: str, entry_class: str
) -> Right:
    """Whether entries can be made and removed below the base."""
    what = "make and remove them"
    with patient.session() as session:
        if patient.kind == "active_directory":
            given = look(session, base, attributes=["allowedChildClassesEffective"])
            classes = _lower(given.entries, "allowedChildClassesEffective")
            return Right(what, entry_class.lower() in classes)
        if patient.kind == "389ds" and patient.account_dn:
            asked = effective_rights(session, base, [template], patient.account_dn)
            return Right(what, _told_of_a_template(asked, base))
        if patient.kind == "openldap" and sample is not None:
            code = code_of_moving_nowhere(session, sample.dn, patient.suffix)
            return Right(what, _verdict(code, ResultCode.NO_SUCH_OBJECT))
    return Right(what, None)


def _told_of_a_template(entries: list[Entry], base: str) -> bool | None:
    """`entryLevelRights` of the entry that is still to be made: `vad` for view, add, delete."""
    templates = [entry for entry in entries if parsed_dn(entry.dn) != parsed_dn(base)]
    if not templates:
        return None
    told = templates[0].first("entryLevelRights") or ""
    return told != "none" and {"a", "d"} <= set(told)


def _verdict(code: ResultCode, allowed: ResultCode) -> bool | None:
    return (
        True
        if code == allowed
        else False
        if code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS
        else None
    )


def _lower(entries: list[Entry], attribute: str) -> set[str]:
    return {value.lower() for entry in entries for value in entry.all(attribute)}
