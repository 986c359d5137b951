"""Random walks over everything that changes who is an admin and whose, beside a model of the rules.

The model is a few dictionaries by name; the services must do and refuse exactly what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from mi_ldap.errors import MiLdapError
from mi_ldap.model import AdminRole, Performer, User
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.services.container import Services
from mi_ldap.services.recovery import Recovery
from mi_ldap.services.role_changes import RoleChange
from mi_ldap.services.users import NewPassword, NewUser
from mi_ldap.store import AssignRole, RevokeRole

PASSWORD = "correct horse"
NAMES = ("root", "ann", "bob", "cleo", "dan")
"""`root` is the super admin of the settings."""

Step = tuple[str, str, str]


@dataclass
class Model:
    """What holds, by name.

    Attributes:
        custodians: of everybody who has one, admin or not.
        appointed: who ever had one.
        pinned: whether this `root` is the super admin.
    """

    users: set[str] = field(default_factory=set)
    admins: set[str] = field(default_factory=set)
    custodians: dict[str, str] = field(default_factory=dict)
    appointed: set[str] = field(default_factory=set)
    pinned: bool = False
    was_pinned: bool = False

    def is_super(self, name: str) -> bool:
        return name == "root" and self.pinned and name not in self.appointed

    def may_act_on(self, by: str, name: str) -> bool:
        if by not in self.admins or name not in self.users:
            return False
        return name not in self.admins or self.custodians.get(name) == by or self.is_super(by)

    def set_custodian(self, name: str, custodian: str | None) -> None:
        if custodian in {None, name}:
            self.custodians.pop(name, None)
        elif custodian is not None:
            self.custodians[name] = custodian
            self.appointed.add(name)

    def hand_on(self, name: str) -> None:
        """Its dependents go to the nearest admin in its line."""
        seen, successor = {name}, self.custodians.get(name)
        while successor and successor not in self.admins:
            seen.add(successor)
            successor = self.custodians.get(successor)
            successor = None if successor in seen else successor
        for dependent in [each for each, of in self.custodians.items() if of == name != each]:
            self.set_custodian(dependent, successor)

    def forget(self, name: str) -> None:
        for names in (self.users, self.admins, self.appointed):
            names.discard(name)
        self.custodians.pop(name, None)
        self.pinned = self.pinned and name != "root"

    def start(self) -> None:
        """The first one to be pinned is it for good."""
        if not self.was_pinned and "root" in self.admins - self.appointed:
            self.pinned = self.was_pinned = True


@dataclass
class Walk:
    """The services, and the model beside them; names are made the walk's own by the prefix."""

    made: Services
    prefix: str = ""
    model: Model = field(default_factory=Model)

    def begin(self, first: str) -> None:
        request = LoginRequest(self.prefix + first, PASSWORD, client="127.0.0.1", is_local=True)
        self.made.login.login(request)
        self.model.users.add(first)
        self.model.admins.add(first)
        self.model.start()

    def do(self, step: Step) -> None:
        act, by, name = step
        getattr(self, act)(by, name)
        self.compare(step)

    # What people do

    def create(self, by: str, name: str) -> None:
        self._create(by, name, is_admin=False)

    def create_admin(self, by: str, name: str) -> None:
        self._create(by, name, is_admin=True)

    def _create(self, by: str, name: str, *, is_admin: bool) -> None:
        if by not in self.model.admins or name in self.model.users:
            return
        self.made.users.create(self.performer(by), NewUser(self.prefix + name, PASSWORD, is_admin))
        self.model.users.add(name)
        if is_admin:
            self.model.admins.add(name)
            self.model.set_custodian(name, by)

    def promote(self, by: str, name: str) -> None:
        change = RoleChange(self.prefix + name, assigned=(self.role,))
        allowed = by in self.model.admins and name in self.model.users
        done = self.attempt(by, allowed, lambda who: self.made.role_changes.change(who, change))
        if done and name not in self.model.admins:
            self.model.hand_on(name)
            self.model.set_custodian(name, by)
            self.model.admins.add(name)

    def demote(self, by: str, name: str) -> None:
        change = RoleChange(self.prefix + name, revoked=(self.role,))
        is_admin = name in self.model.admins
        allowed = self.model.may_act_on(by, name) or (by == name and is_admin)
        allowed = allowed and self.model.admins != {name}
        if (
            self.attempt(by, allowed, lambda who: self.made.role_changes.change(who, change))
            and is_admin
        ):
            self.model.hand_on(name)
            self.model.set_custodian(name, None)
            self.model.admins.discard(name)

    def resign(self, _by: str, name: str) -> None:
        self.demote(name, name)

    def delete(self, by: str, name: str) -> None:
        allowed = by != name and self.model.may_act_on(by, name) and self.model.admins != {name}
        remove = self.made.users.delete
        if self.attempt(by, allowed, lambda who: remove(who, self.prefix + name)):
            self.model.hand_on(name)
            self.model.forget(name)

    def reset(self, by: str, name: str) -> None:
        allowed = self.model.may_act_on(by, name)
        if by == name:
            allowed = by in self.model.admins and self.model.is_super(by)
        password = NewPassword("another one", None)
        change = self.made.users.set_password
        done = self.attempt(by, allowed, lambda who: change(who, self.prefix + name, password))
        if done and name not in self.model.admins:
            self.model.hand_on(name)

    # What the operator and other tools do

    def recover(self, _by: str, name: str) -> None:
        if name in self.model.users and self.recovery.assign_admin_role(self.user(name)):
            self.model.hand_on(name)
            self.model.set_custodian(name, None)
            self.model.admins.add(name)

    def recover_password(self, _by: str, name: str) -> None:
        if name in self.model.users:
            self.recovery.set_password(self.user(name), "another one")
            if name not in self.model.admins:
                self.model.hand_on(name)

    def adopt(self, _by: str, name: str) -> None:
        if name not in self.model.admins:
            return
        self.recovery.adopt(self.user(name))
        for each in self.model.admins - {name}:
            if self.model.custodians.get(each) not in self.model.admins:
                self.model.set_custodian(each, name)

    def take_out(self, _by: str, name: str) -> None:
        """By another tool."""
        if name in self.model.admins:
            self.made.store.apply(RevokeRole(self.admin_role.role, self.user(name)))
            self.model.admins.discard(name)

    def put_in(self, _by: str, name: str) -> None:
        """By another tool."""
        if name in self.model.users - self.model.admins:
            self.made.store.apply(AssignRole(self.admin_role.role, self.user(name)))
            self.model.admins.add(name)

    def start(self, _by: str, _name: str) -> None:
        self.made.admins.pin_super_admin()
        self.model.start()

    # What is seen

    def attempt(self, by: str, allowed: bool, act: Callable[[Performer], object]) -> bool:
        """Whether it was done, which must be as the model says."""
        if by not in self.model.users:
            return False
        refused: MiLdapError | None = None
        try:
            act(self.performer(by))
        except MiLdapError as error:
            refused = error
        assert (refused is None) == allowed, f"{refused!r} where the model says {allowed}"
        return allowed

    def compare(self, step: Step) -> None:
        found = {name: self.user(name) for name in self.model.users}
        names = {user.id: name for name, user in found.items()}
        custodians = {
            name: names.get(user.custodian_id, "?")
            for name, user in found.items()
            if user.custodian_id
        }
        assert custodians == self.model.custodians, step
        appointed = {name for name, user in found.items() if not user.is_unappointed}
        assert appointed == self.model.appointed, step
        holds = self.made.store.is_holder
        admins = {name for name, user in found.items() if holds(self.admin_role, user)}
        assert admins == self.model.admins, step
        assert not any(of == name for name, of in custodians.items()), step
        self.compare_super_admin(step)

    def compare_super_admin(self, step: Step) -> None:
        strangers = {
            name
            for name in self.model.admins - {"root"}
            if self.model.custodians.get(name) != "root" and len(self.model.admins) > 1
        }
        if "root" in self.model.admins:
            for name in strangers:
                permissions = self.made.users.permissions(
                    self.performer("root"), self.prefix + name
                )
                assert (permissions.delete == "") == self.model.is_super("root"), step

    @property
    def role(self) -> str:
        return self.made.settings.super_admin.admin_role

    @property
    def recovery(self) -> Recovery:
        return Recovery(self.made.store, self.made.audit, self.made.rules, "root on this machine")

    @property
    def admin_role(self) -> AdminRole:
        found = self.made.store.admin_role()
        assert found is not None
        return found

    def user(self, name: str) -> User:
        found = self.made.store.find_user(self.prefix + name)
        assert found is not None
        return found

    def performer(self, name: str) -> Performer:
        return Performer(self.user(name), client="127.0.0.1")


ACTS = (
    "create",
    "create_admin",
    "promote",
    "demote",
    "resign",
    "delete",
    "reset",
    "recover",
    "recover_password",
    "adopt",
    "take_out",
    "put_in",
    "start",
)

Choice = tuple[str, int, int]
"""An act, who does it and to whom; the numbers choose among those for whom it makes sense."""

Plan = tuple[str, list[Choice]]

_numbers = st.integers(0, 11)
walks = st.tuples(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.sampled_from(ACTS), _numbers, _numbers), max_size=40),
)


def go(walk: Walk, first: str, steps: Iterable[Step] = ()) -> None:
    """A walk, compared with the model at each step; it begins with a line of admins, and `dan`."""
    walk.begin(first)
    by = first
    for name in NAMES[:-1]:
        walk.do(("create_admin", by, name))
        by = name
    walk.do(("create", first, NAMES[-1]))
    for step in steps:
        walk.do(step)


def wander(walk: Walk, plan: Plan) -> None:
    """A walk whose steps are chosen as it goes."""
    first, choices = plan
    go(walk, first)
    for act, by, name in choices:
        walk.do(_step(walk.model, act, by, name))


def _step(model: Model, act: str, by: int, name: int) -> Step:
    """Two in three are by an admin, and every second one on a dependent of that admin."""
    admins = sorted(model.admins) or [*NAMES]
    performer = admins[by % len(admins)] if by % 3 else NAMES[by % len(NAMES)]
    own = sorted(each for each, of in model.custodians.items() if of == performer)
    among = own if own and name % 2 else [*NAMES]
    return act, performer, among[name // 2 % len(among)]
