"""The interface between `mi_ldap.domains` and a store of hybrid roles: tables or a directory.

Hybrid roles, `Internal/x` and `Application/x`, may have users of every user store as members. The
id of each member is stored, so that another user who gets the name later gets no roles. MI stores
names only; the service adds the ids of the members that MI has written. If the admin role is a
hybrid role, the custodians and account states of the users are stored with it.

Users and roles are those of `mi_ldap.model`; the domain of a hybrid role is `Internal` or
`Application`. Every method may raise `DirectoryUnavailable`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mi_ldap.model import EntryId, Names, Role, User
from mi_ldap.store import Step


@dataclass(frozen=True, slots=True)
class HybridMember:
    """A member of a hybrid role as it is stored.

    Attributes:
        domain: the user store, in capitals; `""` for the primary one.
        name: the stored name, without the domain; `""` if only the id is stored.
        user_id: with the domain, as in `User`; None for a member that MI has written, until its id
            is stored.
        is_present: whether this read has found the user in its store, and `name` is its present
            name.
    """

    domain: str
    name: str
    user_id: EntryId | None
    is_present: bool = False

    @property
    def full_name(self) -> str:
        """The name with the domain, `"WSO2.COM/bob"`."""
        return f"{self.domain}/{self.name}" if self.domain else self.name


@dataclass(frozen=True, slots=True)
class HybridAccount:
    """The custodian and account state of a user of the primary store.

    They are stored here if the admin role is a hybrid role, otherwise in the user store.

    Attributes:
        custodian_id: the id of the user's custodian, or None.
        state: the account state, see `mi_ldap.account_state`; `""` if there is none.
    """

    user_id: EntryId
    custodian_id: EntryId | None
    state: str


@dataclass(frozen=True, slots=True)
class HybridAdminRole:
    """The admin role with its members as they are stored; see `AdminRole`."""

    role: Role
    members: tuple[HybridMember, ...]
    first_admin_id: EntryId | None


class HybridRoleReads(Protocol):
    """Reads of hybrid roles and their members."""

    hides_groups: bool
    """Whether groups of user stores with the name of a hybrid role are ignored.

    Otherwise they are roles of their user store.
    """

    def contains(self, role: Role) -> bool:
        """Whether a role that a user store has returned is a group of this store."""

    def check(self) -> None:
        """Answer a small bounded read, or raise `DirectoryUnavailable`."""

    def find_role(self, name: str) -> Role | None:
        """Return the role with that full name, or None; case is ignored.

        Raises:
            AmbiguousName: two roles match.
        """

    def role_names(self) -> Names:
        """Return the full names of all hybrid roles, unsorted."""

    def members(self, role: Role) -> tuple[HybridMember, ...]:
        """Return the members of the role."""

    def roles_of(self, user: User) -> tuple[Role, ...]:
        """Return the hybrid roles of the user; their revisions may be unread."""

    def admin_role(self) -> HybridAdminRole | None:
        """Return the admin role; None if it is no hybrid role, or does not exist.

        If another tool has deleted a role that had a first admin, it is returned without members;
        the step `AssignRole` creates it again.

        Raises:
            AdminRoleUnclear: two roles match.
        """

    def accounts(self, user_ids: Collection[str]) -> Mapping[str, HybridAccount]:
        """Return the accounts of users of the primary store by id, if anything is stored."""

    def dependents_of(self, user: User) -> tuple[EntryId, ...]:
        """Return the ids of the users whose custodian is `user`."""


class HybridRoles(HybridRoleReads, Protocol):
    """A store of hybrid roles and their members."""

    writable: bool

    def view(self) -> HybridRoleReads:
        """Return reads for one request: for display, and to authorize it.

        They may come from memory, but are never older than the request. The revisions of roles may
        be unread.
        """

    def members_without_id(self) -> tuple[HybridMember, ...]:
        """Return the members of all roles whose ids are not stored: MI has written them."""

    def create_role(self, name: str) -> Role:
        """Create a role without members.

        Raises:
            RoleExists: there is a role of that name.
            Forbidden: hybrid roles cannot be stored; says why.
            BadRequest: the name cannot be stored.
        """

    def apply(self, steps: tuple[Step, ...], apply_to_stores: Callable[[], None]) -> None:
        """Carry out all steps, here and in the user stores, or none.

        Args:
            steps: those that concern hybrid roles, and custodians and account states stored here.
            apply_to_stores: carries out the steps that concern user stores; if it raises, it has
                carried out none.

        Raises:
            Conflict: a guard or the condition of a step is not met, or the name of a user is
                stored with another id (`namesakes`); nothing was changed.
            BadRequest: a member cannot be stored; nothing was changed.
        """

    def namesakes(self, user: User) -> Mapping[EntryId, str]:
        """Return the stored names of other users that have the user's name, by id.

        Names and ids have the domain, as in `User`. Such a user is gone or was renamed; or its name
        differs in case, which this read ignores, and its user store distinguishes case.
        """

    def namesakes_without_id(self, user: User) -> tuple[HybridMember, ...]:
        """Return the members without an id that have the user's name; case is ignored."""

    def update_users(self, gone: Sequence[User], renamed: Sequence[User]) -> None:
        """Delete the data of users that are gone, and store the present names of others.

        Args:
            gone: users with the id and domain of one that is gone; the other attributes may be
                those of another user.
            renamed: users as their store has them now.
        """

    def store_ids(self, found: Sequence[tuple[HybridMember, User]]) -> None:
        """Store the ids of members that MI has written; skip those that have an id by now.

        Args:
            found: each member with the user of its name.
        """

    def delete_stale_members(self, members: Sequence[HybridMember]) -> None:
        """Delete the memberships of members without an id, unless they have one by now."""

    def clean_up(self) -> None:
        """Store the ids of members that other tools have added; called about every minute.

        A store whose members are known by their names does nothing here: see `store_ids`.
        """

    def close(self) -> None:
        """Close all connections for good."""
