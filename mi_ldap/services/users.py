"""The rules of users: list, show, create, delete, set passwords."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from mi_ldap import model, name_rules
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    LoginRefused,
    PasswordChangeFirst,
    ReadOnlyStore,
    SelfDeletion,
    UserExists,
    UserNotFound,
    WrongOldPassword,
)
from mi_ldap.model import AdminRole, Names, Performer, User
from mi_ldap.name_rules import EVERYONE, PRIMARY_ADMINS
from mi_ldap.services.accounts import (
    Rules,
    end_tokens,
    ensure_not_own_account,
    find_role,
    find_user,
    get_user,
    new_user,
    no_admins_through_icp,
    reload,
    why_read_only,
)
from mi_ldap.services.admins import Admins, why_forbidden
from mi_ldap.services.failed_logins import FailedLogins
from mi_ldap.services.queries import Query, Selection
from mi_ldap.services.response_time_floor import ResponseTimeFloor
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.state.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.store import (
    DeleteUser,
    DependentsOf,
    Read,
    ReadUser,
    RenewEpoch,
    RevokeRole,
    RolesOf,
    Step,
    Unchanged,
    UserReads,
    UserStore,
)

_CHANGED_MEANWHILE = "The user was changed by someone else while it was being created."


@dataclass(frozen=True, slots=True)
class NewUser:
    """The request to create a user."""

    name: str
    password: str = field(repr=False)
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class NewPassword:
    """The request to change a password; `old` is None if the old password was not sent."""

    new: str = field(repr=False)
    old: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserInfo:
    """A user as it is displayed.

    Attributes:
        roles: direct and inherited roles, sorted; `Internal/everyone` first.
        created_by: the present name of an admin's custodian, or None.
    """

    name: str
    is_admin: bool
    roles: tuple[str, ...]
    created_by: str | None


@dataclass(frozen=True, slots=True)
class Permissions:
    """Why a performer may not change a user: sentences, or `""` for what is allowed.

    Attributes:
        delete: why it may not delete the user.
        reset_password: why it may not set the password without the old one.
    """

    delete: str
    reset_password: str


class Users:
    """The users of all stores; those of a secondary store are named `DOMAIN/name`."""

    def __init__(
        self,
        store: UserStore,
        admins: Admins,
        audit: AuditLog,
        failed_logins: FailedLogins,
        floor: ResponseTimeFloor,
        rules: Rules,
    ) -> None:
        self._store = store
        self._admins = admins
        self._audit = audit
        self._failed_logins = failed_logins
        self._floor = floor
        self._rules = rules

    def select(self, query: Query) -> Selection:
        """Return the users that match a query; none for an unknown role."""
        query = replace(query, domains=self._rules.domains)
        return query.select(self._candidates(query))

    def show(self, name: str, admin_role: AdminRole | None = None) -> UserInfo:
        """Return a user with its roles and its custodian's present name.

        Args:
            name: as typed.
            admin_role: as it was read for this request, if it was.
        """
        view = self._store.view()
        user = get_user(view, name)
        details = view.details(user)
        effective = (*details.roles, *details.inherited)
        roles = {role.name for role in effective} - {EVERYONE}
        is_admin = self._admins.holds(admin_role or view.admin_role(), user)
        # A user who is no longer an admin may still have a custodian, left by a crash.
        custodian = details.custodian if is_admin else None
        return UserInfo(
            name=user.name,
            is_admin=is_admin,
            roles=(EVERYONE, *model.sorted_names(roles)),
            created_by=custodian.name if custodian else None,
        )

    @property
    def writable_domains(self) -> tuple[str, ...]:
        """The domains of the stores in which users can be created; `""` is the primary one."""
        return self._store.writable_user_domains

    @property
    def read_only_reason(self) -> str:
        """Why no user of any store can be created or changed, or `""`."""
        return "" if self.writable_domains else str(ReadOnlyStore())

    def why_read_only(self, user: User) -> str:
        """Return why nothing of the user can be changed but hybrid roles, or `""`."""
        return why_read_only(user, self.writable_domains)

    def permissions(self, performer: Performer, name: str) -> Permissions:
        """Return the errors that `delete`, and `set_password` without the old one, would raise."""
        target = get_user(self._store, name)
        read_only_reason = self.why_read_only(target)
        return Permissions(
            delete=read_only_reason
            or why_forbidden(lambda: self._deletion_steps(performer, target)),
            reset_password=read_only_reason
            or why_forbidden(lambda: self._check_reset(performer, target)),
        )

    def create(self, performer: Performer, wanted: NewUser) -> str:
        """Create a user, or an admin whose custodian is the performer; return the stored name.

        Raises:
            UserExists, BadRequest, PolicyRefused, Forbidden: nothing was created.
        """
        name = self._rules.new_user_name(name_rules.without_primary(wanted.name))
        domain = name_rules.split_domain(name, self._rules.domains)[0]
        if domain and wanted.is_admin:
            raise BadRequest(PRIMARY_ADMINS)
        if wanted.is_admin and not performer.may_create_admins:
            error = no_admins_through_icp()
            # After the check of the name: a long one must not fill the disk.
            self._audit.refused(performer.name, "admin", {"userId": name}, error)
            raise error
        password = self._rules.new_password(wanted.password, domain)
        # A clear error before the audit line begins; `create_user` checks again, without a race.
        if find_user(self._store, name) is not None:
            raise UserExists(name)
        info = {"userId": name, "isAdmin": wanted.is_admin}
        with (
            self._audit.change(performer.name, "created", "user", info),
            new_user(self._store, name, password) as user,
            self._audit.attempts(performer.name) as attempts,
        ):
            retry_on_conflict(
                lambda: self._finish_creation(performer, user, attempts, is_admin=wanted.is_admin)
            )
        return name

    def delete(self, performer: Performer, name: str, reads: UserReads | None = None) -> User:
        """Delete a user; an admin can only be deleted by its custodian.

        Args:
            performer: who makes the request.
            name: as typed.
            reads: of the store; they have the user, if it was read together with the performer.

        Raises:
            Forbidden, CustodyRefused: the user was not deleted.
        """
        target = get_user(reads or self._store, name)
        _ensure_not_self(performer, target)
        with (
            self._audit.refusals(performer.name, {"userId": target.name}),
            self._audit.attempts(performer.name) as attempts,
        ):
            retry_on_conflict(
                lambda: self._delete(performer, target, attempts),
                first=lambda: self._delete(performer, target, attempts, is_read=True),
            )
        return target

    def set_password(self, performer: Performer, name: str, wanted: NewPassword) -> User:
        """Change a password with the old one, or set it as an admin without the old one."""
        target = find_user(self._store, name)
        if performer.must_change_password and (target is None or target.id != performer.user.id):
            raise PasswordChangeFirst
        new = self._rules.new_password(wanted.new, target.domain if target else "")
        if wanted.old is not None:
            # With the old password anybody may change it, whatever the custody is.
            return self._change_password(performer, name, target, NewPassword(new, wanted.old))
        # Checked before the name, so that only admins learn which names exist.
        if target is None or target.id != performer.user.id:
            self._admins.role_for(performer.user)
        if target is None:
            raise UserNotFound(name)
        return self._reset_password(performer, target, new)

    def _candidates(self, query: Query) -> Names:
        view = self._store.view()
        if name_rules.full_role_name(query.role) in ("", EVERYONE):
            return view.user_names(query.like)
        found = find_role(view, query.role)
        return view.member_names(found) if found else Names(())

    def _finish_creation(
        self, performer: Performer, user: User, attempts: ChangeAttempts, *, is_admin: bool
    ) -> None:
        """Make an unfinished user, which has its password, a user or an admin, in one change."""
        try:
            with self._admins.serialized(changes_admins=is_admin):
                promotion: list[Step] = []
                if is_admin:
                    admin_role = self._admins.role_for(performer.user)
                    promotion = self._admins.promotion(performer.user, user, admin_role)
                if promotion:
                    # The role comes last: a change of the admin role cannot always be undone.
                    steps = [*promotion[:-1], RenewEpoch(user), promotion[-1]]
                    self._admins.custody.apply(attempts, user, steps)
                else:
                    self._store.apply(Unchanged(user), RenewEpoch(user))
        except Conflict:
            if not self._store.is_still_unfinished(user):
                raise BadRequest(_CHANGED_MEANWHILE) from None
            raise

    def _delete(
        self,
        performer: Performer,
        target: User,
        attempts: ChangeAttempts,
        *,
        is_read: bool = False,
    ) -> None:
        """Delete the user.

        Args:
            performer: who makes the request.
            target: the user.
            attempts: the audit lines of the change.
            is_read: whether the admin role and the user were just read. A user that has changed
                between the two reads fails the guard.
        """
        changes_admins = self._admins.may_be_admin(performer, target)
        with self._admins.serialized(changes_admins=changes_admins):
            if changes_admins or not is_read:  # it may have waited for another change
                steps = self._deletion_steps(performer, target)
            else:
                steps = self._deletion_steps(performer, target, performer.admin_role)
            deletion = Change("deleted", "user", {"userId": target.name})
            self._admins.custody.apply(attempts, target, steps, deletion)

    def _deletion_steps(
        self, performer: Performer, target: User, admin_role: AdminRole | None = None
    ) -> list[Step]:
        """Return the steps of a deletion.

        Args:
            performer: who makes the request.
            target: the user; it is read again, unless `admin_role` is given.
            admin_role: as it was read before, or together with the target.
        """
        _ensure_not_self(performer, target)
        ensure_not_own_account(self._store, target)
        wanted: list[Read] = [RolesOf(target), DependentsOf(target)]
        if admin_role:
            present, reads = target, self._store.prefetch(*wanted)
        else:
            admin_role = self._admins.role_for(performer.user)
            reads = self._store.prefetch(ReadUser(target.id), *wanted)
            present = reload(reads, target)
        roles = reads.roles_of(present)
        # A dynamic group has no members to remove; it no longer matches a deleted entry.
        others = [r for r in roles if r.id != admin_role.role.id and not r.is_dynamic]
        if any(why_read_only(role, self._store.writable_role_domains) for role in others):
            raise ReadOnlyStore
        return [
            *self._admins.deletion(performer.user, present, admin_role, reads),
            *(RevokeRole(role, present) for role in others),
            DeleteUser(present),
        ]

    def _change_password(
        self, performer: Performer, name: str, target: User | None, wanted: NewPassword
    ) -> User:
        """Change the password with the old one; failures count as failed logins."""
        since_s = time.monotonic()
        try:
            with self._failed_logins.attempt(name, performer.client) as attempts:
                attempts.name = target.name if target else ""
                # Admins can list all names, so they may learn that one does not exist.
                if target is None and self._admins.is_admin(performer.user):
                    raise UserNotFound(name)
                return self._change_with_old(performer, target, wanted)
        except LoginRefused as error:
            self._floor.wait(since_s)
            if not error.tells_reason:
                raise WrongOldPassword from None
            raise BadRequest(str(error)) from None

    def _change_with_old(
        self, performer: Performer, target: User | None, wanted: NewPassword
    ) -> User:
        """Change the password; an unknown name has the same error as a wrong password."""
        # An empty password would be an anonymous bind, which succeeds (RFC 4513 §5.1.2).
        if target is None or not name_rules.is_password(wanted.old or ""):
            raise LoginRefused
        ensure_not_own_account(self._store, target)
        line = self._audit.change(performer.name, "updated", "user", {"userId": target.name})
        with ExitStack() as changing:
            with self._floor.measured():
                # A single bind verifies the old password, since few grace logins may be left. The
                # audit line follows it: a wrong password changes nothing.
                self._store.change_password(
                    target, wanted.old or "", wanted.new, lambda: changing.enter_context(line)
                )
            # An admin may be setting the password now, whose mark must stay until that is done.
            end_tokens(self._store, target, keeps_mark=True)
        return target

    def _reset_password(self, performer: Performer, target: User, new: str) -> User:
        """Set the password as an admin; invalidate all tokens before and after it."""
        info = {"userId": target.name}
        with self._audit.refusals(performer.name, info):
            # Decided before the audit line begins, so that a refusal has one line of its own.
            retry_on_conflict(lambda: self._check_reset(performer, target))
            with self._audit.change(performer.name, "updated", "user", info):
                with self._audit.attempts(performer.name) as attempts:
                    retry_on_conflict(lambda: self._begin_reset(performer, target, attempts))
                try:
                    self._store.reset_password(target, new)
                finally:
                    # Also after an error: the directory may have set the password.
                    end_tokens(self._store, target)
        return target

    def _begin_reset(self, performer: Performer, target: User, attempts: ChangeAttempts) -> None:
        """Mark the user, so that no admin promotes it until its password is set."""
        # Otherwise the performer would know the password of another custodian's admin.
        changes_admins = self._admins.may_be_admin(performer, target)
        with self._admins.serialized(changes_admins=changes_admins):
            self._admins.custody.apply(attempts, target, self._reset_steps(performer, target))

    def _check_reset(self, performer: Performer, target: User) -> None:
        self._reset_steps(performer, target, will_apply=False)

    def _reset_steps(
        self, performer: Performer, target: User, *, will_apply: bool = True
    ) -> list[Step]:
        ensure_not_own_account(self._store, target)
        if target.id == performer.user.id and not self._admins.is_admin(performer.user):
            raise BadRequest("Give 'oldPassword' to change your own password.")
        admin_role = self._admins.role_for(performer.user)
        present = self._reload_idle(target)
        return self._admins.reset(performer.user, present, admin_role, will_apply=will_apply)

    def _reload_idle(self, target: User) -> User:
        """Return the present state of the user.

        Raises:
            Conflict: another request is creating the user or setting its password; try again.
        """
        present = reload(self._store, target)
        if present.busy:
            raise Conflict
        return present


def _ensure_not_self(performer: Performer, target: User) -> None:
    if target.id == performer.user.id:
        raise SelfDeletion
