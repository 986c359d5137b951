"""Checks that the server's schema allows the entry of a new user (RFC 4512 §2.4)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.layout.new_entries import new_user
from mi_ldap.ldap.names import rdn_pairs
from mi_ldap.ldap.operations import Add
from mi_ldap.ldap.schema import Schema

# Entries of this class may have every attribute (RFC 4512 §4.3).
_ANY_ATTRIBUTE: Final = "extensibleobject"
_REMEDY: Final = (
    "Set user_store.user_object_classes and user_store.user_attributes as existing entries have "
    'them, for example user_attributes = ["cn={name}", "uidNumber={number}"].'
)


def new_users(context: CheckContext) -> Iterator[Finding]:
    """Report what the schema requires of a new user and the configuration lacks, or the reverse."""
    # Active Directory sets most of the required attributes itself.
    if not context.is_writable or context.server_type == "active_directory":
        return
    schema = context.layout.profile.schema
    if not schema.attributes or not schema.classes:
        return
    entry = new_user(context.layout, "mildapdoctor")
    faults = [*_faults(schema, entry)]
    for fault in faults:
        yield Finding("new-users", "fail", f"The server would reject a new user: {fault}.", _REMEDY)
    if not faults:
        yield Finding(
            "new-users",
            "pass",
            f"New users are created with the classes {', '.join(entry.classes)}.",
        )


def _faults(schema: Schema, entry: Add) -> Iterator[str]:
    known = [name for name in entry.classes if name.lower() in schema.classes]
    yield from _structural_faults(schema, known)
    present = {name.lower() for name in entry.attributes} | {"objectclass"}
    for name in known:
        for attribute in sorted(schema.required_by(name)):
            if not schema.names_of(attribute) & present:
                yield f"the class {name} needs the attribute {attribute}"
    if any(name.lower() == _ANY_ATTRIBUTE for name in known):
        return
    named_by = [kind for kind, _ in rdn_pairs(entry.dn)]
    for attribute in dict.fromkeys([*entry.attributes, *named_by]):
        is_known = attribute.lower() in schema.attributes
        if is_known and not schema.allows(known, attribute):
            yield f"none of the classes {', '.join(known)} allows the attribute {attribute}"


def _structural_faults(schema: Schema, classes: Sequence[str]) -> Iterator[str]:
    """Check that the entry has one structural class, apart from its superclasses."""
    structural = [name for name in classes if schema.is_structural(name)]
    if classes and not structural:
        yield f"none of the classes {', '.join(classes)} is structural"
    for one, other in itertools.pairwise(structural):
        related = other.lower() in schema.superiors(one) or one.lower() in schema.superiors(other)
        if not related:
            yield f"an entry cannot be of the classes {one} and {other} at once"
