"""Whether the server knows the attributes and classes that are used, and takes them where they go.

Read from the subschema (RFC 4512 §4.2): Active Directory's is its `CN=Aggregate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.layout.directory_layout import ACCOUNT_CLASS, ADMIN_ROLE_CLASS
from mi_ldap.ldap.schema import Schema

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


def schema(patient: CheckContext) -> Iterator[Finding]:
    """What is missing from the server's schema, or lies there in another shape."""
    found = patient.tree.profile.schema
    if not found.attributes:
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


def _unknown(patient: CheckContext, found: Schema) -> Iterator[Finding]:
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


def _misshapen(patient: CheckContext, found: Schema) -> Iterator[Finding]:
    for key, name in _marks_of(patient).items():
        if name.lower() in found.attributes and not found.is_single(name):
            yield Finding(
                "schema",
                "fail",
                f"{name} may have several values; the service's marks must have one.",
                f"Set user_store.{key} to a single-valued attribute.",
            )


def _not_taken(patient: CheckContext, found: Schema) -> Iterator[Finding]:
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


def _attributes_of(patient: CheckContext) -> list[tuple[str, str]]:
    tree = patient.tree
    return [
        *_marks_of(patient).items(),
        ("user_name_attribute", tree.user_name),
        ("group_name_attribute", tree.role_name),
        ("membership_attribute", tree.member),
        ("user_id_attribute", tree.user_id),
    ]


def _marks_of(patient: CheckContext) -> dict[str, str]:
    tree = patient.tree
    marks = {"custodian_attribute": tree.custodian, "epoch_attribute": tree.epoch}
    return {key: name for key, name in marks.items() if name}


def _classes_of(patient: CheckContext) -> list[tuple[str, str]]:
    tree = patient.tree
    classes = [
        ("user_entry_object_class", tree.user_class),
        ("group_entry_object_class", tree.role_class),
    ]
    if tree.own_classes:
        classes += [("custodian_attribute", each) for each in (ACCOUNT_CLASS, ADMIN_ROLE_CLASS)]
    return classes
