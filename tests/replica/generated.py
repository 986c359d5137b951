"""Random trees, schemas and arrangements of databases."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from mi_ldap.directory.replica.name_keys import name_key
from mi_ldap.ldap.names import dn_in
from tests.hosts.arranged import Arrangement, Database
from tests.replica.arranged_apis import BASE, entry, folder, ldif, top

PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"

NAMES: Final = (
    *("alice", "Bob", "bobby", "carl", "Ünal", "ünal", "o, neil", "ann", "ａnn", "straße"),
    *("555-1234", "5551234", "a b", "a  b", "007", "7", "x*y", "PRIMARY", "dora"),
)
ROLES: Final = ("admin", "dev", "DEV2", "ops", "Ops two", "größe", "42")

_EQUALITY: Final = (
    *("", "caseIgnoreMatch", "caseExactMatch", "octetStringMatch"),
    *("caseIgnoreMatch", "telephoneNumberMatch", "numericStringMatch"),
)
_SUBSTRINGS: Final = ("", "caseIgnoreSubstringsMatch", "caseExactSubstringsMatch")
_SYNTAXES: Final = {
    "telephoneNumberMatch": "1.3.6.1.4.1.1466.115.121.1.50",
    "numericStringMatch": "1.3.6.1.4.1.1466.115.121.1.36",
    "octetStringMatch": "1.3.6.1.4.1.1466.115.121.1.40",
}
_DIRECTORY_STRING: Final = "1.3.6.1.4.1.1466.115.121.1.15"

_SCHEMA: Final = """
dn: cn=own,cn=schema,cn=config
objectClass: olcSchemaConfig
cn: own
olcAttributeTypes: ( 2.25.7.1 NAME ( 'ownName' 'ownAlias' ) {equality} {substrings}
  SYNTAX {syntax} )
olcObjectClasses: ( 2.25.7.2 NAME 'ownPerson' SUP top AUXILIARY MAY ownName )
"""

_MONITOR: Final = f"""
dn: olcDatabase={{9}}monitor,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMonitorConfig
olcDatabase: {{9}}monitor
olcAccess: to * by dn.exact="cn=mi-ldap,ou=services,{BASE}" read by * none
"""


@dataclass
class Generated:
    """A directory drawn by lot, the same for the same seed.

    Attributes:
        settings: of the service over it.
        described: what was drawn, for a test that fails.
    """

    seed: int
    settings: dict[str, str] = field(default_factory=dict)
    described: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lot = random.Random(self.seed)
        self.user_dns: list[str] = []
        self.group_dns: list[str] = []
        self.member = "member"
        self.arrangement = self._arrangement()

    def _draw(self, what: str, *choices: str) -> str:
        drawn = self._lot.choice(choices)
        self.described.append(f"{what}={drawn}")
        return drawn

    def _arrangement(self) -> Arrangement:
        databases = self._draw("databases", "one", "one", "apart", "apart, both with syncprov")
        self._overlays = [
            name
            for name in ("memberof", "dynlist\nolcDynListAttrSet: groupOfURLs memberURL member")
            if self._draw(name.partition("\n")[0], "yes", "no", "no") == "yes"
        ]
        self._set_settings()
        schema = self._schema()
        people, groups = self._people(), self._groups()
        overlays = ["syncprov", *self._overlays]
        if databases == "one":
            found = [Database(suffix=BASE, overlays=overlays, content=top(*people, *groups))]
        else:
            below = ["syncprov"] if "both" in databases else []
            apart = Database(
                suffix=PEOPLE, lines="olcSubordinate: TRUE", overlays=below, content=ldif(people)
            )
            found = [apart, Database(suffix=BASE, overlays=overlays, content=top(*groups))]
        return Arrangement(
            databases=found,
            schema=schema,
            more=_MONITOR if self._draw("monitor", "yes", "no") == "yes" else "",
        )

    def _set_settings(self) -> None:
        self.login = self._draw("login", "uid", "cn", "userid", "MAIL", "ownName", "ownAlias")
        self.role_name = self._draw("role name", "cn", "commonName", "2.5.4.3", "ownName")
        group_class = self._draw("groups", "groupOfNames", "groupOfUniqueNames", "GROUPOFNAMES")
        if group_class == "groupOfUniqueNames":
            self.member = "uniqueMember"
        self.group_class = group_class
        base = self._draw("base", BASE, PEOPLE, f"{PEOPLE}#ou=more,{PEOPLE}", f"OU=People,{BASE}")
        self.settings |= {
            "USER_STORE__USER_NAME_ATTRIBUTE": self.login,
            "USER_STORE__GROUP_NAME_ATTRIBUTE": self.role_name,
            "USER_STORE__GROUP_ENTRY_OBJECT_CLASS": group_class,
            "USER_STORE__USER_SEARCH_BASE": base,
            "USER_STORE__GROUP_SEARCH_BASE": self._draw("group base", BASE, GROUPS),
        }

    def _schema(self) -> str:
        equality = self._draw("EQUALITY", *_EQUALITY)
        substrings = self._draw("SUBSTR", *_SUBSTRINGS)
        is_text = equality not in _SYNTAXES
        self.is_octets = equality == "octetStringMatch"
        self.own_values = {
            "telephoneNumberMatch": ("alice", "555-1234", "5551234", "carl"),
            "numericStringMatch": ("007", "7", "0 07", "5551234"),
        }.get(equality, NAMES)
        return _SCHEMA.format(
            equality=f"EQUALITY {equality}" if equality else "",
            substrings=f"SUBSTR {substrings}" if substrings and equality and is_text else "",
            syntax=_SYNTAXES.get(equality, _DIRECTORY_STRING),
        )

    # Entries

    def _people(self) -> list[str]:
        entries = [folder("people"), folder("more", PEOPLE)]
        drawn = ["alice", *self._lot.sample(NAMES[1:], self._lot.randrange(3, 9))]
        names = {name_key(name): name for name in reversed(drawn)}  # as slapd compares DNs
        for number, name in enumerate(reversed(names.values())):
            parent = self._lot.choice((PEOPLE, PEOPLE, f"ou=more,{PEOPLE}"))
            dn = dn_in(parent, "uid", name)
            self.user_dns.append(dn)
            own = name if name in self.own_values else self._lot.choice(self.own_values)
            own = "0" if name == "alice" and name not in self.own_values else own
            lines = [
                "objectClass: inetOrgPerson",
                "objectClass: ownPerson",
                f"uid: {name}",
                f"cn: {name}",
                f"sn: {number}",
                f"mail: {name.encode('ascii', 'ignore').decode().replace(' ', '') or number}",
                f"ownName: {own}",
                f"userPassword: pw-{number}",
            ]
            if self._lot.random() < 0.3:
                lines.append(f"cn;lang-de: {self._lot.choice(NAMES)}")
            if self._lot.random() < 0.3:
                second = self._lot.choice([each for each in NAMES if each != name])
                lines.append(f"cn: {second}")
            entries.append(entry(dn, *lines))
        if self._draw("alias", "yes", "no") == "yes":
            entries.append(
                entry(
                    f"cn=alias,{PEOPLE}",
                    "objectClass: alias",
                    "objectClass: extensibleObject",
                    "cn: alias",
                    f"aliasedObjectName: {self.user_dns[0]}",
                )
            )
        if self._draw("referral", "yes", "no") == "yes":
            entries.append(
                entry(
                    f"ou=elsewhere,{PEOPLE}",
                    "objectClass: referral",
                    "objectClass: extensibleObject",
                    "ou: elsewhere",
                    "ref: ldap://127.0.0.1:1/ou=elsewhere",
                )
            )
        return entries

    def _groups(self) -> list[str]:
        entries = [folder("groups")]
        names = ["admin", *self._lot.sample(ROLES[1:], self._lot.randrange(2, 6))]
        self.group_dns = [dn_in(GROUPS, "cn", name) for name in names]
        for name, dn in zip(names, self.group_dns, strict=True):
            members = {self.user_dns[0]} if name == "admin" else set()
            members |= {self._member() for _ in range(self._lot.randrange(1, 5))}
            own = name if name in self.own_values or not self.own_values else None
            lines = [
                f"objectClass: {self.group_class}",
                "objectClass: ownPerson",
                f"cn: {name}",
                *(f"{self.member}: {each}" for each in sorted(members)),
            ]
            lines.append(f"ownName: {own or self._lot.choice(self.own_values)}")
            entries.append(entry(dn, *lines))
        if "dynlist" in "".join(self._overlays) and self._lot.random() < 0.7:
            url = f"ldap:///{PEOPLE}??sub?(objectClass=inetOrgPerson)"
            lines = ["objectClass: groupOfURLs", "cn: dynamic", f"memberURL: {url}"]
            entries.append(entry(f"cn=dynamic,{GROUPS}", *lines))
        return entries

    def _member(self) -> str:
        chance = self._lot.random()
        if chance < 0.6:
            return self._lot.choice(self.user_dns)
        if chance < 0.75:
            return self._lot.choice(self.group_dns)
        if chance < 0.85:
            return self._lot.choice(self.user_dns).replace("uid=", "UID=").upper()
        return f"uid=gone{self._lot.randrange(9)},{PEOPLE}"

    # Changes

    def change(self, tool: object) -> str:
        """One change by another tool; what it was."""
        act = self._lot.choice((self._delete, self._rename, self._regroup, self._add, self._edit))
        return str(act(tool))

    def _delete(self, tool: object) -> str:
        dn = self._lot.choice(self.user_dns[1:] or [""])
        return self._done(f"delete {dn}", tool, "delete", dn)

    def _rename(self, tool: object) -> str:
        dn, name = self._lot.choice(self.user_dns[1:] or [""]), self._lot.choice(NAMES[1:])
        return self._done(f"rename {dn} {name}", tool, "rename", dn, dn_in("", "uid", name)[:-1])

    def _regroup(self, tool: object) -> str:
        dn = self._lot.choice(self.group_dns)
        act = self._lot.choice(("add_values", "delete_values"))
        member = self._lot.choice([self._member(), *self.user_dns[1:]])
        return self._done(f"{act} {dn} {member}", tool, act, dn, **{self.member: member})

    def _add(self, tool: object) -> str:
        name = self._lot.choice(NAMES[1:])
        dn, classes = dn_in(PEOPLE, "uid", name), ["inetOrgPerson", "ownPerson"]
        own = self._lot.choice(self.own_values)
        self.user_dns.append(dn)
        given = {"uid": name, "cn": name, "sn": "x", "mail": "m", "ownName": own}
        return self._done(f"add {dn} {own}", tool, "add", dn, classes, **given)

    def _edit(self, tool: object) -> str:
        dn, own = self._lot.choice(self.user_dns), self._lot.choice(self.own_values)
        if dn == self.user_dns[0]:
            return "nothing"
        return self._done(f"edit {dn} {own}", tool, "replace", dn, ownName=own)

    def _done(self, what: str, tool: object, act: str, *args: object, **more: object) -> str:
        try:
            getattr(tool, act)(*args, **more)
        except AssertionError as refused:
            return f"{what}: {refused}"
        return what
