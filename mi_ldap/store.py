"""The port between the rules and a user store, and the steps of which a change is made.

A store answers reads and carries out changes; it decides nothing. The rules read, decide, and hand
over steps together with the guards under which their decision holds. `UserStore.apply` does all
the steps or none of them, in the order given.

Every method may raise `DirectoryUnavailable`; none raises anything but `mi_ldap.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mi_ldap.model import (
    AdminRole,
    AuthenticationResult,
    EntryId,
    Names,
    ReadSource,
    Role,
    User,
    UserDetails,
)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A guard: the entry is still what it was when it was read.

    For a user: the same entry with the same custodian and epoch; for a role also the same members.
    """

    entry: User | Role


@dataclass(frozen=True, slots=True)
class NotHeld:
    """A guard: the user is not a member of the role."""

    role: Role
    user: User


@dataclass(frozen=True, slots=True)
class AssignRole:
    """The user becomes a member of the role; it must not be one yet."""

    role: Role
    user: User


@dataclass(frozen=True, slots=True)
class RevokeRole:
    """The user ceases to be a member of the role; it must be one."""

    role: Role
    user: User


@dataclass(frozen=True, slots=True)
class SetCustodian:
    """The user's custodian, as it was read, is replaced; None leaves it without one.

    That the user has or had a custodian is recorded permanently: see `User.appointment`.

    Attributes:
        user: as it was read.
        custodian_id: the new custodian's id, or None.
        appoints: True when the new custodian makes the user an admin, False when it takes over an
            existing admin.
    """

    user: User
    custodian_id: EntryId | None
    appoints: bool = False


@dataclass(frozen=True, slots=True)
class RenewEpoch:
    """The epoch, as it was read, is replaced: every token of the user dies.

    For good where nothing else of the user changes with it; else it is undone with that.

    Attributes:
        user: as it was read.
        for_reset: whether the user is marked as `busy`, until the next one or for a minute.
        keeps_mark: whether such a mark of somebody else stays. That of a removal always does.
    """

    user: User
    for_reset: bool = False
    keeps_mark: bool = False


@dataclass(frozen=True, slots=True)
class RenewRevision:
    """The role's revision is replaced; fails if it was replaced since the role was read.

    So one of two concurrent changes that depend on the role's members fails, even though neither
    changes the members.
    """

    role: Role


@dataclass(frozen=True, slots=True)
class RemoveUser:
    """The entry goes; taking its roles are steps of their own, before it."""

    user: User


@dataclass(frozen=True, slots=True)
class RemoveRole:
    """The role goes, with whoever holds it."""

    role: Role


@dataclass(frozen=True, slots=True)
class AddAdminRole:
    """The admin role is made with its first holder, marked; it must not exist, seen or unseen."""

    first_admin: User


@dataclass(frozen=True, slots=True)
class MarkFirstAdmin:
    """The existing admin role is marked: bootstrap is over."""

    role: Role
    first_admin: User


Step = (
    Unchanged
    | NotHeld
    | AssignRole
    | RevokeRole
    | SetCustodian
    | RenewEpoch
    | RenewRevision
    | RemoveUser
    | RemoveRole
    | AddAdminRole
    | MarkFirstAdmin
)


class UserReads(Protocol):
    """Users, roles, and who holds what, as it is now."""

    def check(self) -> None:
        """Answer a small bounded read, or raise `DirectoryUnavailable`."""

    def find_user(self, name: str) -> User | None:
        """The user that the directory's own matching finds under `name`.

        Raises:
            AmbiguousName: two entries match.
        """

    def user(self, user_id: str) -> User | None:
        """The user with that immutable id; None also for a text that cannot be an id."""

    def user_names(self, like: str | None = None) -> Names:
        """The names of all users, unsorted; with `like` (`*` any run) at least those matching."""

    def details(self, user: User) -> UserDetails:
        """The user's roles, its own and those through them, and its custodian as it is now."""

    def roles_of(self, user: User) -> tuple[Role, ...]:
        """The roles given to the user itself."""

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        """The roles through which the user holds a role that it was not given itself."""

    def find_role(self, name: str) -> Role | None:
        """The role that the directory's own matching finds under `name`.

        Raises:
            AmbiguousName: two entries match.
        """

    def role_names(self) -> Names:
        """The names of all roles, unsorted."""

    def member_names(self, role: Role) -> Names:
        """The names of the users who hold the role, unsorted, also through another role."""

    def admin_role(self) -> AdminRole | None:
        """The admin role, None while there is none.

        Raises:
            AdminRoleUnclear: two groups match it, or its members cannot be read.
        """

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user holds the admin role as it was read."""

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user holds it (also) through a group that is nested in it."""

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        """A user who holds the admin role and is not `user`."""

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        """All the users who hold the admin role; members that are no users left out."""

    def dependents_of(self, user: User) -> tuple[User, ...]:
        """The users whose custodian is `user`."""


class UserStore(UserReads, Protocol):
    """Where users and roles are kept."""

    writable: bool
    """False for a store that is configured to take no changes."""

    roles_writable: bool
    """False where users may be changed and roles may not."""

    @property
    def finds_users_by_roles(self) -> bool:
        """Whether the filters for users test membership in roles; else `would_hide` is False."""

    @property
    def view(self) -> UserReads:
        """The same reads, perhaps answered from memory, for showing and for letting in.

        They are as fresh as the others: as of some moment after the request began. What allows a
        change is read from the store itself.
        """

    def authority(self, *, changes: bool) -> UserReads:
        """The reads for authorization: whether a token's user exists, and who is an admin.

        Args:
            changes: whether the request may change anything. Then the directory itself is read.
                Otherwise memory is read, if it is proved to hold what the directory holds.
        """

    @property
    def account_warning(self) -> str:
        """Why the service's own account will soon be unable to log in, as a clause, or `""`."""

    @property
    def reads(self) -> ReadSource:
        """What answers the view now."""

    def password_min_length(self) -> int | None:
        """The minimum password length of the directory's policy; None where it is not known."""

    def is_own_account(self, user: User) -> bool:
        """Whether the user is the service's own account, which the store binds as."""

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        """Whether the filters for users may no longer find the user after that change of roles."""

    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        """Exactly one bind.

        Raises:
            LoginRefused: the password is wrong or the account closed; `reason` tells which.
        """

    def add_user(self, name: str) -> User:
        """Make a user without a password and without standing: no group names it.

        It is unfinished until its epoch is renewed. An unfinished one of the same name is replaced
        if its creation has ended; else this waits for that, within the request's deadline.

        Raises:
            UserExists: also when lost in a race.
            BadRequest: the directory does not take the name.
        """

    def discard(self, user: User) -> None:
        """Remove the entry that `add_user` made, found by its id.

        Does nothing when it is gone, or finished: whoever gave it an epoch or a role keeps it.
        """

    def is_still_unfinished(self, user: User) -> bool:
        """Whether the entry is as `add_user` made it. No other read finds it before it is not."""

    def end_creation(self, user: User) -> None:
        """The request that called `add_user` does no more: finished or not, the name is free.

        An unfinished entry whose creation has ended is replaced by the next `add_user` of the name.
        """

    def reset_password(self, user: User, password: str) -> None:
        """Set the password in the service's name.

        Raises:
            PolicyRefused: the directory's policy says no.
        """

    def change_password(
        self, user: User, old: str, new: str, proved: Callable[[], object] = lambda: None
    ) -> None:
        """Set the password in the user's own name; the old one is proved by one bind.

        Args:
            user: whose it is.
            old: proves that.
            new: the password to be.
            proved: called once the old one is proved, before anything is changed.

        Raises:
            LoginRefused: `old` is not the user's password.
            PolicyRefused: the directory's policy says no.
        """

    def clean_up(self) -> None:
        """Remove what crashes and replication have left; called about every minute.

        Unfinished users that are older than a minute and whose creation has ended, and memberships
        of users and roles that were removed here in the last minutes.
        """

    def add_role(self, name: str) -> Role:
        """Make an empty role.

        Raises:
            RoleExists: also when lost in a race.
            BadRequest: the directory does not take the name.
        """

    def apply(self, *steps: Step) -> None:
        """Carry out all the steps in their order, or none.

        Raises:
            Conflict: a guard no longer holds, or what a step needs is not (or already) so.
        """

    def close(self) -> None:
        """Close all connections for good."""


class Removed(NamedTuple):
    """A user or role that this service removes: its DN, and by what groups name it."""

    dn: str
    member: str


class RemovalNotes(Protocol):
    """Who was removed in the last minutes, for all processes of this machine."""

    def note(self, removed: Removed) -> None:
        """Keep it for some minutes; a failure is logged."""

    def recent(self) -> list[Removed]:
        """All that are kept; those that were kept long enough, for the last time."""
