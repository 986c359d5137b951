"""Updates of the rows of hybrid roles after other tools have changed users or rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mi_ldap.hybrid_roles import HybridMember
from mi_ldap.model import User
from mi_ldap.sql.hybrid_members import domain_and_name
from mi_ldap.sql.hybrid_queries import role_key
from mi_ldap.sql.hybrid_rows import HybridRows, domain_and_id


@dataclass(frozen=True, slots=True)
class HybridUpkeep:
    """Changes of the rows, in an open transaction; `HybridRoles` specifies each method."""

    rows: HybridRows

    def update_users(self, gone: Sequence[User], renamed: Sequence[User]) -> None:
        """Delete all that is stored of users that are gone; store the present names of others."""
        self.rows.lock_admin_role()
        self._mark_admins()
        for user in gone:
            self.rows.delete_user(user)
        roles: list[set[int]] = []
        # The rows of all users are deleted before one is inserted: two users may have swapped their
        # names.
        for user in renamed:
            found = self.rows.memberships.of_user(self.rows.connection, user)
            self.rows.delete_members(found)
            roles.append({each.role_key for each in found})
        for user in renamed:
            self.rows.update_user(user, user_name=domain_and_name(user)[1])
        for user, keys in zip(renamed, roles, strict=True):
            for key in sorted(keys):
                self.rows.insert_member(key, user)

    def store_ids(self, found: Iterable[tuple[HybridMember, User]]) -> None:
        """Store the ids of members; skip those that have an id by now."""
        self.rows.lock_admin_role()
        for member, user in found:
            self._store_id(member, user)
        self._mark_admins()

    def delete_stale_members(self, members: Iterable[HybridMember]) -> None:
        """Delete the memberships of members without an id, unless they have one by now."""
        self.rows.lock_admin_role()
        column = self.rows.queries.tables.hybrid_user_role.c.um_user_name
        for member in members:
            found = self.rows.memberships.find(self.rows.connection, column == member.name)
            self.rows.delete_members(each for each in found if each.member == member)

    def _store_id(self, member: HybridMember, user: User) -> None:
        domain, user_id = domain_and_id(user)
        column = self.rows.queries.tables.hybrid_user_role.c.um_user_name
        rows = [
            each
            for each in self.rows.memberships.find(self.rows.connection, column == member.name)
            if each.member == member
        ]
        if not rows:
            return
        if self.rows.memberships.name_of(self.rows.connection, domain, user_id) is None:
            self.rows.set_identity(domain, user_id, member.name)
            return
        # MI has written another name than the one that is stored with the id: replace the rows.
        self.rows.delete_members(rows)
        held = {each.role_key for each in self.rows.memberships.of_user(self.rows.connection, user)}
        for key in sorted({each.role_key for each in rows} - held):
            self.rows.insert_member(key, user)

    def _mark_admins(self) -> None:
        """Mark the admin role if another tool has assigned it, so that bootstrap is over."""
        admin_role = self.rows.queries.admin_role(self.rows.connection)
        if admin_role is None or admin_role.first_admin_id:
            return
        members = [each.user_id for each in admin_role.members if not each.domain]
        # Any of them: the mark only says that there was an admin.
        if first := min(filter(None, members), default=None):
            self.rows.mark_first_admin(role_key(admin_role.role), first)
