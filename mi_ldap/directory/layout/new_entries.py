"""The entries of new users and roles."""

from __future__ import annotations

import secrets
from typing import Final

from mi_ldap import account_state
from mi_ldap.directory.layout.directory_layout import PLACEHOLDER_DN, DirectoryLayout
from mi_ldap.errors import BadRequest
from mi_ldap.ldap import names
from mi_ldap.ldap.operations import Add
from mi_ldap.model import User
from mi_ldap.name_rules import MAX_NAME_BYTES

# The upper half of the 31-bit range: tools assign gidNumbers from the lower end.
_GID_NUMBERS: Final = range(1 << 30, (1 << 31) - 1)

_REQUIRED_FOR_USERS: Final = frozenset({"userAccountControl"})
"""Always set: without it Active Directory creates an enabled account without a password."""


def new_user(layout: DirectoryLayout, name: str, mark: str = "") -> Add:
    """Return the entry of a user that is being created: without a password, marked as unfinished.

    Args:
        layout: the configured base, classes and attributes.
        name: of the user.
        mark: of the creation, 16 hexadecimal digits; a random one by default.

    Raises:
        BadRequest: the directory does not take the name.
    """
    _ensure_valid(layout, name)
    attributes = _configured_attributes(layout, name)
    attributes[layout.user_name] = [name]
    attributes[layout.epoch] = [account_state.unfinished(mark or account_state.new_nonce())]
    classes = (layout.user_class, *layout.user_object_classes, layout.account_class)
    return Add(_user_dn(layout, name), tuple(filter(None, dict.fromkeys(classes))), attributes)


def new_role(layout: DirectoryLayout, name: str) -> Add:
    """Return the entry of an empty role.

    Raises:
        BadRequest: the directory does not take the name.
    """
    _ensure_short(name)
    attributes = {layout.role_name: [name]}
    if layout.group_schema.requires_member:
        attributes[layout.member] = [PLACEHOLDER_DN]
    if layout.role_class.lower() == "posixgroup":
        attributes["gidNumber"] = [str(secrets.choice(_GID_NUMBERS))]
    return Add(_role_dn(layout, name), (layout.role_class,), attributes)


def new_admin_role(layout: DirectoryLayout, name: str, first_admin: User) -> Add:
    """Return the entry of the admin role with its first holder."""
    role = new_role(layout, name)
    attributes = dict(role.attributes)
    member = layout.member_value(first_admin)
    attributes[layout.member] = [*attributes.get(layout.member, ()), member]
    attributes[layout.first_admin] = [first_admin.id]
    classes = tuple(filter(None, (*role.classes, layout.admin_role_class)))
    return Add(role.dn, classes, attributes)


def _configured_attributes(layout: DirectoryLayout, name: str) -> dict[str, list[str]]:
    """Return the attributes of the settings, or of the profile if none are set."""
    configured = layout.configured_user_attributes
    number = str(secrets.choice(_GID_NUMBERS))
    attributes = {
        attribute: [text.replace("{0}", name)]
        for attribute, text in layout.profile.new_user
        if configured is None or attribute in _REQUIRED_FOR_USERS
    }
    for attribute, text in configured or ():
        value = text.replace("{name}", name).replace("{number}", number)
        attributes.setdefault(attribute, []).append(value)
    return attributes


def _user_dn(layout: DirectoryLayout, name: str) -> str:
    if layout.user_dn_pattern:
        return names.dn_from_pattern(layout.user_dn_pattern, name)
    return names.dn_in(layout.user_bases[0], layout.rdn_attribute, name)


def _role_dn(layout: DirectoryLayout, name: str) -> str:
    if layout.role_dn_pattern:
        return names.dn_from_pattern(layout.role_dn_pattern, name)
    return names.dn_in(layout.role_bases[0], layout.role_name, name)


def _ensure_valid(layout: DirectoryLayout, name: str) -> None:
    _ensure_short(name)
    limit, forbidden = layout.profile.name_limit, layout.profile.forbidden_in_names
    if limit and len(name) > limit:
        raise BadRequest(f"The directory takes names of up to {limit} characters.")
    if any(char in forbidden for char in name):
        raise BadRequest(f"The directory takes no name with one of {forbidden}.")


def _ensure_short(name: str) -> None:
    if names.stored_length(name) > MAX_NAME_BYTES:
        raise BadRequest("The directory takes no name as long as this one.")
