"""OpenLDAP's configuration (slapd-config(5)), if the account may read it.

Indexes, overlays, limits and access rules: mistakes there appear late, under load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.probes import search_raw
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.names import is_under
from mi_ldap.ldap.result_codes import LdapError

_LDAPSEARCH_CONFIG = "sudo ldapsearch -Y EXTERNAL -H ldapi:/// -b cn=config"
_UNREADABLE = "The account cannot read the indexes. These attributes should be indexed:"


@dataclass(frozen=True, slots=True)
class Database:
    """The database that holds the users, with its overlays."""

    entry: Entry
    overlays: tuple[Entry, ...]
    frontend: Entry | None = None

    def overlay(self, name: str) -> Entry | None:
        """Return the overlay of that name (`olcOverlay` is `"{1}refint"`), or None."""
        return next((each for each in self.overlays if _overlay_name(each) == name), None)


def _overlay_name(overlay: Entry) -> str:
    return re.sub(r"^\{-?\d+\}", "", overlay.first("olcOverlay") or "").lower()


def database_of(context: CheckContext) -> Database | None:
    """Return the database of the users; None if the account cannot read cn=config."""
    try:
        with context.session() as session:
            wanted = "(|(olcSuffix=*)(olcOverlay=*)(olcDatabase=*))"
            entries = session.search("cn=config", wanted, ["*"]).entries
    except LdapError:
        return None
    found = [
        each
        for each in entries
        if any(is_under(context.layout.user_bases[0], base) for base in each.all("olcSuffix"))
    ]
    if not found:
        return None
    # Suffixes may be nested; the longest one has the entries.
    entry = max(found, key=lambda each: len(each.first("olcSuffix") or ""))
    below = [each for each in entries if each.first("olcOverlay") and is_under(each.dn, entry.dn)]
    # The frontend database has the limits for databases without their own.
    frontend = (e for e in entries if (e.first("olcDatabase") or "").endswith("}frontend"))
    return Database(entry, tuple(below), next(frontend, None))


def indexes(context: CheckContext) -> Iterator[Finding]:
    """Report searched attributes without an index."""
    wanted = _searched_attributes(context)
    if context.embedded:
        yield Finding("indexes", "pass", "The embedded directory has all required indexes.")
    elif context.server_type == "active_directory":
        yield Finding("indexes", "pass", f"Active Directory indexes {', '.join(wanted)}.")
    elif context.server_type == "389ds":
        yield from _indexes_of_389(context, wanted)
    else:
        yield from _indexes_of_openldap(context, wanted)


def _searched_attributes(context: CheckContext) -> list[str]:
    layout = context.layout
    named = [layout.user_name, layout.role_name, layout.member, layout.user_id]
    if context.server_type != "active_directory":  # dependents are seldom searched for
        named.append(context.markers.get("custodian_attribute", ""))
    return list(dict.fromkeys(name for name in named if name))


def _indexes_of_openldap(context: CheckContext, wanted: list[str]) -> Iterator[Finding]:
    database = database_of(context) if context.server_type == "openldap" else None
    if database is None:
        yield Finding(
            "indexes",
            "skip",
            f"{_UNREADABLE} {', '.join(wanted)}.",
            f"{_LDAPSEARCH_CONFIG} olcDbIndex" if context.server_type == "openldap" else "",
        )
        return
    indexed = {
        name.strip().lower()
        for value in database.entry.all("olcDbIndex")
        # A value is `uid,cn eq,sub`: the attributes, then the types of their indexes.
        for name in value.split()[0].split(",")
    }
    missing = [name for name in wanted if name.lower() not in indexed]
    lines = "\n".join(f"olcDbIndex: {name} eq" for name in missing)
    ldif = f"dn: {database.entry.dn}\nchangetype: modify\nadd: olcDbIndex\n{lines}"
    yield _missing_indexes(wanted, missing, f"Load this LDIF:\n{ldif}")


def _missing_indexes(wanted: list[str], missing: list[str], remedy: str) -> Finding:
    if not missing:
        sentence = f"All these attributes are indexed: {', '.join(wanted)}."
        return Finding("indexes", "pass", sentence)
    sentence = f"No index for {', '.join(missing)}: searches scan all entries."
    return Finding("indexes", "warn", sentence, remedy)


def _indexes_of_389(context: CheckContext, wanted: list[str]) -> Iterator[Finding]:
    """Read the index entries below the backends in `cn=config`, which few accounts may read."""
    command = "dsconf INSTANCE backend index list userRoot"
    with context.session() as session:
        where = "cn=ldbm database,cn=plugins,cn=config"
        entries = search_raw(
            session, where, "(objectClass=nsIndex)", ["cn"], base_only=False
        ).entries
    if not entries:
        sentence = f"{_UNREADABLE} {', '.join(wanted)}."
        yield Finding("indexes", "skip", sentence, command)
        return
    indexed = {(entry.first("cn") or "").lower() for entry in entries}
    missing = [name for name in wanted if name.lower() not in indexed]
    remedy = "\n".join(
        f"dsconf INSTANCE backend index add --attr {name} --index-type eq --reindex userRoot"
        for name in missing
    )
    yield _missing_indexes(wanted, missing, remedy)


def overlays(context: CheckContext) -> Iterator[Finding]:
    """Report overlay settings that cause errors, as seen on slapd 2.5.13."""
    if context.embedded:
        sentence = "The overlays are those of config/ldif/config.ldif."
        yield Finding("overlays", "pass", sentence)
        return
    if context.server_type != "openldap":
        return
    database = database_of(context)
    if database is None:
        remedy = f"{_LDAPSEARCH_CONFIG} '(olcOverlay=*)'\nand compare with docs/doctor.md"
        yield Finding("overlays", "skip", "The account cannot read the overlays.", remedy)
        return
    found = [*_refint(database), *_unique(context, database)]
    found += [*_size_limit(context, database)]
    names = ", ".join(_overlay_name(each) for each in database.overlays) or "none"
    yield from found or [Finding("overlays", "pass", f"No problems found in: {names}.")]


def _refint(database: Database) -> Iterator[Finding]:
    refint = database.overlay("refint")
    # The attribute is tested, not its value: the empty DN is a valid value of olcRefintNothing.
    if refint and "olcrefintnothing" not in refint.attributes:
        yield Finding(
            "overlays",
            "warn",
            "refint has no olcRefintNothing: a deleted user stays in groups whose only member it "
            "is.",
            f"Load this LDIF:\ndn: {refint.dn}\nchangetype: modify\nadd: olcRefintNothing\n"
            "olcRefintNothing:",
        )


def _unique(context: CheckContext, database: Database) -> Iterator[Finding]:
    unique = database.overlay("unique")
    if unique is None:
        return
    serialized = any("serialize" in uri.split() for uri in unique.all("olcUniqueURI"))
    if not serialized:
        known = unique.all("olcUniqueURI") or [f"ldap:///{context.layout.user_bases[0]}?uid?sub"]
        uris = "\n".join(f"olcUniqueURI: serialize {uri}" for uri in known)
        yield Finding(
            "overlays",
            "warn",
            "unique without `serialize` accepts two entries of one name that are added at the same "
            "moment.",
            f"Load this LDIF:\ndn: {unique.dn}\nchangetype: modify\nreplace: olcUniqueURI\n{uris}",
        )


def _size_limit(context: CheckContext, database: Database) -> Iterator[Finding]:
    """Report a size limit for the account, also before there are so many entries."""
    # Either value lifts the limit of a paged search (measured on slapd 2.5.13).
    if any("prtotal=unlimited" in each for each in database.entry.all("olcLimits")):
        return
    if any("size=unlimited" in each for each in database.entry.all("olcLimits")):
        return
    own = database.entry.first("olcSizeLimit")
    general = database.frontend.first("olcSizeLimit") if database.frontend else None
    # slapd's default. It counts all pages of a search together, so paging does not lift it.
    size = own or general or "500"
    if size != "unlimited":
        yield Finding(
            "overlays",
            "warn",
            f"The size limit of {size} entries applies to the account: with more users, lists are "
            "truncated.",
            f"Load this LDIF:\ndn: {database.entry.dn}\nchangetype: modify\nadd: olcLimits\n"
            f'olcLimits: {{0}}dn.exact="{context.account_dn}" size=unlimited '
            "size.prtotal=unlimited",
        )


def is_self_writable(database: Database, attribute: str, user_base: str) -> bool | None:
    """Whether the access rules let users write the attribute of their own entries.

    Returns:
        None if the rules are unclear: only rules that name the attribute, or that name no
        attributes, are evaluated.
    """
    for rule in database.entry.all("olcAccess"):
        what, _, by = re.sub(r"\s+", " ", rule).partition(" by ")
        attrs = re.search(r"attrs=(\S+)", what)
        if attrs and attribute.lower() not in attrs[1].lower().split(","):
            continue
        if not _may_apply_to_users(what, user_base):
            continue
        clauses = by.split(" by ")
        writing = re.compile(r"^(self|users|\*|anonymous) (write|manage|=[a-z]*[wa][a-z]*)")
        if any(writing.match(clause) for clause in clauses):
            return True
        # slapd stops at the first rule that matches, unless a clause says break (slapd.access(5)).
        if attrs and not any("break" in clause for clause in clauses):
            return False
    return None


def _may_apply_to_users(what: str, user_base: str) -> bool:
    """Whether a rule, `to dn.subtree="ou=people,dc=x"`, may apply to entries of users."""
    named = re.search(r'dn(?P<style>\.\w+)?="(?P<dn>[^"]*)"', what)
    if named is None or named["style"] == ".regex":
        return True
    return is_under(user_base, named["dn"]) or is_under(named["dn"], user_base)
