"""The content of the directory: search bases, results of the filters, duplicate names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext, Listed
from mi_ldap.checks.findings import SHOWN, Finding, counted
from mi_ldap.checks.members import UID
from mi_ldap.directory.layout.entry_names import shown_name
from mi_ldap.directory.probes import search_raw
from mi_ldap.errors import AmbiguousName, IdUnreadable
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.name_folding import folded

SAMPLE = 200
# Lower-case object classes that users and groups may share, so they do not distinguish them.
_NO_HINT = frozenset(
    {
        *("top", "person", "organizationalperson", "securityprincipal"),
        *("organizationalunit", "container", "domain"),
    }
)


def bases(context: CheckContext) -> Iterator[Finding]:
    """Report whether the account can read each search base."""
    layout = context.layout
    wanted = [("user_search_base", base) for base in layout.user_bases]
    if layout.reads_roles:
        wanted += [("group_search_base", base) for base in layout.role_bases]
    if layout.hybrid_role_base:
        wanted.append(("hybrid_role_base", layout.hybrid_role_base))
    for key, base in wanted:
        with context.session() as session:
            result = search_raw(session, base)
        if result.entries:
            yield Finding("bases", "pass", f"{base} exists.")
        else:
            yield _missing_base(key, base, result.code, result.matched_dn)


def _missing_base(key: str, base: str, code: ResultCode, matched_dn: str) -> Finding:
    sentence = f"{base} does not exist, or the account may not read it (code {code})."
    nearest = f" The nearest existing entry is {matched_dn}." if matched_dn else ""
    # 389 DS answers success without entries for a base that the account may not see.
    if code == ResultCode.NO_SUCH_OBJECT:
        remedy = f"Set user_store.{key} to an existing DN, or let the account read it.{nearest}"
    else:
        remedy = f"Let the account read it, or set user_store.{key} to another DN."
    return Finding("bases", "fail", sentence, remedy)


@dataclass(frozen=True, slots=True)
class _Listing:
    """The list of users or that of groups: its search, and the names of its settings."""

    what: str
    bases: tuple[str, ...]
    list_filter: str
    list_key: str
    search_key: str
    class_key: str


def filters(context: CheckContext) -> Iterator[Finding]:
    """Report whether the list filters find entries, and the search filters find those again."""
    layout = context.layout
    users = _Listing(
        *("users", layout.user_bases, layout.user_list_filter, "user_name_list_filter"),
        *("user_name_search_filter", "user_entry_object_class"),
    )
    attributes = [*layout.user_attributes, layout.user_name, UID]
    context.users = _read_list(context, users, attributes)
    found = (shown_name(entry, layout.user_name) for entry in context.users.entries)
    yield _filter_result(context, users, context.users, found)
    if not layout.reads_roles:
        yield Finding("filters", "skip", "No groups are read (user_store.read_groups = false).")
        return
    groups = _Listing(
        *("groups", layout.role_bases, layout.role_list_filter, "group_name_list_filter"),
        *("group_name_search_filter", "group_entry_object_class"),
    )
    context.groups = _read_list(context, groups, [*layout.role_attributes, layout.member])
    found = (shown_name(entry, layout.role_name) for entry in context.groups.entries)
    yield _filter_result(context, groups, context.groups, found)


def _read_list(context: CheckContext, listing: _Listing, attributes: list[str]) -> Listed:
    entries: dict[str, Entry] = {}
    complete = True
    with context.session() as session:
        for base in listing.bases:
            found = session.search(base, listing.list_filter, attributes)
            entries.update({entry.dn: entry for entry in found.entries})
            complete = complete and found.complete
    return Listed(list(entries.values()), complete)


def _filter_result(
    context: CheckContext, listing: _Listing, listed: Listed, found: Iterable[str]
) -> Finding:
    if not listed.entries:
        return _no_entries(context, listing)
    name = next((name for name in found if name), "")
    if not name:
        return Finding(
            "filters",
            "fail",
            f"The {listing.what} that {listing.list_filter} finds have no readable name.",
            f"Set user_store.{listing.list_key.split('_')[0]}_name_attribute to the attribute "
            "with the name, and let the account read it.",
        )
    if not _search_filter_finds(context, listing, name):
        return Finding(
            "filters",
            "fail",
            f"The list filter finds {name}, but the search filter does not.",
            f"Correct user_store.{listing.search_key}: it must match the attribute whose values "
            "are listed.",
        )
    sentence = f"{listing.list_filter} finds {counted(len(listed.entries), listing.what)}."
    return Finding("filters", "pass", sentence)


def _search_filter_finds(context: CheckContext, listing: _Listing, name: str) -> bool:
    try:
        if listing.what == "users":
            return context.reader.find_user(name) is not None
        return context.reader.find_role(name) is not None
    except (AmbiguousName, IdUnreadable):  # reported by the checks duplicates and rights
        return True


def _no_entries(context: CheckContext, listing: _Listing) -> Finding:
    classes = _classes_below(context, listing.bases)
    if not classes:
        return Finding("filters", "pass", f"There are no {listing.what} yet.")
    if listing.what == "users" and _matches_in(context, listing, context.layout.role_bases):
        return _swapped(context, listing)
    shown = ", ".join(f"{name} ({count})" for name, count in classes.most_common(5))
    return Finding(
        "filters",
        "fail" if listing.what == "users" else "warn",
        f"{listing.list_filter} finds no {listing.what}. Object classes below the base: {shown}.",
        f"Set user_store.{listing.class_key} to the class of your {listing.what}, or "
        f"user_store.{listing.list_key} to a filter that finds them.",
    )


def _matches_in(context: CheckContext, listing: _Listing, base_dns: tuple[str, ...]) -> bool:
    if not context.layout.reads_roles:
        return False
    with context.session() as session:
        result = (
            search_raw(session, base, listing.list_filter, base_only=False, size_limit=1)
            for base in base_dns
        )
        return any(each.entries for each in result)


def _swapped(context: CheckContext, listing: _Listing) -> Finding:
    users, groups = (" ".join(each) for each in (listing.bases, context.layout.role_bases))
    return Finding(
        "filters",
        "fail",
        f"There are users in {groups} and none in {users}: user_search_base and group_search_base "
        "may be swapped.",
        f'Set user_store.user_search_base = "{groups}" and group_search_base = "{users}".',
    )


def _classes_below(context: CheckContext, base_dns: tuple[str, ...]) -> Counter[str]:
    """Count the classes of at most `SAMPLE` entries, without the classes in `_NO_HINT`."""
    classes: Counter[str] = Counter()
    anything = "(objectClass=*)"
    with context.session() as session:
        for base in base_dns:
            result = search_raw(
                session, base, anything, ["objectClass"], base_only=False, size_limit=SAMPLE
            )
            # The base itself is a container, whose class does not describe the users in it.
            below = [entry for entry in result.entries if not _is_same(entry.dn, base)]
            classes.update(name for entry in below for name in entry.all("objectClass"))
    return Counter({n: c for n, c in classes.items() if n.lower() not in _NO_HINT})


def _is_same(dn: str, other: str) -> bool:
    return names.parsed_dn(dn) == names.parsed_dn(other)


def duplicates(context: CheckContext) -> Iterator[Finding]:
    """Report login names that several entries have, as the server compares names."""
    layout = context.layout
    entries: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for entry in context.users.entries:
        for name in entry.all(layout.user_name):
            entries[folded(name)][entry.dn] = name
    alike = {name: dns for name, dns in entries.items() if len(dns) > 1}
    # `folded` only approximates the server's matching rule, so the server decides.
    same = [dns for dns in alike.values() if _is_ambiguous(context, next(iter(dns.values())))]
    if not same:
        yield Finding("duplicates", "pass", "No two users have the same login name.")
    for dns in same[:SHOWN]:
        name, where = next(iter(dns.values())), " and ".join(dns)
        yield Finding(
            "duplicates",
            "warn",
            f"{len(dns)} users are named {name}, so none of them can log in: {where}.",
            f"Change {layout.user_name} of all but one, or exclude them with "
            "user_store.user_name_list_filter.",
        )
    if len(same) > SHOWN:
        yield Finding(
            "duplicates", "warn", f"{len(same) - SHOWN} more login names are used by several users."
        )


def _is_ambiguous(context: CheckContext, name: str) -> bool:
    try:
        context.reader.find_user(name)
    except AmbiguousName:
        return True
    except IdUnreadable:  # reported by the check rights
        return False
    return False
