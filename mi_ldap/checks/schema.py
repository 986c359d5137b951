"""Whether the server's schema has the attributes and classes that the service uses.

The schema is read from the subschema entry (RFC 4512 §4.2), in Active Directory `CN=Aggregate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.layout.directory_layout import (
    ACCOUNT_CLASS,
    ADMIN_ROLE_CLASS,
    HYBRID_MEMBER,
    HYBRID_ROLE_CLASS,
)
from mi_ldap.ldap.schema import Schema

OPENLDAP_LOAD = "ldapadd -Y EXTERNAL -H ldapi:/// -f config/schema/mi-ldap.ldif"
_LOAD_SCHEMA = {
    "openldap": f"Load the service's schema on the directory's server: {OPENLDAP_LOAD}",
    "389ds": "Copy config/schema/mi-ldap-389ds.ldif to the instance's schema folder as "
    "98mi-ldap.ldif and restart it.",
}
_USE_OTHER_ATTRIBUTES = (
    "Or set user_store.custodian_attribute and user_store.epoch_attribute to existing attributes "
    "that users cannot write and nothing else uses: see docs/custody.md."
)


def schema(context: CheckContext) -> Iterator[Finding]:
    """Report attributes and classes that are missing, multi-valued, or not allowed for users."""
    found = context.layout.profile.schema
    if not found.attributes:
        yield Finding(
            "schema",
            "skip",
            "The account cannot read the server's schema.",
            "Let the account read the entry that the root DSE names as subschemaSubentry.",
        )
        return
    faults = [
        *_unknown(context, found),
        *_multi_valued(context, found),
        *_not_allowed(context, found),
    ]
    if faults:
        yield from faults
        return
    sentence = "The server knows all attributes and classes"
    if not context.services.settings.is_admin_role_hybrid:
        sentence += f" (custodian: {context.layout.custodian or 'none'})"
    yield Finding("schema", "pass", f"{sentence}.")


def _unknown(context: CheckContext, found: Schema) -> Iterator[Finding]:
    """Report unknown names: one finding for the service's own schema, one for each other name."""
    wanted = [
        *(
            (key, name)
            for key, name in _attributes_of(context)
            if not _is_in(found.attributes, name)
        ),
        *((key, name) for key, name in _classes_of(context) if not _is_in(found.classes, name)),
    ]
    own = [name for _, name in wanted if name.lower().startswith("mildap")]
    if own and not context.is_writable:
        sentence = "The server does not know the service's attributes, which only changes need."
        yield Finding("schema", "skip", sentence)
    elif own:
        sentence = f"The server does not know {', '.join(own)}."
        remedy = "\n".join(
            filter(None, [_LOAD_SCHEMA.get(context.server_type, ""), _USE_OTHER_ATTRIBUTES])
        )
        yield Finding("schema", "fail", sentence, remedy)
    for key, name in wanted:
        if name not in own:
            sentence = f"The server does not know {name}."
            remedy = f"Set user_store.{key} to one that it knows, or load the schema with {name}."
            yield Finding("schema", "fail", sentence, remedy)


def _is_in(definitions: Mapping[str, str], name: str) -> bool:
    return not name or name.lower() in definitions


def _multi_valued(context: CheckContext, found: Schema) -> Iterator[Finding]:
    for key, name in context.markers.items():
        if name.lower() in found.attributes and not found.is_single(name):
            yield Finding(
                "schema",
                "fail",
                f"{name} may have several values; the service needs a single-valued attribute.",
                f"Set user_store.{key} to a single-valued attribute.",
            )


def _not_allowed(context: CheckContext, found: Schema) -> Iterator[Finding]:
    """Report borrowed attributes that the existing classes of users do not allow."""
    layout = context.layout
    # With the schema of the service, its own auxiliary class allows them.
    if layout.own_classes or not found.classes:
        return
    first = context.users.entries[0] if context.users.entries else None
    classes = first.all("objectClass") if first else [layout.user_class]
    for key, name in context.markers.items():
        if name.lower() in found.attributes and not found.allows(classes, name):
            yield Finding(
                "schema",
                "fail",
                f"No class of users allows {name}.",
                f"Set user_store.{key} to an attribute that {layout.user_class} allows, or load "
                "config/schema and remove the key.",
            )


def _attributes_of(context: CheckContext) -> list[tuple[str, str]]:
    layout = context.layout
    return [
        *context.markers.items(),
        ("user_name_attribute", layout.user_name),
        ("group_name_attribute", layout.role_name),
        ("membership_attribute", layout.member),
        ("user_id_attribute", layout.user_id),
        *([("hybrid_role_base", HYBRID_MEMBER)] if _has_hybrid_members(context) else []),
    ]


def _has_hybrid_members(context: CheckContext) -> bool:
    return bool(context.layout.hybrid_role_base) and context.layout.own_classes


def _classes_of(context: CheckContext) -> list[tuple[str, str]]:
    layout = context.layout
    classes = [
        ("user_entry_object_class", layout.user_class),
        ("group_entry_object_class", layout.role_class),
    ]
    if layout.own_classes and context.markers:
        classes += [("custodian_attribute", each) for each in (ACCOUNT_CLASS, ADMIN_ROLE_CLASS)]
    if _has_hybrid_members(context):
        classes.append(("hybrid_role_base", HYBRID_ROLE_CLASS))
    return classes
