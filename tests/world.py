"""The services over a store in memory, and a few words to speak to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mi_ldap.model import Performer, Role, User
from mi_ldap.services.bootstrap import LoginRequest
from mi_ldap.services.container import Services
from mi_ldap.services.login import LoggedIn
from mi_ldap.services.role_changes import RoleChange
from mi_ldap.services.users import NewPassword, NewUser
from mi_ldap.settings import load_settings
from mi_ldap.store import AssignRole, CreateAdminRole, RenewEpoch, SetCustodian, Step, UserStore
from mi_ldap.wiring import services
from tests.memory_store import MemoryStore

PASSWORD = "correct horse"
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


@dataclass
class ChangingStore(MemoryStore):
    """A store in which something happens between a decision and its act.

    Attributes:
        meanwhile: what happens before the next calls of `apply`, one for each.
    """

    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def apply(self, *steps: Step) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        super().apply(*steps)


@dataclass
class World:
    """Users with `PASSWORD`, what they do, and what the audit log says of it."""

    store: ChangingStore
    services: Services

    def add(self, name: str, *roles: str) -> User:
        """A user, not made by anybody."""
        user = self.store.create_user(name)
        self.store.reset_password(user, PASSWORD)
        self.store.apply(RenewEpoch(user))
        for role in roles:
            found = self.store.find_role(role) or self.store.create_role(role)
            self.store.apply(AssignRole(found, user))
        return self.user(name)

    def add_first_admin(self, name: str = "admin") -> User:
        user = self.add(name)
        self.store.apply(CreateAdminRole(user))
        return self.user(name)

    def add_admin(self, name: str, custodian: str | None) -> User:
        """An admin, and who answers for it."""
        user = self.add(name, "admin")
        if custodian is not None:
            self.store.apply(SetCustodian(user, self.user(custodian).id))
        return self.user(name)

    def user(self, name: str) -> User:
        found = self.store.find_user(name)
        assert found is not None
        return found

    def exists(self, name: str) -> bool:
        return self.store.find_user(name) is not None

    def performer(self, name: str) -> Performer:
        return Performer(self.user(name), client=ELSEWHERE)

    def is_admin(self, name: str) -> bool:
        return self.exists(name) and self.services.admins.is_admin(self.user(name))

    def custodian(self, name: str) -> str | None:
        custodian_id = self.user(name).custodian_id
        found = self.store.user(custodian_id) if custodian_id else None
        return found.name if found else custodian_id

    def login(self, name: str, password: str = PASSWORD, client: str = HERE) -> LoggedIn:
        request = LoginRequest(name, password, client=client, is_local=client == HERE)
        return self.services.login.login(request)

    def can_log_in(self, name: str, password: str) -> bool:
        return self.store.account(name).password == password

    def create(self, by: str, name: str, *, is_admin: bool = False) -> None:
        self.services.users.create(self.performer(by), NewUser(name, PASSWORD, is_admin))

    def delete(self, by: str, name: str) -> None:
        self.services.users.delete(self.performer(by), name)

    def reset(self, by: str, name: str) -> None:
        self.services.users.set_password(self.performer(by), name, NewPassword("new one", None))

    def change(self, by: str, name: str, old: str = PASSWORD) -> None:
        self.services.users.set_password(self.performer(by), name, NewPassword("new one", old))

    def give(self, by: str, name: str, *roles: str) -> None:
        self.services.role_changes.change(self.performer(by), RoleChange(name, assigned=roles))

    def take(self, by: str, name: str, *roles: str) -> None:
        self.services.role_changes.change(self.performer(by), RoleChange(name, revoked=roles))

    def demote(self, by: str, name: str) -> None:
        self.take(by, name, "admin")

    @property
    def admin_group(self) -> Role:
        """The group of the admins, for what other tools do to it."""
        admin_role = self.store.admin_role()
        assert admin_role is not None
        return admin_role.role

    def admins(self) -> list[str]:
        admin_role = self.store.admin_role()
        found = self.store.holder_users(admin_role) if admin_role else ()
        return sorted(user.name for user in found)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The audit log, `info` read."""
        file = self.services.settings.state_dir / "audit.log"
        texts = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [{**(line := json.loads(text)), "info": json.loads(line["info"])} for text in texts]

    def told(self, *keys: str) -> list[tuple[str, ...]]:
        """These keys of every line."""
        return [tuple(line[key] for key in keys) for line in self.lines]


def make_world(
    state_dir: Path,
    settings: Iterable[tuple[str, str]] = (),
    secondaries: Mapping[str, UserStore] | None = None,
) -> World:
    """A world; `settings` as in `("BOOTSTRAP__MODE", "off")`, `secondaries` by domain."""
    state_dir.mkdir(exist_ok=True)
    environ = {f"MI_LDAP_{key}": value for key, value in settings}
    loaded = load_settings({**environ, "MI_LDAP_STATE_DIR": str(state_dir)})
    store = ChangingStore()
    return World(store, services(loaded, store=store, secondaries=secondaries))
