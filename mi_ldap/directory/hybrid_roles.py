"""`DirectoryHybridRoles`: hybrid roles as groups below a base of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Protocol

import structlog

from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.directory_layout import PLACEHOLDER_DN
from mi_ldap.directory.layout.hybrid_groups import (
    HybridGroup,
    HybridLayout,
    hybrid_group,
    hybrid_layout,
    hybrid_role,
)
from mi_ldap.directory.layout.new_entries import new_role
from mi_ldap.directory.reads import queries
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.writes import execution
from mi_ldap.directory.writes.plans import GuardedOperation
from mi_ldap.directory.writes.writer import Writer
from mi_ldap.errors import BadRequest, Conflict, DirectoryUnavailable, Forbidden, RoleExists
from mi_ldap.hybrid_roles import HybridAccount, HybridAdminRole, HybridMember, HybridRoleReads
from mi_ldap.ldap import names
from mi_ldap.ldap.operations import Add, Delete, Modification, Modify
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.model import EntryId, Names, Role, User
from mi_ldap.name_folding import folded
from mi_ldap.name_rules import EVERYONE, is_hybrid_name
from mi_ldap.store import AssignRole, DeleteRole, DeleteUser, RevokeRole, Step

log = structlog.get_logger()


class _Context(Protocol):
    """The parts of the primary store that this module uses; they depend on the kind of server."""

    @property
    def reader(self) -> Reader: ...

    @property
    def writer(self) -> Writer: ...


class _Writing(Protocol):
    """Yields the parts for a change; raises `ReadOnlyStore` if the store is read-only."""

    def __call__(self, *, roles: bool = ...) -> AbstractContextManager[_Context]: ...


class DirectoryHybridRoles:
    """Implements `mi_ldap.hybrid_roles.HybridRoles`, whose docstrings specify each method.

    The admin role is never one of these roles, so no custodian or account state is stored here.

    Args:
        context: returns the parts of the primary store.
        writing: yields the parts for a change.
        writable: False if the settings allow no changes.
    """

    hides_groups = False

    def __init__(
        self, context: Callable[[], _Context], writing: _Writing, *, writable: bool
    ) -> None:
        self.writable = writable
        self._context = context
        self._writing = writing

    def close(self) -> None:
        """Do nothing: the connections are those of the user store."""

    def check(self) -> None:
        # Finds nothing, by an indexed attribute, but only if the base can be read.
        self._reader.find_role(EVERYONE)

    def contains(self, role: Role) -> bool:
        # Only groups of the primary store: the locator of a role of a secondary store is no DN.
        return not role.domain and names.is_under(role.locator, self._hybrid.layout.role_bases[0])

    def view(self) -> HybridRoleReads:
        return self

    def find_role(self, name: str) -> Role | None:
        found = self._reader.find_role(name)
        # `found.name` may be another one than `name`: a group can have several.
        return hybrid_role(found) if found and _is_shown(found.name) else None

    def role_names(self) -> Names:
        found = self._reader.role_names()
        return Names(tuple(filter(_is_shown, found.names)), found.complete)

    def members(self, role: Role) -> tuple[HybridMember, ...]:
        group = self._group(role)
        return self._members(group) if group else ()

    def members_without_id(self) -> tuple[HybridMember, ...]:
        """Return none: `clean_up` stores ids."""
        return ()

    def roles_of(self, user: User) -> tuple[Role, ...]:
        if user.domain and not self._hybrid.member_id:
            return ()
        found = self._reader.answer(
            queries.roles(self._hybrid.layout, self._hybrid.has_member(user))
        )
        return tuple(hybrid_role(role) for role in found if _is_shown(role.name))

    def admin_role(self) -> HybridAdminRole | None:
        return None

    def accounts(self, user_ids: Collection[str]) -> Mapping[str, HybridAccount]:
        return {}

    def dependents_of(self, user: User) -> tuple[EntryId, ...]:
        return ()

    def create_role(self, name: str) -> Role:
        layout = self._hybrid.layout
        entry = new_role(layout, name)
        added = Add(entry.dn, self._hybrid.classes, entry.attributes)
        with self._writing(roles=True) as context, context.writer.connection() as connection:
            try:
                connection.do(added)
            except LdapError as error:
                if error.code in ldap_errors.EXISTS or ldap_errors.is_duplicate(error):
                    raise RoleExists(name) from error
                if error.code == ResultCode.NO_SUCH_OBJECT:
                    raise _no_base(layout.role_bases[0]) from error
                raise
        created = self.find_role(name)
        if created is None:
            raise DirectoryUnavailable("The directory does not return the new role yet.")
        return created

    def apply(self, steps: tuple[Step, ...], apply_to_stores: Callable[[], None]) -> None:
        with self._writing(roles=any(not isinstance(step, DeleteUser) for step in steps)) as parts:
            writer = parts.writer
            profile, reconnect = writer.layout.profile, writer.connect_to_undo
            operations = self._changes_of_members(steps)
            if operations:
                with writer.connection() as connection:
                    execution.carry_out(connection, reconnect, profile, operations)
            try:
                apply_to_stores()
            except BaseException:
                execution.undo_on_new_connection(reconnect, profile, operations)
                raise
            # Last, because it cannot be undone. Beside it `apply_to_stores` only checks guards.
            for step in steps:
                if isinstance(step, DeleteRole):
                    with writer.connection() as connection:
                        connection.do(Delete(self._hybrid.layout.target(step.role)))

    def namesakes(self, user: User) -> Mapping[EntryId, str]:
        """Return none: members are stored by id."""
        return {}

    def namesakes_without_id(self, user: User) -> tuple[HybridMember, ...]:
        """Return none, see `namesakes`."""
        return ()

    def update_users(self, gone: Sequence[User], renamed: Sequence[User]) -> None:
        """Do nothing, see `namesakes`."""

    def store_ids(self, found: Sequence[tuple[HybridMember, User]]) -> None:
        """Do nothing, see `members_without_id`."""

    def delete_stale_members(self, members: Sequence[HybridMember]) -> None:
        """Do nothing, see `members_without_id`."""

    def clean_up(self) -> None:
        if not self._hybrid.member_id:
            return
        for group in self._all_groups():
            changes = group.recording(self._reader.users_among(group.unrecorded))
            if not changes:
                continue
            with self._writing(roles=True) as context, context.writer.connection() as connection:
                try:
                    connection.do(Modify(self._hybrid.layout.target(group.role), changes))
                except LdapError as error:
                    if error.code not in ldap_errors.CHANGED_MEANWHILE:
                        raise
                    continue  # the next cleanup does it
            log.info("hybrid_members_recorded", role=group.role.name)

    @cached_property
    def _hybrid(self) -> HybridLayout:
        return hybrid_layout(self._context().reader.layout)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self._context().reader.pool, self._hybrid.layout)

    @property
    def _more_attributes(self) -> list[str]:
        """The attributes to read of a group besides those of other groups."""
        return [self._hybrid.member_id] if self._hybrid.member_id else []

    def _group(self, role: Role) -> HybridGroup | None:
        entry = self._reader.group(role, *self._more_attributes)
        return hybrid_group(self._hybrid, entry) if entry else None

    def _all_groups(self) -> list[HybridGroup]:
        entries = self._reader.answer(self._reader.query_groups("", self._more_attributes))
        groups = [hybrid_group(self._hybrid, entry) for entry in entries]
        return [each for each in groups if _is_shown(each.role.name)]

    def _members(self, group: HybridGroup) -> tuple[HybridMember, ...]:
        """Return the members; those of secondary stores without their names."""
        users = filter(group.has, self._reader.users_among(group.values))
        of_primary = [HybridMember("", user.name, user.id, is_present=True) for user in users]
        others = [HybridMember(each.partition("/")[0], "", EntryId(each)) for each in group.others]
        return (*of_primary, *others)

    def _changes_of_members(self, steps: Iterable[Step]) -> list[GuardedOperation]:
        """Return the operations that assign and revoke roles.

        Raises:
            Conflict: a user has a role already, or has it no more.
            BadRequest: a user of another store cannot be stored.
        """
        found = []
        for step in steps:
            # `apply` deletes roles. There are no guards, which only the admin role has.
            if isinstance(step, AssignRole | RevokeRole):
                if step.user.domain and not self._hybrid.member_id:
                    raise BadRequest(
                        "Hybrid roles of this directory have users of the primary store only: it "
                        "lacks the attribute for others. Store them in a [[datasource]]."
                    )
                group = self._group(step.role)
                is_assigned = isinstance(step, AssignRole)
                if group is None or group.has(step.user) == is_assigned:
                    raise Conflict
                change = group.addition(step.user) if is_assigned else group.removal(step.user)
                found.append(self._change(group.role, change))
        return found

    def _change(self, role: Role, changes: tuple[Modification, ...]) -> GuardedOperation:
        target = self._hybrid.layout.target(role)
        back = GuardedOperation(Modify(target, self._undo_of(changes)), changes_members=True)
        return GuardedOperation(Modify(target, changes), undo=(back,), changes_members=True)

    def _undo_of(self, changes: Iterable[Modification]) -> tuple[Modification, ...]:
        """Return the modifications that undo a change of members.

        An added placeholder or object class stays: it changes no membership.
        """
        members = (self._hybrid.layout.member, self._hybrid.member_id)
        return tuple(
            Modification("delete" if each.kind == "add" else "add", each.attribute, each.values)
            for each in reversed(list(changes))
            if each.attribute in members and each.values != (PLACEHOLDER_DN,)
        )


def _is_shown(name: str) -> bool:
    """Whether a group of that name, below the base of hybrid roles, is a hybrid role."""
    return is_hybrid_name(name) and folded(name) != folded(EVERYONE)


def _no_base(base: str) -> Forbidden:
    """Log that the base of hybrid roles is missing; return the error."""
    log.error("hybrid_role_base_not_found", base=base)
    return Forbidden(
        "Hybrid roles cannot be stored: user_store.hybrid_role_base does not exist, or the "
        "service's account may not see it. Create it in the directory, or correct the setting."
    )
