"""Whether the server knows the attributes and classes that are used, and takes them where they go.

Read from the subschema (RFC 4512 §4.2): Active Directory's is its `CN=Aggregate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mi_ldap.directory.tree import ACCOUNT_CLASS, ADMIN_ROLE_CLASS
from mi_ldap.doctor.findings import Finding
from mi_ldap.doctor.patient import Patient

_NAME = re.compile(r"\bNAME\s+(?:'(?P<one>[^']+)'|\((?P<many>[^)]*)\))")
_LIST = r"\b{}\s+(?:\((?P<many>[^)]*)\)|(?P<one>[\w.;-]+))"
_SUP, _MUST, _MAY = (re.compile(_LIST.format(word)) for word in ("SUP", "MUST", "MAY"))

OPENLDAP_LOAD = "ldapadd -Y EXTERNAL -H ldapi:/// -f config/schema/mi-ldap.ldif"
_LOAD = {
    "openldap": f"Load our schema on the directory's server: {OPENLDAP_LOAD}",
    "389ds": "Copy config/schema/mi-ldap-389ds.ldif to the instance's schema folder as "
    "98mi-ldap.ldif and restart it.",
}
_BORROW = (
    "Or set user_store.custodian_attribute and user_store.epoch_attribute to attributes that are "
    "there, that users can't write and nothing else uses: see docs/custody.md."
)


@dataclass(frozen=True, slots=True)
class Schema:
    """The definitions by lower-case name, as the server writes them."""

    attributes: Mapping[str, str]
    classes: Mapping[str, str]

    def required_by(self, name: str) -> set[str]:
        """The attributes that an entry of the class must have, by their lower-case names."""
        return {each for kind in self.superiors(name) for each in _listed(_MUST, self._of(kind))}

    def superiors(self, name: str) -> set[str]:
        """The class and those above it, by their lower-case names."""
        found, wanted = set[str](), [name.lower()]
        while wanted:
            each = wanted.pop()
            if each not in found:
                found.add(each)
                wanted += _listed(_SUP, self._of(each))
        return found

    def is_structural(self, name: str) -> bool:
        """Whether the class can make an entry (RFC 4512 §2.4.2)."""
        return not re.search(r"\b(ABSTRACT|AUXILIARY)\b", self._of(name))

    def names_of(self, attribute: str) -> set[str]:
        """All names of the attribute, in lower case."""
        return {attribute.lower(), *_names(self.attributes.get(attribute.lower(), ""))}

    def _of(self, name: str) -> str:
        return self.classes.get(name.lower(), "")

    def is_single(self, attribute: str) -> bool:
        return "SINGLE-VALUE" in self.attributes.get(attribute.lower(), "")

    def allows(self, classes: Iterable[str], attribute: str) -> bool:
        """Whether an entry of the classes may have the attribute."""
        aliases = set(_names(self.attributes.get(attribute.lower(), ""))) | {attribute.lower()}
        return any(aliases & self._allowed_by(each.lower(), set()) for each in classes)

    def _allowed_by(self, name: str, seen: set[str]) -> set[str]:
        definition = self.classes.get(name, "")
        if name in seen or not definition:
            return set()
        seen.add(name)
        allowed = {*_listed(_MUST, definition), *_listed(_MAY, definition)}
        for parent in _listed(_SUP, definition):
            allowed |= self._allowed_by(parent, seen)
        return allowed


def schema(patient: Patient) -> Iterator[Finding]:
    """What is missing from the server's schema, or lies there in another shape."""
    found = read_schema(patient)
    if found is None:
        yield Finding(
            "schema",
            "skip",
            "The server's schema can't be seen.",
            "Let the account read the entry that the root DSE names as subschemaSubentry.",
        )
        return
    faults = [*_unknown(patient, found), *_misshapen(patient, found), *_not_taken(patient, found)]
    if faults:
        yield from faults
        return
    mark = patient.tree.custodian or "none"
    yield Finding("schema", "pass", f"All attributes and classes are known ({mark} among them).")


def read_schema(patient: Patient) -> Schema | None:
    """The server's schema; None where it can't be seen."""
    where = patient.root.first("subschemaSubentry")
    if not where:
        return None
    with patient.session() as session:
        entry = session.read(where, "(objectClass=*)", ["attributeTypes", "objectClasses"])
    if entry is None or not entry.all("attributeTypes"):
        return None
    return Schema(_by_name(entry.all("attributeTypes")), _by_name(entry.all("objectClasses")))


def _unknown(patient: Patient, found: Schema) -> Iterator[Finding]:
    """One finding for all of ours, which come together, and one for each other."""
    wanted = [
        *(
            (key, name)
            for key, name in _attributes_of(patient)
            if not _is_in(found.attributes, name)
        ),
        *((key, name) for key, name in _classes_of(patient) if not _is_in(found.classes, name)),
    ]
    ours = [name for _, name in wanted if name.lower().startswith("mildap")]
    if ours and not patient.is_writable:
        sentence = "The server does not know the service's marks, which only changes need."
        yield Finding("schema", "skip", sentence)
    elif ours:
        sentence = f"The server does not know {', '.join(ours)}."
        remedy = "\n".join(filter(None, [_LOAD.get(patient.kind, ""), _BORROW]))
        yield Finding("schema", "fail", sentence, remedy)
    for key, name in wanted:
        if name not in ours:
            sentence = f"The server does not know {name}."
            remedy = f"Set user_store.{key} to one that it knows, or load the schema of {name}."
            yield Finding("schema", "fail", sentence, remedy)


def _is_in(definitions: Mapping[str, str], name: str) -> bool:
    return not name or name.lower() in definitions


def _misshapen(patient: Patient, found: Schema) -> Iterator[Finding]:
    for key, name in _marks_of(patient).items():
        if name.lower() in found.attributes and not found.is_single(name):
            yield Finding(
                "schema",
                "fail",
                f"{name} may have several values; the service's marks must have one.",
                f"Set user_store.{key} to a single-valued attribute.",
            )


def _not_taken(patient: Patient, found: Schema) -> Iterator[Finding]:
    """Attributes that are borrowed must be allowed by the classes that users have already."""
    tree = patient.tree
    if tree.own_classes or not found.classes:
        return
    first = patient.users.entries[0] if patient.users.entries else None
    classes = first.all("objectClass") if first else [tree.user_class]
    for key, name in _marks_of(patient).items():
        if name.lower() in found.attributes and not found.allows(classes, name):
            yield Finding(
                "schema",
                "fail",
                f"No class of users allows {name}.",
                f"Set user_store.{key} to an attribute that {tree.user_class} allows, or load "
                "config/schema and remove the key.",
            )


def _attributes_of(patient: Patient) -> list[tuple[str, str]]:
    tree = patient.tree
    return [
        *_marks_of(patient).items(),
        ("user_name_attribute", tree.user_name),
        ("group_name_attribute", tree.role_name),
        ("membership_attribute", tree.member),
        ("user_id_attribute", tree.user_id),
    ]


def _marks_of(patient: Patient) -> dict[str, str]:
    tree = patient.tree
    marks = {"custodian_attribute": tree.custodian, "epoch_attribute": tree.epoch}
    return {key: name for key, name in marks.items() if name}


def _classes_of(patient: Patient) -> list[tuple[str, str]]:
    tree = patient.tree
    classes = [
        ("user_entry_object_class", tree.user_class),
        ("group_entry_object_class", tree.role_class),
    ]
    if tree.own_classes:
        classes += [("custodian_attribute", each) for each in (ACCOUNT_CLASS, ADMIN_ROLE_CLASS)]
    return classes


def _by_name(definitions: Iterable[str]) -> dict[str, str]:
    return {name: text for text in definitions for name in _names(text)}


def _names(definition: str) -> list[str]:
    match = _NAME.search(definition)
    if not match:
        return []
    return [match["one"].lower()] if match["one"] else re.findall(r"[\w.;-]+", match[0].lower())[1:]


def _listed(pattern: re.Pattern[str], definition: str) -> list[str]:
    match = pattern.search(definition)
    if not match:
        return []
    return re.findall(r"[\w.;-]+", (match["one"] or match["many"]).lower())
