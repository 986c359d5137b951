"""A service whose admin role is a hybrid one, and what other tools do to its users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mi_ldap.domains import HybridStore
from mi_ldap.services.container import Services
from mi_ldap.settings import load_settings
from mi_ldap.wiring import services
from tests.contract.words import make_user
from tests.hybrid.stores import ADMIN_ROLE, MiRows
from tests.memory_content import user_locator
from tests.memory_store import MemoryStore
from tests.service import Answer, LocalCaller
from tests.sql.stores import Place

PASSWORD = "correct horse"


class World(ABC):
    """One machine of the service; `mi` is MI, which shares the rows of hybrid roles."""

    def __init__(self, place: Place, folder: Path, **settings: str) -> None:
        self.place = place
        self.mi = MiRows(place)
        self._folder = folder
        self._settings = settings
        self._machines = 0
        self._tokens: dict[str, str] = {}
        self._stack = ExitStack()
        self.services = self.new_machine()
        self.call = LocalCaller(self.services)

    def new_machine(self) -> Services:
        """Another machine of the service, with a state folder of its own."""
        self._machines += 1
        state_dir = self._folder / f"machine{self._machines}"
        state_dir.mkdir()
        key = "management_api__jwt_token_security_handler__token_config__key"
        environ = {
            "STATE_DIR": str(state_dir),
            key.upper(): "one for all machines, so that tokens are",
            "MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME": "1000",
            "SUPER_ADMIN__ADMIN_ROLE": ADMIN_ROLE,
            **self._settings,
        }
        made = self._services({f"MI_LDAP_{name}": value for name, value in environ.items()})
        for each in (made.state, made.audit, made.store):
            self._stack.callback(each.close)
        return made

    def close(self) -> None:
        self._stack.close()

    @property
    def store(self) -> HybridStore:
        assert isinstance(self.services.store, HybridStore)
        return self.services.store

    def login(self, name: str) -> Answer:
        answer = self.call("GET", "/login", basic=f"{name}:{PASSWORD}")
        if answer.status == 200:
            self._tokens[name] = answer.json["AccessToken"]
        return answer

    def clear_tokens(self) -> None:
        """Have everybody log in again."""
        self._tokens.clear()

    def ask(self, by: str, method: str, path: str, body: object = None) -> Answer:
        """Send a request of a user, who logs in for the first one."""
        if by not in self._tokens:
            assert self.login(by).status == 200, by
        return self.call(method, path, body, token=self._tokens[by])

    def change(self, by: str, name: str, added: str = "", removed: str = "") -> int:
        body = {
            "userId": name,
            "addedRoles": [added] if added else [],
            "removedRoles": [removed] if removed else [],
        }
        return self.ask(by, "PUT", "/roles", body).status

    def promote(self, by: str, *names: str) -> None:
        for name in names:
            assert self.change(by, name, added=ADMIN_ROLE) == 200, name

    def admins(self) -> list[str]:
        """The names of the admins, as the store has them."""
        admin_role = self.store.admin_role()
        users = self.store.holder_users(admin_role) if admin_role else ()
        return sorted(user.name for user in users)

    def add_users(self, *names: str) -> None:
        for name in names:
            make_user(self.users, name)

    @property
    def users(self) -> Any:
        """The user store, without hybrid roles."""
        return self.services.primary

    @abstractmethod
    def rename(self, name: str, new_name: str) -> None:
        """Rename a user with another tool."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a user with another tool."""

    @abstractmethod
    def _services(self, environ: dict[str, str]) -> Services: ...


class InOneDatabase(World):
    """Users and hybrid roles are in one database."""

    def _services(self, environ: dict[str, str]) -> Services:
        return services(load_settings(environ), store=self.place.open())

    def rename(self, name: str, new_name: str) -> None:
        self.place.execute(
            "UPDATE UM_USER SET UM_USER_NAME = :new WHERE UM_USER_NAME = :name",
            name=name,
            new=new_name,
        )

    def delete(self, name: str) -> None:
        key = "(SELECT UM_ID FROM UM_USER WHERE UM_USER_NAME = :name)"
        self.place.execute(
            f"DELETE FROM UM_USER_ATTRIBUTE WHERE UM_USER_ID IN {key}",  # noqa: S608
            "DELETE FROM UM_USER WHERE UM_USER_NAME = :name",
            name=name,
        )


class BesideDatabase(World):
    """Hybrid roles are in a database beside the user store."""

    def __init__(self, place: Place, folder: Path, **settings: str) -> None:
        self.memory = MemoryStore()
        config = place.config
        url = f"sqlite:///{config.database}"
        if config.dialect != "sqlite":
            kind = "mariadb" if config.dialect == "mysql" else config.dialect
            (host,) = config.hosts
            url = f"jdbc:{kind}://{host[0]}:{host[1]}/{config.database}"
        account = {
            "DATASOURCE__USERNAME": config.username,
            "DATASOURCE__PASSWORD": config.password,
        }
        super().__init__(place, folder, **{"DATASOURCE__URL": url, **account, **settings})

    def _services(self, environ: dict[str, str]) -> Services:
        given = {name: value for name, value in environ.items() if value}
        return services(load_settings(given), store=self.memory)

    def rename(self, name: str, new_name: str) -> None:
        account = self.memory.content.users.pop(user_locator(name))
        account.name = new_name
        self.memory.content.users[user_locator(new_name)] = account

    def delete(self, name: str) -> None:
        del self.memory.content.users[user_locator(name)]


_World = TypeVar("_World", bound=World)


@contextmanager
def opened(world: _World) -> Iterator[_World]:
    try:
        yield world
    finally:
        world.close()
