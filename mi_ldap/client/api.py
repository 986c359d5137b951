"""The management API as methods; answers are its own JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, Self

from mi_ldap.client.problems import LoginNeeded, NotAllowed, NotTheApi, Refused
from mi_ldap.client.tokens import Login
from mi_ldap.client.wire import Answer, Line, Wire, quoted_only

Json = dict[str, Any]


class ManagementApi:
    """One service, as one person.

    Args:
        line: how to get there.
        login: whose token goes along.
        domain: the user store that is meant; the primary one if empty.
    """

    def __init__(self, line: Line, login: Login | None = None, domain: str = "") -> None:
        self._line = line
        self._login = login
        self._domain = domain
        self._wire = Wire(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._wire.__exit__(*details)

    def log_in(self, user: str, password: str) -> Json:
        """`{"AccessToken"}`, and maybe a `Warning`."""
        credentials = base64.b64encode(f"{_sendable(user)}:{_sendable(password)}".encode())
        answer = self._wire.ask(
            "GET", "/management/login", authorization=f"Basic {credentials.decode()}"
        )
        said = self._content(answer)
        if not isinstance(said.get("AccessToken"), str):
            raise self._strange(answer)
        return said

    def log_out(self) -> None:
        """End the login; no error where it has ended."""
        answer = self._wire.ask("GET", "/management/logout", authorization=self._bearer())
        if answer.status not in {200, 401}:
            self._content(answer)

    def users(self, **conditions: str | None) -> tuple[Json, bool]:
        """The list, and whether it is complete; `pattern`, `regex`, `role`, `limit`."""
        return self._list("users", "userId", conditions)

    def user(self, name: str) -> Json:
        """One user."""
        return self._ask("GET", f"users/{_segment(name)}")

    def add_user(self, name: str, password: str, *, is_admin: bool) -> Json:
        """Make a user."""
        body = {"userId": _named(name), "password": password, "isAdmin": is_admin}
        return self._ask("POST", "users", body)

    def remove_user(self, name: str) -> Json:
        """Remove a user."""
        return self._ask("DELETE", f"users/{_segment(name)}")

    def set_password(self, name: str, new: str, old: str | None = None) -> Json:
        """Set a password; `old` proves the right to where being an admin doesn't."""
        body = {"newPassword": new, "confirmPassword": new}
        proof = {} if old is None else {"oldPassword": old}
        return self._ask("PATCH", f"users/{_segment(name)}", {**body, **proof})

    def roles(self, **conditions: str | None) -> tuple[Json, bool]:
        """The list, and whether it is complete; `searchKey`."""
        return self._list("roles", "role", conditions)

    def role(self, name: str) -> Json:
        """One role, and who holds it."""
        return self._ask("GET", f"roles/{_segment(name)}")

    def add_role(self, name: str) -> Json:
        """Make a role."""
        return self._ask("POST", "roles", {"role": _named(name)})

    def remove_role(self, name: str) -> Json:
        """Remove a role."""
        return self._ask("DELETE", f"roles/{_segment(name)}")

    def change_roles(
        self, user: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> Json:
        """Give and take roles, all or none."""
        changes = {"addedRoles": list(add), "removedRoles": list(remove)}
        given = {key: roles for key, roles in changes.items() if roles}
        return self._ask("PUT", "roles", {"userId": _named(user), **given})

    def _list(
        self, resource: str, key: str, conditions: dict[str, str | None]
    ) -> tuple[Json, bool]:
        query = {name: _sendable(value) for name, value in conditions.items() if value}
        answer = self._send("GET", resource, query)
        content = self._content(answer)
        names = content.get("list")
        if not isinstance(names, list) or not all(_names(each, key) for each in names):
            raise self._strange(answer)
        complete = answer.headers.get("X-Result-Truncated") != "true"
        return _of_domain(content, key, self._domain), complete

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        return self._content(self._send(method, path, {}, body))

    def _send(self, method: str, path: str, query: Json, body: Json | None = None) -> Answer:
        if self._domain:
            place = query if body is None or method == "PATCH" else body
            place["domain"] = self._domain
        bearer = self._bearer()
        answer = self._wire.ask(
            method, f"/management/{path}", query=query, body=body, authorization=bearer
        )
        if answer.status == 401:
            raise LoginNeeded(self._line.remote.name, was_in=True)
        return answer

    def _bearer(self) -> str:
        if self._login is None:
            raise LoginNeeded(self._line.remote.name, was_in=False)
        return f"Bearer {self._login.token}"

    def _content(self, answer: Answer) -> Json:
        """What the answer says.

        Raises:
            Refused: an error of the service.
            NotTheApi: nothing that the service would say.
        """
        said = _decoded(answer.body)
        if answer.status == 200 and said is not None:
            return said
        if answer.status >= 400 and said is not None and isinstance(said.get("Error"), str):
            raise _refusal(answer, said["Error"])
        raise self._strange(answer)

    def _strange(self, answer: Answer) -> NotTheApi:
        url = self._line.remote.url
        if 300 <= answer.status < 400:
            return NotTheApi(
                f"{url} redirects elsewhere, which isn't followed: give the address itself."
            )
        return NotTheApi(
            f"{url} answered {answer.status} without the JSON of a management API: "
            "see 'mi remote show'."
        )


def _refusal(answer: Answer, sentence: str) -> Refused:
    """The sentence as it is; with the time to wait where it doesn't tell."""
    wait = answer.headers.get("Retry-After", "")
    if answer.status not in {429, 503} or not wait.isdecimal():
        return Refused(answer.status, sentence)
    when = f"Try again in {int(wait)} second{'' if int(wait) == 1 else 's'}."
    if "Try again in" not in sentence:
        sentence = f"{sentence.removesuffix('Try again later.').rstrip()} {when}"
    return Refused(answer.status, sentence, int(wait))


def _decoded(body: bytes) -> Json | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _names(entry: object, key: str) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get(key), str)


def _of_domain(content: Json, key: str, domain: str) -> Json:
    """Lists have all domains in them, as `DOMAIN/name`; the service doesn't choose."""
    if domain.strip().lower() in {"", "primary"}:
        return content
    lead = f"{domain.strip()}/".casefold()
    entries = [each for each in content["list"] if each[key].casefold().startswith(lead)]
    return {**content, "count": len(entries), "list": entries}


def _segment(name: str) -> str:
    return quoted_only(_named(name))


def _named(name: str) -> str:
    """The name; an empty one in a path would be another resource altogether."""
    if not name.strip():
        raise NotAllowed("A name can't be empty.")
    return _sendable(name)


def _sendable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotAllowed("A name or password is not in UTF-8: check your locale.") from None
    return text
