"""The rules of roles: listing, showing, making, removing, giving and taking."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog

from mi_ldap import model
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    ReadOnlyStore,
    RoleExists,
    RoleNotFound,
)
from mi_ldap.model import EVERYONE, AdminRole, Names, Performer, Role, User
from mi_ldap.services.accounts import Rules, ensure_not_own_account, find_role, get_user, reload
from mi_ldap.services.admins import Admins, refusal
from mi_ldap.services.queries import Query, Selection
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.state.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.store import AssignRole, RemoveRole, RevokeRole, Step, Unchanged, UserReads, UserStore

log = structlog.get_logger()

MAX_ROLES = 200
"""To give, or to take, in one change: each is looked up."""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What a person sent to change a user's roles, names as typed."""

    user_name: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownRole:
    """A role as it is shown: its stored name and its users, sorted."""

    name: str
    users: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Holding:
    """A role that a user holds.

    Attributes:
        name: of the role.
        through: the roles that bring it along, where it was not given to the user itself.
        refusal: why a performer may not take it, `""` where it may.
    """

    name: str
    through: tuple[str, ...]
    refusal: str


@dataclass(frozen=True, slots=True)
class _Decided:
    """A change that was found to be right: its steps, and the roles they give and take."""

    steps: list[Step]
    given: list[Role]
    taken: list[Role]


class Roles:
    """The roles of the primary store; `Internal/everyone` is no entry, and everybody's.

    Names of roles are taken as typed.
    """

    def __init__(self, store: UserStore, admins: Admins, audit: AuditLog, rules: Rules) -> None:
        self._store = store
        self._admins = admins
        self._audit = audit
        self._rules = rules

    def select(self, query: Query) -> Selection:
        """The roles that a query selects, `Internal/everyone` among them."""
        names = self._store.view.role_names()
        return query.select(Names((*names.names, EVERYONE), names.complete))

    def show(self, name: str) -> ShownRole:
        """A role with its users; `Internal/everyone` has all users.

        Raises:
            RoleNotFound: there is no such role.
        """
        if model.full_role_name(name) == EVERYONE:
            return _shown(EVERYONE, self._store.view.user_names())
        role = _found(self._store.view, name)
        return _shown(role.name, self._store.view.member_names(role))

    @property
    def closed(self) -> str:
        """Why no role can be made, given or taken, `""` where that is not so."""
        is_open = self._store.writable and self._store.roles_writable
        return "" if is_open else str(ReadOnlyStore())

    def verdict(self, performer: Performer, name: str) -> str:
        """Why `remove` would be refused, `""` where it would not."""
        return self.closed or refusal(lambda: self._removable(performer, name))

    def holdings(self, performer: Performer, name: str) -> tuple[Holding, ...]:
        """What a user holds but `Internal/everyone`, with what would be said to taking it."""
        user = get_user(self._store, name)
        admin_role = self._admins.role_for(performer.user)
        details = self._store.details(user)
        held = {role.id for role in details.roles}
        inherited = [role for role in details.inherited if role.id not in held]
        found = [
            Holding(role.name, (), self._verdict_on_taking(performer, user, role, admin_role))
            for role in details.roles
        ]
        found += [
            Holding(role.name, self._way(user, role), self._verdict_on_inherited(user, role))
            for role in inherited
        ]
        return tuple(sorted(found, key=lambda each: (each.name.casefold(), each.name)))

    def create(self, performer: Performer, name: str) -> str:
        """Create an empty role; its full name.

        Raises:
            RoleExists, BadRequest: nothing was made.
        """
        name = self._rules.new_role_name(model.full_role_name(name))
        if name == EVERYONE or self._store.find_role(name) is not None:
            raise RoleExists(name)
        with self._audit.change(performer.name, "created", "role", {"role": name}):
            self._store.add_role(name)
        if warning := model.role_name_warning(name):
            log.warning("role_name_breaks_clients", role=name, warning=warning)
        return name

    def remove(self, performer: Performer, name: str) -> Role:
        """Remove a role; not the admin role, nor one that is nested in it.

        Raises:
            Forbidden, RoleNotFound: nothing was removed.
        """
        with self._audit.attempts(performer.name) as attempts:
            return retry_on_conflict(lambda: self._remove(performer, name, attempts))

    def change(self, performer: Performer, wanted: RoleChange) -> None:
        """Give and take roles, all of it or nothing; what is so already is no error.

        Raises:
            UserNotFound, RoleNotFound, Forbidden, CustodyRefused: nothing was changed.
        """
        reads = self._store.authority(changes=False)
        user = get_user(reads, wanted.user_name)
        with (
            self._audit.refusals(performer.name, {"userId": user.name}),
            self._audit.attempts(performer.name) as attempts,
        ):
            try:
                with self._serialized(performer, wanted):
                    self._change(reads, performer, user, wanted, attempts)
            except Conflict:
                retry_on_conflict(lambda: self._change_anew(performer, user, wanted, attempts))

    def _remove(self, performer: Performer, name: str, attempts: ChangeAttempts) -> Role:
        with self._admins.serialized():
            role, admin_role = self._removable(performer, name)
            attempts.begin(Change("deleted", "role", {"role": role.name}))
            self._store.apply(Unchanged(admin_role.role), RemoveRole(role))
            return role

    def _removable(self, performer: Performer, name: str) -> tuple[Role, AdminRole]:
        """The role, and the admin role that says it may go."""
        role = _changeable(self._store, name)
        admin_role = self._admins.role_for(performer.user)
        if role.id == admin_role.role.id:
            raise Forbidden(f"The admin role {role.name} cannot be deleted.")
        self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)
        self._admins.ensure_hides_no_admin(performer.user, role, admin_role)
        return role, admin_role

    def _verdict_on_taking(
        self, performer: Performer, user: User, role: Role, admin_role: AdminRole
    ) -> str:
        def decide() -> None:
            ensure_not_own_account(self._store, user)
            _ensure_members_can_change(role)
            self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)
            if not self._admin_steps(performer, user, admin_role, [], [role]):
                self._admins.demotion_if_hidden(performer.user, user, admin_role, [], [role])

        return self.closed or refusal(decide)

    def _verdict_on_inherited(self, user: User, role: Role) -> str:
        return self.closed or refusal(lambda: self._must_be_own(user, [role]))

    def _change_anew(
        self, performer: Performer, user: User, wanted: RoleChange, attempts: ChangeAttempts
    ) -> None:
        with self._serialized(performer, wanted):
            self._change(self._store, performer, reload(self._store, user), wanted, attempts)

    def _serialized(self, performer: Performer, wanted: RoleChange) -> AbstractContextManager[None]:
        """Serialize the change if it names the admin role, by the name known so far."""
        short = [
            each for each in wanted.added + wanted.removed if len(each) <= model.MAX_NAME_BYTES
        ]
        names = {model.folded(model.full_role_name(each)) for each in short}
        admin_role = performer.admin_role
        changes_admins = admin_role is None or model.folded(admin_role.role.name) in names
        return self._admins.serialized(changes_admins=changes_admins)

    def _change(
        self,
        reads: UserReads,
        performer: Performer,
        user: User,
        wanted: RoleChange,
        attempts: ChangeAttempts,
    ) -> None:
        now = self._decide(reads, performer, user, wanted)
        if not now.steps:
            attempts.begin()
            return
        info = {
            "userId": user.name,
            "addedRoles": [role.name for role in now.given],
            "removedRoles": [role.name for role in now.taken],
        }
        self._admins.apply(attempts, user, now.steps, Change("updated", "role", info))

    def _decide(
        self, reads: UserReads, performer: Performer, user: User, wanted: RoleChange
    ) -> _Decided:
        """What must be done now; the admin role's guards come first, as `apply` wants them.

        The reads say which roles are meant and what is so already; where that is not true any more,
        the directory refuses the change. What is allowed is asked of the store.
        """
        added = _all_changeable(reads, wanted.added)
        removed = _all_changeable(reads, wanted.removed)
        if added.keys() & removed.keys():
            raise BadRequest("Error processing the request. A role is both added and removed.")
        admin_role = self._admins.role_for(performer.user)
        ensure_not_own_account(self._store, user)
        for role in (*added.values(), *removed.values()):
            _ensure_members_can_change(role)
            self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)
        if admin_role.role.id in {*added, *removed}:
            user = reload(self._store, user)
        held = {role.id for role in reads.roles_of(user)}
        self._must_be_own(user, _through_others(reads, user, removed.keys() - held))
        given = [role for role in added.values() if role.id not in held]
        taken = [role for role in removed.values() if role.id in held]
        steps = self._admin_steps(performer, user, admin_role, given, taken)
        if not steps:  # already held through another role, or revoked by a concurrent request
            given = [role for role in given if role.id != admin_role.role.id]
            taken = [role for role in taken if role.id != admin_role.role.id]
            steps = self._admins.demotion_if_hidden(performer.user, user, admin_role, given, taken)
            taken += [admin_role.role] if steps else []
        others: list[Step] = [
            AssignRole(role, user) for role in given if role.id != admin_role.role.id
        ]
        others += [RevokeRole(role, user) for role in taken if role.id != admin_role.role.id]
        if given and not steps:
            steps = [Unchanged(user)]  # or a namesake that is made meanwhile gets the role
        steps = _merge_steps(steps, others)
        return _Decided(steps, given, taken)

    def _must_be_own(self, user: User, inherited: Sequence[Role]) -> None:
        """What a user holds through another role can't be taken from it alone."""
        for role in inherited:
            way = ", ".join(self._way(user, role))
            raise BadRequest(
                f"Error processing the request. User {user.name} holds {role.name} through "
                f"{way or 'another role'}. Revoke that role, or change it in the directory."
            )

    def _way(self, user: User, role: Role) -> tuple[str, ...]:
        return tuple(each.name for each in self._store.membership_path(user, role))

    def _admin_steps(
        self,
        performer: Performer,
        user: User,
        admin_role: AdminRole,
        given: list[Role],
        taken: list[Role],
    ) -> list[Step]:
        if any(role.id == admin_role.role.id for role in given):
            if user.busy:
                raise Conflict
            return self._admins.promotion(performer.user, user, admin_role)
        if any(role.id == admin_role.role.id for role in taken):
            return self._admins.demotion(performer.user, user, admin_role)
        return []


def _merge_steps(steps: Sequence[Step], others: Sequence[Step]) -> list[Step]:
    """Insert the other steps right before the first step that assigns or revokes the admin role.

    A change of the admin role cannot be undone once somebody else has changed its members. So no
    step that may fail comes after it.
    """
    changes = (at for at, step in enumerate(steps) if isinstance(step, AssignRole | RevokeRole))
    at = next(changes, len(steps))
    return [*steps[:at], *others, *steps[at:]]


def too_many_roles() -> BadRequest:
    """The error of a change of more roles than `MAX_ROLES`."""
    return BadRequest(f"Error processing the request. Send at most {MAX_ROLES} roles.")


def _all_changeable(reads: UserReads, names: Sequence[str]) -> dict[str, Role]:
    """The roles by id: each once, whatever names it was sent under."""
    if len(names) > MAX_ROLES:
        raise too_many_roles()
    roles = [_changeable(reads, name) for name in dict.fromkeys(names)]
    return {role.id: role for role in roles}


def _ensure_members_can_change(role: Role) -> None:
    if role.is_dynamic:
        raise Forbidden(
            f"{role.name} is a dynamic role: the directory works out its members by a search."
        )
    if role.foreign_class:
        raise BadRequest(
            f"Error processing the request. The role {role.name} is a {role.foreign_class}, which "
            "holds its members in another attribute than user_store.membership_attribute."
        )


def _changeable(reads: UserReads, name: str) -> Role:
    if model.full_role_name(name) == EVERYONE:
        raise Forbidden(f"Every user has the role {EVERYONE}; it cannot be changed.")
    return _found(reads, name)


def _through_others(reads: UserReads, user: User, role_ids: Set[str]) -> list[Role]:
    """Those of the roles that the user has through other ones."""
    inherited = reads.details(user).inherited if role_ids else ()
    return [role for role in inherited if role.id in role_ids]


def _found(reads: UserReads, name: str) -> Role:
    role = find_role(reads, name)
    if role is None:
        raise RoleNotFound(model.full_role_name(name))
    return role


def _shown(name: str, members: Names) -> ShownRole:
    return ShownRole(name, model.sorted_names(set(members.names)), members.complete)
