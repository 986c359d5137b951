"""What is in the directory: bases, what the filters find, names that are there twice, members."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext, Listed
from mi_ldap.checks.findings import Finding, counted
from mi_ldap.directory.layout.directory_layout import shown_name
from mi_ldap.directory.probes import is_missing, look
from mi_ldap.errors import AmbiguousName, IdUnreadable
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import Entry, LdapConnection
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.model import folded

SHOWN = 10
_UID = "uid"
"""The attribute whose values memberUid holds (RFC 2307 §3), whatever users log in with."""

_NAMING = (_UID, "cn", "mail")
"""Attributes, besides the login name, whose values memberUid may hold."""

SAMPLE = 200
_NO_HINT = frozenset(
    {
        *("top", "person", "organizationalperson", "securityprincipal"),
        *("organizationalunit", "container", "domain"),
    }
)
"""Classes that say nothing of whether an entry is a user or a group."""


def bases(patient: CheckContext) -> Iterator[Finding]:
    """Whether each base is there, as far as the account may see."""
    tree = patient.tree
    wanted = [("user_search_base", base) for base in tree.user_bases]
    if tree.reads_roles:
        wanted += [("group_search_base", base) for base in tree.role_bases]
    for key, base in wanted:
        with patient.session() as session:
            given = look(session, base)
        if given.entries:
            yield Finding("bases", "pass", f"{base} is there.")
        else:
            yield _no_base(key, base, given.code, given.matched_dn)


def _no_base(key: str, base: str, code: ResultCode, matched_dn: str) -> Finding:
    sentence = f"There is no {base}, or the account may not see it (code {code})."
    there = f" The directory knows {matched_dn}." if matched_dn else ""
    if code == ResultCode.NO_SUCH_OBJECT:
        remedy = f"Set user_store.{key} to a DN that is there.{there} Else let the account read it."
    else:
        remedy = f"Let the account read it, or set user_store.{key} to another DN."
    return Finding("bases", "fail", sentence, remedy)


# Filters


@dataclass(frozen=True, slots=True)
class _Kind:
    """Users or groups: the words and keys that differ."""

    what: str
    bases: tuple[str, ...]
    list_filter: str
    list_key: str
    search_key: str
    class_key: str


def filters(patient: CheckContext) -> Iterator[Finding]:
    """Whether the list filters find something, and the search filters what was listed."""
    tree = patient.tree
    users = _Kind(
        *("users", tree.user_bases, tree.user_list_filter, "user_name_list_filter"),
        *("user_name_search_filter", "user_entry_object_class"),
    )
    attributes = [*tree.user_attributes, tree.user_name, _UID]
    patient.users = _listed(patient, users, attributes)
    found = (shown_name(entry, tree.user_name) for entry in patient.users.entries)
    yield _filter_finding(patient, users, patient.users, found)
    if not tree.reads_roles:
        yield Finding("filters", "skip", "No groups are read (user_store.read_groups = false).")
        return
    groups = _Kind(
        *("groups", tree.role_bases, tree.role_list_filter, "group_name_list_filter"),
        *("group_name_search_filter", "group_entry_object_class"),
    )
    patient.groups = _listed(patient, groups, [*tree.role_attributes, tree.member])
    found = (shown_name(entry, tree.role_name) for entry in patient.groups.entries)
    yield _filter_finding(patient, groups, patient.groups, found)


def _listed(patient: CheckContext, kind: _Kind, attributes: list[str]) -> Listed:
    entries: dict[str, Entry] = {}
    complete = True
    with patient.session() as session:
        for base in kind.bases:
            found = session.search(base, kind.list_filter, attributes)
            entries.update({entry.dn: entry for entry in found.entries})
            complete = complete and found.complete
    return Listed(list(entries.values()), complete)


def _filter_finding(
    patient: CheckContext, kind: _Kind, listed: Listed, found: Iterable[str]
) -> Finding:
    if not listed.entries:
        return _nothing_found(patient, kind)
    name = next((name for name in found if name), "")
    if not name:
        return Finding(
            "filters",
            "fail",
            f"The {kind.what} that {kind.list_filter} finds have no name in the name's attribute.",
            f"Set user_store.{kind.list_key.split('_')[0]}_name_attribute to the attribute that "
            "holds the name, and let the account read it.",
        )
    if not _is_found_again(patient, kind, name):
        return Finding(
            "filters",
            "fail",
            f"The list shows {name}, and the search filter does not find it.",
            f"Look at user_store.{kind.search_key}: it must find by the attribute whose values "
            "the list shows.",
        )
    sentence = f"{kind.list_filter} finds {counted(len(listed.entries), kind.what)}."
    return Finding("filters", "pass", sentence)


def _is_found_again(patient: CheckContext, kind: _Kind, name: str) -> bool:
    try:
        if kind.what == "users":
            return patient.reader.find_user(name) is not None
        return patient.reader.find_role(name) is not None
    except (AmbiguousName, IdUnreadable):  # reported with the duplicates, and with the rights
        return True


def _nothing_found(patient: CheckContext, kind: _Kind) -> Finding:
    there = _classes_below(patient, kind.bases)
    if not there:
        return Finding("filters", "pass", f"There are no {kind.what} yet.")
    if kind.what == "users" and _lie_in(patient, kind, patient.tree.role_bases):
        return _swapped(patient, kind)
    shown = ", ".join(f"{name} ({count})" for name, count in there.most_common(5))
    return Finding(
        "filters",
        "fail" if kind.what == "users" else "warn",
        f"{kind.list_filter} finds no {kind.what}; these classes are there: {shown}.",
        f"Set user_store.{kind.class_key} to the class of your {kind.what}, or "
        f"user_store.{kind.list_key} to a filter that finds them.",
    )


def _lie_in(patient: CheckContext, kind: _Kind, base_dns: tuple[str, ...]) -> bool:
    if not patient.tree.reads_roles:
        return False
    with patient.session() as session:
        given = (
            look(session, base, kind.list_filter, base_only=False, at_most=1) for base in base_dns
        )
        return any(each.entries for each in given)


def _swapped(patient: CheckContext, kind: _Kind) -> Finding:
    users, groups = (" ".join(each) for each in (kind.bases, patient.tree.role_bases))
    return Finding(
        "filters",
        "fail",
        f"There are users in {groups} and none in {users}: user_search_base and group_search_base "
        "seem swapped.",
        f'Set user_store.user_search_base = "{groups}" and group_search_base = "{users}".',
    )


def _classes_below(patient: CheckContext, base_dns: tuple[str, ...]) -> Counter[str]:
    """The classes of some entries, folders and abstract classes left out."""
    counted: Counter[str] = Counter()
    anything = "(objectClass=*)"
    with patient.session() as session:
        for base in base_dns:
            given = look(session, base, anything, ["objectClass"], base_only=False, at_most=SAMPLE)
            below = [entry for entry in given.entries if not _is_same(entry.dn, base)]
            counted.update(name for entry in below for name in entry.all("objectClass"))
    return Counter({n: c for n, c in counted.items() if n.lower() not in _NO_HINT})


def _is_same(dn: str, other: str) -> bool:
    return names.parsed_dn(dn) == names.parsed_dn(other)


# Names


def duplicates(patient: CheckContext) -> Iterator[Finding]:
    """Login names that two entries have: whether they are one is for the server to say."""
    tree = patient.tree
    entries: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for entry in patient.users.entries:
        for name in entry.all(tree.user_name):
            entries[folded(name)][entry.dn] = name
    alike = {name: dns for name, dns in entries.items() if len(dns) > 1}
    same = [dns for dns in alike.values() if _is_ambiguous(patient, next(iter(dns.values())))]
    if not same:
        yield Finding("duplicates", "pass", "No two users have the same login name.")
    for dns in same[:SHOWN]:
        name, where = next(iter(dns.values())), " and ".join(dns)
        yield Finding(
            "duplicates",
            "warn",
            f"{len(dns)} users are called {name}, so none of them can log in: {where}.",
            f"Give all but one another {tree.user_name}, or leave them out with "
            "user_store.user_name_list_filter.",
        )
    if len(same) > SHOWN:
        yield Finding("duplicates", "warn", f"{len(same) - SHOWN} more names are there twice.")


def _is_ambiguous(patient: CheckContext, name: str) -> bool:
    try:
        patient.reader.find_user(name)
    except AmbiguousName:
        return True
    except IdUnreadable:  # reported with the rights
        return False
    return False


# Members


@dataclass(frozen=True, slots=True)
class Dangling:
    """A group, and those of its members that are nobody."""

    group: Entry
    name: str
    members: tuple[str, ...]


def members(patient: CheckContext) -> Iterator[Finding]:
    """Members that name nobody."""
    tree = patient.tree
    if not tree.reads_roles:
        return
    if not patient.users.complete:
        yield Finding("members", "skip", "Not looked at: see limits first.")
        return
    yield from _foreign_classes(patient)
    yield from _members_by_other_names(patient)
    broken = dangling(patient)
    if not broken:
        yield Finding("members", "pass", "No dangling group members.")
    for each in broken[:SHOWN]:
        shown = "; ".join(each.members[:SHOWN])
        more = f" and {len(each.members) - SHOWN} more" if len(each.members) > SHOWN else ""
        yield Finding(
            "members",
            "warn",
            f"{counted(len(each.members), 'members')} of {each.name} cannot be found: "
            f"{shown}{more}.",
            "mi-ldap doctor --fix-members takes them out, after asking.",
        )
    if len(broken) > SHOWN:
        rest = f"{len(broken) - SHOWN} more groups have dangling members."
        yield Finding("members", "warn", rest, "mi-ldap doctor --fix-members")


def _foreign_classes(patient: CheckContext) -> Iterator[Finding]:
    """Report groups that appear empty because their class has another attribute for members."""
    tree = patient.tree
    classes = ((group, tree.foreign_class(group)) for group in patient.groups.entries)
    shown = [f"{shown_name(group, tree.role_name)} ({name})" for group, name in classes if name]
    if shown:
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        yield Finding(
            "members",
            "warn",
            f"These groups do not hold their members in {tree.member}, so they are shown without "
            f"any, and nobody can be added: {', '.join(shown[:SHOWN])}{more}.",
            "Leave them out with user_store.group_name_list_filter and group_name_search_filter.",
        )


def _members_by_other_names(patient: CheckContext) -> Iterator[Finding]:
    """Report users whom memberUid names by another value than their login name."""
    tree = patient.tree
    if not tree.shape.by_name:
        return
    names_of = _names_of_users(patient)
    for group in patient.groups.entries:
        others = {
            value: names_of[folded(value)]
            for value in tree.members(group)
            if folded(value) in names_of and value != names_of[folded(value)]
        }
        if others:
            shown = ", ".join(f"{value} ({name})" for value, name in [*others.items()][:SHOWN])
            yield Finding(
                "members",
                "warn",
                f"{tree.member} of {shown_name(group, tree.role_name)} names "
                f"{counted(len(others), 'users')} by another value than {tree.user_name} as it is "
                f"listed, so they do not hold the role: {shown}.",
                f"Write the listed names into {tree.member}, or set user_store.user_name_attribute "
                f"to the attribute whose values {tree.member} holds.",
            )


def _names_of_users(patient: CheckContext) -> dict[str, str]:
    """Map each folded name of a user to its listed name; names that several users have left out."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for entry in patient.users.entries:
        name = shown_name(entry, patient.tree.user_name)
        for value in (*entry.all(patient.tree.user_name), *entry.all(_UID)):
            found[folded(value)].add(name)
    return {value: next(iter(names)) for value, names in found.items() if len(names) == 1}


def dangling(patient: CheckContext) -> list[Dangling]:
    """The groups with members of whom the server proves that they are nobody.

    Never one outside of the search bases: who lies there is unknown, and may be somebody.
    """
    known = {names.parsed_dn(each.dn) for each in _entries_known(patient)}
    called = {name for entry in patient.users.entries for name in entry.all(patient.tree.user_name)}
    found = []
    with patient.session() as session:
        for group in patient.groups.entries:
            gone = tuple(
                value
                for value in patient.tree.members(group)
                if not (value in called or names.parsed_dn(value) in known)
                and is_nobody(patient, session, value)
            )
            if gone:
                name = shown_name(group, patient.tree.role_name)
                found.append(Dangling(group, name, gone))
    return found


def is_nobody(patient: CheckContext, session: LdapConnection, member: str) -> bool:
    """Whether the server proves that a group's member is nobody."""
    tree = patient.tree
    if tree.shape.by_name:  # it may be an account of machines, anywhere in the directory
        naming = dict.fromkeys((tree.user_name, *_NAMING))
        same = names.any_of([names.equals(attribute, member) for attribute in naming])
        return all(
            given.code == ResultCode.SUCCESS and not given.entries
            for given in (
                look(session, context, same, base_only=False, at_most=1)
                for context in patient.contexts
            )
        )
    inside = tree.holds_users(member) or tree.holds_roles(member)
    return inside and is_missing(session, member)


def _entries_known(patient: CheckContext) -> Iterator[Entry]:
    yield from patient.users.entries
    yield from patient.groups.entries
