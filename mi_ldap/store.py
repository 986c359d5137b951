"""The interface between the services and a user store, and the steps of a change.

A store answers reads and carries out changes; it decides nothing. The services read, decide, and
pass steps to `UserStore.apply`, together with guards: conditions under which the decision is valid.
`apply` carries out all steps in the given order, or none.

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
    """A guard: the entry is unchanged since it was read.

    For a user: the same entry with the same custodian and epoch; for a role also the same members.
    """

    entry: User | Role


@dataclass(frozen=True, slots=True)
class NotMember:
    """A guard: the user is not a member of the role."""

    role: Role
    user: User


@dataclass(frozen=True, slots=True)
class AssignRole:
    """Add the user to the role; fails if it is a member already."""

    role: Role
    user: User


@dataclass(frozen=True, slots=True)
class RevokeRole:
    """Remove the user from the role; fails if it is not a member."""

    role: Role
    user: User


@dataclass(frozen=True, slots=True)
class SetCustodian:
    """Replace the user's custodian; fails if it changed since the user was read.

    That the user has or had a custodian is recorded permanently: see `User.appointment`.

    Attributes:
        user: as it was read.
        custodian_id: the new custodian's id; None for no custodian.
        appoints: True when the new custodian makes the user an admin, False when it takes over an
            existing admin.
    """

    user: User
    custodian_id: EntryId | None
    appoints: bool = False


@dataclass(frozen=True, slots=True)
class RenewEpoch:
    """Replace the user's epoch, which invalidates all its tokens; fails if the epoch has changed.

    If the change fails, the epoch is restored, unless it is the only step that changes the user.

    Attributes:
        user: as it was read.
        for_reset: whether to mark the user as `busy`, until the next renewal or for a minute.
        keeps_mark: whether to keep such a mark of another request. The mark of a deletion is always
            kept.
    """

    user: User
    for_reset: bool = False
    keeps_mark: bool = False


@dataclass(frozen=True, slots=True)
class RenewRevision:
    """Replace the role's revision; fails if it was replaced since the role was read.

    So of two concurrent changes that depend on the role's members one fails, even if neither
    changes the members.
    """

    role: Role


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Delete the user's entry; its roles are revoked by steps of their own, before this one."""

    user: User


@dataclass(frozen=True, slots=True)
class DeleteRole:
    """Delete the role and all its memberships."""

    role: Role


@dataclass(frozen=True, slots=True)
class CreateAdminRole:
    """Create the admin role with its first member and the mark; fails if such a group exists.

    It also fails if the service's account cannot read the group.
    """

    first_admin: User


@dataclass(frozen=True, slots=True)
class MarkFirstAdmin:
    """Mark the existing admin role, so that no login creates a first admin again."""

    role: Role
    first_admin: User


Step = (
    Unchanged
    | NotMember
    | AssignRole
    | RevokeRole
    | SetCustodian
    | RenewEpoch
    | RenewRevision
    | DeleteUser
    | DeleteRole
    | CreateAdminRole
    | MarkFirstAdmin
)


@dataclass(frozen=True, slots=True)
class FindUser:
    """The read `UserReads.find_user`."""

    name: str


@dataclass(frozen=True, slots=True)
class ReadUser:
    """The read `UserReads.user`."""

    user_id: str


@dataclass(frozen=True, slots=True)
class FindRole:
    """The read `UserReads.find_role`."""

    name: str


@dataclass(frozen=True, slots=True)
class ReadAdminRole:
    """The read `UserReads.admin_role`."""


@dataclass(frozen=True, slots=True)
class RolesOf:
    """The read `UserReads.roles_of`."""

    user: User


@dataclass(frozen=True, slots=True)
class DependentsOf:
    """The read `UserReads.dependents_of`."""

    user: User


Read = FindUser | ReadUser | FindRole | ReadAdminRole | RolesOf | DependentsOf


class UserReads(Protocol):
    """Reads of users, roles and memberships, in their present state."""

    def prefetch(self, *reads: Read) -> UserReads:
        """Carry out reads together, in one round trip where the store can, in any order.

        So a decision that depends on a guard reads the guarded entry first, alone: a change that
        comes between the two reads must be one that the guard notices.

        Returns:
            These reads, with the answers to `reads` as they are now; all others are carried out
            when they are called. If one of `reads` fails, its error is raised when it is called.
        """

    def check(self) -> None:
        """Answer a small bounded read, or raise `DirectoryUnavailable`."""

    def find_user(self, name: str) -> User | None:
        """Return the user with that name by the directory's own matching rule, or None.

        Raises:
            AmbiguousName: two entries match.
        """

    def user(self, user_id: str) -> User | None:
        """Return the user with that id; None if there is none, or the text cannot be an id."""

    def user_names(self, like: str | None = None) -> Names:
        """Return the names of all users, unsorted; with `like` (`"*ob*"`) at least the matching."""

    def details(self, user: User) -> UserDetails:
        """Return the user's roles, direct and inherited, and the present state of its custodian."""

    def roles_of(self, user: User) -> tuple[Role, ...]:
        """Return the roles assigned to the user directly."""

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        """Return the roles through which the user has an inherited role."""

    def find_role(self, name: str) -> Role | None:
        """Return the role with that name by the directory's own matching rule, or None.

        Raises:
            AmbiguousName: two entries match.
        """

    def role_names(self) -> Names:
        """Return the names of all roles, unsorted."""

    def member_names(self, role: Role) -> Names:
        """Return the names of the users with the role, direct or inherited, unsorted."""

    def admin_role(self) -> AdminRole | None:
        """Return the admin role; None if it does not exist.

        Raises:
            AdminRoleUnclear: two groups match it, or its members cannot be read.
        """

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user is a member of the admin role as it was read."""

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user is a member through a group that is nested in the admin role."""

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        """Return any user other than `user` who has the admin role, or None."""

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        """Return all users with the admin role, without members that are not users."""

    def dependents_of(self, user: User) -> tuple[User, ...]:
        """Return the users whose custodian is `user`."""


class UserStore(UserReads, Protocol):
    """A store of users and roles."""

    @property
    def writable(self) -> bool:
        """False for a store that is configured as read-only; of several stores, the primary one."""

    @property
    def writable_user_domains(self) -> tuple[str, ...]:
        """The domains of the user stores whose users may be changed; `""` is the primary store."""

    @property
    def writable_role_domains(self) -> tuple[str, ...]:
        """The domains whose roles may be changed: of user stores and of hybrid roles."""

    @property
    def admins_writable(self) -> bool:
        """Whether the admin role's members, custodians and account states may be changed."""

    def finds_users_by_roles(self) -> bool:
        """Whether the filters for users test membership in roles; else `would_hide` is False."""

    def view(self) -> UserReads:
        """The same reads, possibly answered from memory, for display and for logins.

        The state that they return is not older than the request. Decisions about changes read the
        store itself.
        """

    def authority(self, *, changes: bool) -> UserReads:
        """Return the reads for authorization: whether a token's user exists, and who is an admin.

        Args:
            changes: whether the request may change anything. If so, the directory is read.
                Otherwise memory is read, if it is known to have all changes of the directory.
        """

    @property
    def account_warning(self) -> str:
        """Why the service's own account will soon be unable to log in, as a clause, or `""`."""

    def read_source(self) -> ReadSource:
        """Return what answers the reads of `view()` at present: memory, directory or database."""

    def password_min_length(self) -> int | None:
        """Return the minimum password length of the directory's policy; None if unknown."""

    def is_own_account(self, user: User) -> bool:
        """Whether the user is the service's own account, which the store binds as."""

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        """Whether the filters for users may no longer find the user after that change of roles."""

    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        """Verify the password by exactly one bind.

        Raises:
            LoginRefused: the password is wrong, or the account is locked, disabled or expired.
        """

    def create_user(self, name: str) -> User:
        """Create a user without a password, and remove dangling memberships of its name.

        It is unfinished until its epoch is renewed. An unfinished user of the same name is replaced
        once its creation has ended; until then this waits, within the request's deadline.

        Raises:
            UserExists: also if a concurrent request created the user.
            BadRequest: the directory rejects the name.
        """

    def discard(self, user: User) -> None:
        """Delete the entry that `create_user` created, found by its id.

        Does nothing if the entry was deleted, or its creation was finished, in the meantime.
        """

    def is_still_unfinished(self, user: User) -> bool:
        """Whether the creation is still unfinished; other reads do not return unfinished users."""

    def end_creation(self, user: User) -> None:
        """Release the name that `create_user` locked, whether or not the creation was finished.

        The next `create_user` of the name replaces an entry that is still unfinished.
        """

    def reset_password(self, user: User, password: str) -> None:
        """Set the password as the service's account.

        Raises:
            PolicyRefused: the directory's password policy rejects it.
        """

    def change_password(
        self, user: User, old: str, new: str, on_verified: Callable[[], object] = lambda: None
    ) -> None:
        """Set the password as the user; the old password is verified by one bind.

        Args:
            user: the user whose password is changed.
            old: the present password.
            new: the new password.
            on_verified: called once the old password is verified, before anything is changed.

        Raises:
            LoginRefused: `old` is not the user's password.
            PolicyRefused: the directory's password policy rejects the new password.
        """

    def clean_up(self) -> None:
        """Delete leftovers of crashes and replication; called about every minute.

        Does nothing in a store that is read-only.

        These are unfinished users that are older than a minute and whose creation has ended, and
        memberships of users and roles that this service deleted in the last ten minutes.
        """

    def create_role(self, name: str) -> Role:
        """Create a role without members.

        Raises:
            RoleExists: also if a concurrent request created the role.
            BadRequest: the directory rejects the name.
        """

    def apply(self, *steps: Step) -> None:
        """Carry out all steps in their order, or none.

        Raises:
            Conflict: a guard or the condition of a step is not met; nothing was changed.
        """

    def close(self) -> None:
        """Close all connections for good."""


class DeletedEntry(NamedTuple):
    """A user or role that this service deleted.

    Attributes:
        dn: its DN.
        member: the value by which groups name it: its DN, or a `memberUid`.
    """

    dn: str
    member: str


class DeletionLog(Protocol):
    """Recent deletions, shared by all processes of this machine."""

    def note(self, removed: DeletedEntry) -> None:
        """Record it for ten minutes; a failure is only logged."""

    def recent(self) -> list[DeletedEntry]:
        """Return all recorded deletions; forget those that are older than ten minutes."""


class RunningCreations(Protocol):
    """Shows which creations of users are still running."""

    def begin(self) -> str:
        """Return a unique mark, which is running until `end`."""

    def end(self, mark: str) -> None:
        """Record that the creation has ended, whether it succeeded or not."""

    def is_running(self, mark: str) -> bool | None:
        """Whether the creation is running; None if unknown, as on another machine."""

    def close(self) -> None:
        """Forget all creations."""
