"""OpenLDAP's own configuration (slapd-config(5)), where the account may read it.

Indexes, overlays, limits and access rules: what is wrong there shows late, under load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.probes import look
from mi_ldap.ldap.connection import Entry, LdapError
from mi_ldap.ldap.names import is_under

LOOK = "sudo ldapsearch -Y EXTERNAL -H ldapi:/// -b cn=config"


@dataclass(frozen=True, slots=True)
class Database:
    """The database that holds the users, with its overlays."""

    entry: Entry
    overlays: tuple[Entry, ...]
    frontend: Entry | None = None

    def overlay(self, name: str) -> Entry | None:
        """The overlay of that name: its value is `"{1}refint"`."""
        return next((each for each in self.overlays if _plain(each) == name), None)


def _plain(overlay: Entry) -> str:
    return re.sub(r"^\{-?\d+\}", "", overlay.first("olcOverlay") or "").lower()


def database_of(patient: CheckContext) -> Database | None:
    """None where cn=config can't be read."""
    try:
        with patient.session() as session:
            wanted = "(|(olcSuffix=*)(olcOverlay=*)(olcDatabase=*))"
            entries = session.search("cn=config", wanted, ["*"]).entries
    except LdapError:
        return None
    found = [
        each
        for each in entries
        if any(is_under(patient.tree.user_bases[0], base) for base in each.all("olcSuffix"))
    ]
    if not found:
        return None
    entry = max(found, key=lambda each: len(each.first("olcSuffix") or ""))
    below = [each for each in entries if each.first("olcOverlay") and is_under(each.dn, entry.dn)]
    frontend = (e for e in entries if (e.first("olcDatabase") or "").endswith("}frontend"))
    return Database(entry, tuple(below), next(frontend, None))


# Indexes


def indexes(patient: CheckContext) -> Iterator[Finding]:
    """Attributes that are searched for with every login, and have no index."""
    wanted = _searched_for(patient)
    if patient.embedded:
        yield Finding("indexes", "pass", "The embedded directory has all that are needed.")
    elif patient.kind == "active_directory":
        yield Finding("indexes", "pass", f"Active Directory has them for {', '.join(wanted)}.")
    elif patient.kind == "389ds":
        yield from _indexes_of_389(patient, wanted)
    else:
        yield from _indexes_of_openldap(patient, wanted)


def _searched_for(patient: CheckContext) -> list[str]:
    tree = patient.tree
    named = [tree.user_name, tree.role_name, tree.member, tree.user_id]
    if patient.kind != "active_directory":  # whoever has charges is seldom looked up
        named.append(tree.custodian)
    return list(dict.fromkeys(name for name in named if name))


def _indexes_of_openldap(patient: CheckContext, wanted: list[str]) -> Iterator[Finding]:
    lines = "\n".join(f"olcDbIndex: {name} eq" for name in wanted)
    database = database_of(patient) if patient.kind == "openldap" else None
    if database is None:
        yield Finding(
            "indexes",
            "skip",
            f"They can't be seen; these should be there: {', '.join(wanted)}.",
            f"{LOOK} olcDbIndex" if patient.kind == "openldap" else "",
        )
        return
    there = {
        name.strip().lower()
        for value in database.entry.all("olcDbIndex")
        for name in value.split()[0].split(",")
    }
    missing = [name for name in wanted if name.lower() not in there]
    if not missing:
        yield Finding("indexes", "pass", f"All are there: {', '.join(wanted)}.")
        return
    lines = "\n".join(f"olcDbIndex: {name} eq" for name in missing)
    yield _missing(
        missing, f"dn: {database.entry.dn}\nchangetype: modify\nadd: olcDbIndex\n{lines}"
    )


def _missing(missing: list[str], ldif: str) -> Finding:
    sentence = f"There is none for {', '.join(missing)}: searches go through all entries."
    return Finding("indexes", "warn", sentence, f"Load this:\n{ldif}")


def _indexes_of_389(patient: CheckContext, wanted: list[str]) -> Iterator[Finding]:
    """Indexes stand below each backend in `cn=config`, which few may read."""
    command = "dsconf INSTANCE backend index list userRoot"
    with patient.session() as session:
        where = "cn=ldbm database,cn=plugins,cn=config"
        entries = look(session, where, "(objectClass=nsIndex)", ["cn"], base_only=False).entries
    if not entries:
        sentence = f"They can't be seen; these should be there: {', '.join(wanted)}."
        yield Finding("indexes", "skip", sentence, command)
        return
    there = {(entry.first("cn") or "").lower() for entry in entries}
    missing = [name for name in wanted if name.lower() not in there]
    if not missing:
        yield Finding("indexes", "pass", f"All are there: {', '.join(wanted)}.")
        return
    remedy = "\n".join(
        f"dsconf INSTANCE backend index add --attr {name} --index-type eq --reindex userRoot"
        for name in missing
    )
    sentence = f"There is none for {', '.join(missing)}: searches go through all entries."
    yield Finding("indexes", "warn", sentence, remedy)


# Overlays and limits


def overlays(patient: CheckContext) -> Iterator[Finding]:
    """Overlays whose settings hurt: found out on slapd 2.5.13."""
    if patient.embedded:
        sentence = "The embedded directory's are those of config/ldif/config.ldif."
        yield Finding("overlays", "pass", sentence)
        return
    if patient.kind != "openldap":
        return
    database = database_of(patient)
    if database is None:
        remedy = f"{LOOK} '(olcOverlay=*)'\nand compare with docs/doctor.md"
        yield Finding("overlays", "skip", "They can't be seen.", remedy)
        return
    found = [*_refint(database), *_unique(patient, database)]
    found += [*_limit(patient, database)]
    names = ", ".join(_plain(each) for each in database.overlays) or "none"
    yield from found or [Finding("overlays", "pass", f"None of them hurts: {names}.")]


def _refint(database: Database) -> Iterator[Finding]:
    refint = database.overlay("refint")
    # olcRefintNothing may be the empty DN, which is a value too.
    if refint and "olcrefintnothing" not in refint.attributes:
        yield Finding(
            "overlays",
            "warn",
            "refint has nothing to put in the place of a group's last member: "
            "a user that is deleted stays in groups that it is the only member of.",
            f"Load this:\ndn: {refint.dn}\nchangetype: modify\nadd: olcRefintNothing\n"
            "olcRefintNothing:",
        )


def _unique(patient: CheckContext, database: Database) -> Iterator[Finding]:
    unique = database.overlay("unique")
    if unique is None:
        return
    serialized = any("serialize" in uri.split() for uri in unique.all("olcUniqueURI"))
    if not serialized:
        known = unique.all("olcUniqueURI") or [f"ldap:///{patient.tree.user_bases[0]}?uid?sub"]
        uris = "\n".join(f"olcUniqueURI: serialize {uri}" for uri in known)
        yield Finding(
            "overlays",
            "warn",
            "unique without `serialize` lets two entries of one name in that are made at once.",
            f"Load this:\ndn: {unique.dn}\nchangetype: modify\nreplace: olcUniqueURI\n{uris}",
        )


def _limit(patient: CheckContext, database: Database) -> Iterator[Finding]:
    """A limit that is not met yet will be: pages do not lift OpenLDAP's (olcSizeLimit is 500)."""
    if any("prtotal=unlimited" in each for each in database.entry.all("olcLimits")):
        return
    if any("size=unlimited" in each for each in database.entry.all("olcLimits")):
        return
    own = database.entry.first("olcSizeLimit")
    general = database.frontend.first("olcSizeLimit") if database.frontend else None
    size = own or general or "500"
    if size != "unlimited":
        yield Finding(
            "overlays",
            "warn",
            f"No olcLimits lift the size limit of {size} entries: with more users than that, "
            "lists are cut.",
            f"Load this:\ndn: {database.entry.dn}\nchangetype: modify\nadd: olcLimits\n"
            f'olcLimits: {{0}}dn.exact="{patient.account_dn}" size=unlimited '
            "size.prtotal=unlimited",
        )


# Access rules


def self_writes(database: Database, attribute: str, user_base: str) -> bool | None:
    """Whether the rules let users write that attribute of themselves; None where it is unclear.

    Only rules that name the attribute, or none at all, are understood.
    """
    for rule in database.entry.all("olcAccess"):
        what, _, by = re.sub(r"\s+", " ", rule).partition(" by ")
        attrs = re.search(r"attrs=(\S+)", what)
        if attrs and attribute.lower() not in attrs[1].lower().split(","):
            continue
        if not _may_concern(what, user_base):
            continue
        clauses = by.split(" by ")
        writing = re.compile(r"^(self|users|\*|anonymous) (write|manage|=[a-z]*[wa][a-z]*)")
        if any(writing.match(clause) for clause in clauses):
            return True
        if attrs and not any("break" in clause for clause in clauses):
            return False
    return None


def _may_concern(what: str, user_base: str) -> bool:
    """Whether the entries of a rule may be users: `to dn.subtree="ou=people,dc=x"`."""
    named = re.search(r'dn(?P<style>\.\w+)?="(?P<dn>[^"]*)"', what)
    if named is None or named["style"] == ".regex":
        return True
    return is_under(user_base, named["dn"]) or is_under(named["dn"], user_base)
