"""The rules of roles: listing, showing, making, removing, giving and taking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mi_ldap import model
from mi_ldap.admins import Admins, applied
from mi_ldap.audit import AuditLog
from mi_ldap.errors import BadRequest, Forbidden, RoleExists, RoleNotFound, UserNotFound
from mi_ldap.model import EVERYONE, AdminRole, Names, Performer, Role, User
from mi_ldap.queries import Query, Selection
from mi_ldap.store import Give, RemoveRole, Step, Take, UserStore
from mi_ldap.users import Rules, find_user


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What a person sent to change a user's roles: full names of roles."""

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
class _Decided:
    """A change that was found to be right: its steps, and the role each gives or takes."""

    steps: list[Step]
    given: list[str]
    taken: list[str]


class Roles:
    """The roles of the primary store; `Internal/everyone` is no entry, and everybody's."""

    def __init__(self, store: UserStore, admins: Admins, audit: AuditLog, rules: Rules) -> None:
        self._store = store
        self._admins = admins
        self._audit = audit
        self._rules = rules

    def select(self, query: Query) -> Selection:
        """The roles that a query selects, `Internal/everyone` among them."""
        names = self._store.role_names()
        return query.select(Names((*names.names, EVERYONE), names.complete))

    def show(self, name: str) -> ShownRole:
        """A role with its users; `Internal/everyone` has all users.

        Raises:
            RoleNotFound: there is no such role.
        """
        if name == EVERYONE:
            return _shown(EVERYONE, self._store.user_names())
        role = self._find(name)
        return _shown(role.name, self._store.member_names(role))

    def create(self, performer: Performer, name: str) -> None:
        """Make an empty role.

        Raises:
            RoleExists, BadRequest: nothing was made.
        """
        name = self._rules.new_role_name(name)
        if name == EVERYONE or self._store.find_role(name) is not None:
            raise RoleExists(name)
        with self._audit.change(performer.name, "created", "role", {"role": name}):
            self._store.add_role(name)

    def remove(self, performer: Performer, name: str) -> Role:
        """Remove a role; not the admin role, nor one that is nested in it.

        Raises:
            Forbidden, RoleNotFound: nothing was removed.
        """
        role = self._changeable(name)
        admin_role = self._admins.role_for(performer.user)
        if role.id == admin_role.role.id:
            raise Forbidden(f"The admin role {role.name} cannot be deleted.")
        self._admins.must_be_plain(role.id, role.name, admin_role)
        with self._audit.change(performer.name, "deleted", "role", {"role": role.name}):
            self._store.apply(RemoveRole(role))
        return role

    def change(self, performer: Performer, wanted: RoleChange) -> None:
        """Give and take roles, all of it or nothing; what is so already is no error.

        Raises:
            UserNotFound, RoleNotFound, Forbidden, CustodyRefused: nothing was changed.
        """
        user = find_user(self._store, wanted.user_name)
        if user is None:
            raise UserNotFound(wanted.user_name)
        added = [self._changeable(name) for name in wanted.added]
        removed = [self._changeable(name) for name in wanted.removed]
        if {role.id for role in added} & {role.id for role in removed}:
            raise BadRequest("Error processing the request. A role is both added and removed.")
        decide = partial(self._decide, performer, user, added, removed)
        with self._audit.refusals(performer.name, {"userId": user.name}):
            first = decide()
        if not first.steps:
            return
        info = {"userId": user.name, "addedRoles": first.given, "removedRoles": first.taken}
        with (
            self._audit.change(performer.name, "updated", "role", info),
            self._admins.inheritance(performer.user, user, first.steps),
        ):
            applied(self._store, first.steps, lambda: decide().steps)

    def _decide(
        self, performer: Performer, user: User, added: Sequence[Role], removed: Sequence[Role]
    ) -> _Decided:
        """What must be done now; the admin role's guards come first, as `apply` wants them."""
        admin_role = self._admins.role_for(performer.user)
        for role in (*added, *removed):
            self._admins.must_be_plain(role.id, role.name, admin_role)
        present = self._admins.again(user)
        held = {role.id for role in self._store.details(present).roles}
        to_give = [role for role in _once(added) if role.id not in held]
        to_take = [role for role in _once(removed) if role.id in held]
        steps = self._admin_steps(performer, present, admin_role, to_give, to_take)
        steps += [Give(role, present) for role in to_give if role.id != admin_role.role.id]
        steps += [Take(role, present) for role in to_take if role.id != admin_role.role.id]
        return _Decided(steps, [role.name for role in to_give], [role.name for role in to_take])

    def _admin_steps(
        self,
        performer: Performer,
        user: User,
        admin_role: AdminRole,
        to_give: list[Role],
        to_take: list[Role],
    ) -> list[Step]:
        if any(role.id == admin_role.role.id for role in to_give):
            return self._admins.promotion(performer.user, user, admin_role)
        if any(role.id == admin_role.role.id for role in to_take):
            return self._admins.demotion(performer.user, user, admin_role)
        return []

    def _changeable(self, name: str) -> Role:
        if name == EVERYONE:
            raise Forbidden(f"The role {EVERYONE} belongs to every user and cannot be changed.")
        return self._find(name)

    def _find(self, name: str) -> Role:
        role = self._store.find_role(name)
        if role is None:
            raise RoleNotFound(name)
        return role


def _shown(name: str, members: Names) -> ShownRole:
    return ShownRole(name, model.sorted_names(set(members.names)), members.complete)


def _once(roles: Sequence[Role]) -> list[Role]:
    """Each role once, whatever names it was sent under."""
    return list({role.id: role for role in roles}.values())
