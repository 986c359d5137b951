"""A client of the API that finds fault with every answer that breaks the contract's form."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mi_ldap.model import User
from mi_ldap.services.container import Services
from mi_ldap.store import AssignRole, CreateAdminRole, RenewEpoch, SetCustodian, UserStore
from mi_ldap.web import create_app

PASSWORD = "correct horse"
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"

WRITES = ("POST", "PUT", "PATCH", "DELETE")
TELLTALES = ("dc=", "uid=", "objectClass", "Traceback", "sqlite", "ldap://", "%2F")


@dataclass(frozen=True)
class Api:
    """The API as one user sees it; without a token, as a stranger does."""

    services: Services
    client: FlaskClient
    token: str = ""
    address: str = HERE

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> TestResponse:
        """Send a request below `/management`; `body` as JSON unless it is text or bytes."""
        return self.ask(method, f"/management{path}", body, headers=headers, **environ)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> TestResponse:
        """Send a request anywhere; `environ` overrides what the server says of it."""
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        plain = body is None or isinstance(body, str | bytes)
        answer = self.client.open(
            path,
            method=method,
            data=body if plain else json.dumps(body),
            headers={**own, **(headers or {})},
            environ_overrides={"REMOTE_ADDR": self.address, **environ},
        )
        assert_sound(method, path, answer)
        return answer

    def get(self, path: str) -> Any:
        """What a GET answers, which must succeed."""
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json

    def do(self, method: str, path: str, body: object = None) -> Any:
        """What a write answers, which must succeed."""
        answer = self(method, path, body)
        assert answer.status == "200 OK", answer.text
        return answer.json

    def login(self, name: str, password: str = PASSWORD) -> TestResponse:
        return self("GET", "/login", headers={"Authorization": basic(f"{name}:{password}")})

    def logged_in(self, name: str, password: str = PASSWORD) -> Api:
        """The API as that user sees it."""
        answer = self.login(name, password)
        assert answer.status_code == 200, answer.text
        return replace(self, token=answer.json["AccessToken"])  # type: ignore[index]

    def stranger(self) -> Api:
        return replace(self, token="")

    def elsewhere(self) -> Api:
        return replace(self, address=ELSEWHERE)

    def add_user(self, name: str, **more: object) -> None:
        self.do("POST", "/users", {"userId": name, "password": PASSWORD, **more})

    def add_users(self, names: Iterable[str]) -> None:
        """Many users, without passwords and behind the API's back: for the sake of time."""
        store = self.services.store
        for name in names:
            store.apply(RenewEpoch(store.create_user(name)))

    def add_role(self, name: str, *members: str) -> None:
        self.do("POST", "/roles", {"role": name})
        for member in members:
            self.give(member, name)

    def give(self, name: str, *roles: str) -> None:
        self.do("PUT", "/roles", {"userId": name, "addedRoles": list(roles)})

    def user(self, name: str) -> Any:
        return self.get(f"/users/{quote(name, safe='')}")

    def exists(self, name: str) -> bool:
        return self("GET", f"/users/{quote(name, safe='')}").status_code == 200

    def names(self, query: str = "") -> list[str]:
        """The ids of a list of users."""
        return [each["userId"] for each in self.get(f"/users{query}")["list"]]

    def roles(self, query: str = "") -> list[str]:
        return [each["role"] for each in self.get(f"/roles{query}")["list"]]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The audit log."""
        file = self.services.settings.audit.file or (self.services.settings.state_dir / "audit.log")
        texts = file.read_text(encoding="utf-8").split("\n") if file.is_file() else []
        return [json.loads(text) for text in texts if text]


class Family:
    """`admin`, the first, answers for `boss`, who answers for `carl`; `bob` is no admin.

    Each logs in when it is first needed.
    """

    def __init__(self, stranger: Api) -> None:
        self.stranger = stranger
        store = stranger.services.store
        users = {name: _add_user(store, name) for name in ("admin", "boss", "carl", "bob")}
        store.apply(CreateAdminRole(users["admin"]))
        for name, custodian in (("boss", "admin"), ("carl", "boss")):
            admin_role = store.admin_role()
            assert admin_role is not None
            answers_for = SetCustodian(users[name], users[custodian].id)
            store.apply(answers_for, AssignRole(admin_role.role, users[name]))

    @cached_property
    def admin(self) -> Api:
        return self.stranger.logged_in("admin")

    @cached_property
    def boss(self) -> Api:
        return self.stranger.logged_in("boss")

    @cached_property
    def carl(self) -> Api:
        return self.stranger.logged_in("carl")

    @cached_property
    def bob(self) -> Api:
        return self.stranger.logged_in("bob")


def _add_user(store: UserStore, name: str) -> User:
    user = store.create_user(name)
    store.reset_password(user, PASSWORD)
    store.apply(RenewEpoch(user))
    found = store.user(user.id)
    assert found is not None
    return found


def assert_one_wins(api: Api, logins: int) -> None:
    """Of so many first logins at once one makes the first admin; the others leave nothing."""
    codes = logins_at_once(api, [f"user{number}" for number in range(logins)])
    assert sorted(codes) == [200] + [401] * (logins - 1)
    winner = f"user{codes.index(200)}"
    assert api.logged_in(winner).names() == [winner]


def logins_at_once(api: Api, names: Sequence[str]) -> list[int]:
    """The status of each login, all of them sent at the same moment."""
    app = create_app(api.services)

    def attempt(name: str) -> int:
        try:
            return replace(api, client=app.test_client()).login(name).status_code
        finally:
            api.services.state.close()

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(attempt, names))


def basic(credentials: str | bytes, scheme: str = "Basic") -> str:
    content = credentials.encode() if isinstance(credentials, str) else credentials
    return f"{scheme} {base64.b64encode(content).decode()}"


def assert_sound(method: str, path: str, answer: TestResponse) -> None:
    """What holds of every answer whatsoever."""
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.status_code == 503 or answer.status_code < 500, answer.text
    assert answer.status_code not in range(201, 400), answer.status
    _assert_reason(method, answer)
    if method == "HEAD":
        assert answer.data == b""
    elif answer.status_code != 200:
        _assert_error(answer)
    elif method in WRITES:
        assert all(isinstance(value, str) for value in answer.json.values())  # type: ignore[union-attr]
        assert answer.json["status"]  # type: ignore[index]


def _assert_error(answer: TestResponse) -> None:
    assert answer.content_type == "application/json"
    assert list(answer.json) == ["Error"]  # type: ignore[arg-type]
    sentence = answer.json["Error"]  # type: ignore[index]
    assert isinstance(sentence, str)
    assert sentence
    assert not [telltale for telltale in TELLTALES if telltale in sentence]
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)
    assert ("Retry-After" in answer.headers) == (answer.status_code in (429, 503))


def _assert_reason(method: str, answer: TestResponse) -> None:
    code, _, reason = answer.status.partition(" ")
    assert reason
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= 120
    if method not in ("PUT", "DELETE") or answer.status_code in (200, 401, 404):
        assert reason == HTTPStatus(int(code)).phrase
