"""The layout of a configured directory: the settings over the defaults of the server's profile."""

from __future__ import annotations

from functools import partial

from mi_ldap.directory.layout.directory_layout import (
    ACCOUNT_CLASS,
    ADMIN_ROLE_CLASS,
    DirectoryLayout,
)
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.ldap import names
from mi_ldap.settings import UserStoreSettings

_OWN_CUSTODIAN, _OWN_REVISION = "miLdapCustodian", "miLdapRevision"
_OWN_FIRST_ADMIN = "miLdapFirstAdmin"


def build_layout(user_store: UserStoreSettings, profile: Profile) -> DirectoryLayout:
    """Return the layout; the profile has the defaults of what is not configured."""
    schema = profile.schema
    with_types = partial(names.with_types, rename=schema.attribute)
    user_class = schema.object_class(user_store.user_entry_object_class or profile.user_class)
    user_name = schema.attribute(user_store.user_name_attribute or profile.user_name)
    role_class = schema.object_class(user_store.group_entry_object_class or profile.role_class)
    role_name = schema.attribute(user_store.group_name_attribute or profile.role_name)
    member = user_store.membership_attribute
    people, groups = profile.list_filter.format(user_class), f"(objectClass={role_class})"
    custodian = schema.attribute(user_store.custodian_attribute or profile.custodian)
    epoch = schema.attribute(user_store.epoch_attribute or profile.epoch)
    own_classes = custodian == _OWN_CUSTODIAN
    # Existing attributes are used on groups too, whose class may not allow them.
    revision, first_admin = (_OWN_REVISION, _OWN_FIRST_ADMIN) if own_classes else (epoch, custodian)
    # An entry of this class may have any attribute (RFC 4512 §4.3).
    open_class = "extensibleObject" if profile.own_classes else ""
    return DirectoryLayout(
        profile=profile,
        group_schema=profile.group_schema(role_class, schema.attribute(member) if member else None),
        user_bases=tuple(with_types(base) for base in user_store.user_search_base),
        role_bases=tuple(with_types(base) for base in user_store.group_search_base),
        user_filter=user_store.user_name_search_filter or f"(&{people}({user_name}=?))",
        user_list_filter=user_store.user_name_list_filter or people,
        role_filter=user_store.group_name_search_filter or f"(&{groups}({role_name}=?))",
        role_list_filter=user_store.group_name_list_filter or groups,
        user_class=user_class,
        role_class=role_class,
        user_name=user_name,
        rdn_attribute=user_name
        if profile.rdn_attribute == profile.user_name
        else profile.rdn_attribute,
        role_name=role_name,
        member_of=schema.attribute(user_store.member_of_attribute),
        user_id=schema.attribute(user_store.user_id_attribute or profile.user_id),
        custodian=custodian,
        epoch=epoch,
        revision=revision,
        first_admin=first_admin,
        account_class=ACCOUNT_CLASS if own_classes else "",
        admin_role_class=ADMIN_ROLE_CLASS if own_classes else open_class,
        user_dn_pattern=with_types(user_store.user_dn_pattern or "") or None,
        role_dn_pattern=with_types(user_store.role_dn_pattern or "") or None,
        reads_roles=user_store.read_groups,
        user_object_classes=user_store.user_object_classes,
        configured_user_attributes=user_store.user_attributes,
        deletes_subtree=user_store.delete_subtree,
        hybrid_role_base=with_types(user_store.hybrid_role_base or ""),
    )
