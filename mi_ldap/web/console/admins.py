"""Who made the admins, for the pages that show them."""

from __future__ import annotations

from mi_ldap.web.context import current_performer, services


def creators() -> dict[str, str]:
    """Return the name of each admin's custodian, or `""`, by the admin's name."""
    admin_role = current_performer().admin_role
    return services().admins.creators(admin_role) if admin_role else {}


def first_admin_name() -> str:
    """Return the name of the first admin; `""` where it is not known."""
    admin_role = current_performer().admin_role
    if admin_role is None or not admin_role.first_admin_id:
        return ""
    first = services().store.view().user(admin_role.first_admin_id)
    return first.name if first else ""
