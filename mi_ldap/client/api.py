"""The management API as methods; answers are its own JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, Self

from mi_ldap.client.errors import LoginNeeded, NotAllowed, Refused, UnexpectedResponse
from mi_ldap.client.http import Answer, ConnectionOptions, HttpClient, quoted_only
from mi_ldap.client.rules import Rules
from mi_ldap.client.tokens import Login
from mi_ldap.model import is_primary

Json = dict[str, Any]
# What a header can carry.
_TOKEN: Final = re.compile(r"[!-~]+")


class ManagementApi:
    """One service, as one person.

    Args:
        options: how to get there.
        login: whose token goes along.
        domain: the user store that is meant; the primary one if empty.
    """

    def __init__(
        self, options: ConnectionOptions, login: Login | None = None, domain: str = ""
    ) -> None:
        self._options = options
        self._login = login
        self._domain = domain
        self._client = HttpClient(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._client.__exit__(*details)

    @property
    def me(self) -> str:
        """Who is logged in, as it was typed."""
        return self._login.user if self._login else ""

    def log_in(self, user: str, password: str) -> Json:
        """`{"AccessToken"}`, and maybe a `Warning`."""
        credentials = (_sendable(user), _sendable(password))
        answer = self._client.ask("GET", "/management/login", credentials=credentials)
        said = self._content(answer)
        if not _is_token(said.get("AccessToken")):
            raise self._strange(answer)
        return said

    def log_out(self) -> None:
        """End the login; no error where it has ended."""
        answer = self._client.ask("GET", "/management/logout", token=self._token())
        if answer.status not in {200, 401}:
            self._content(answer)

    def users(self, **conditions: str | None) -> tuple[Json, bool]:
        """The list, and whether it is complete; `pattern`, `regex`, `role`, `limit`."""
        return self._list("users", "userId", conditions)

    def user(self, name: str) -> Json:
        """One user."""
        return self._read(f"users/{_segment(name)}", "roles")

    def add_user(self, name: str, password: str, *, is_admin: bool) -> Json:
        """Make a user."""
        body = {"userId": _named(name), "password": password, "isAdmin": is_admin}
        return self._write("POST", "users", body)

    def remove_user(self, name: str) -> Json:
        """Remove a user."""
        return self._write("DELETE", f"users/{_segment(name)}")

    def set_password(self, name: str, new: str, old: str | None = None) -> Json:
        """Set a password; `old` proves the right to where being an admin doesn't."""
        body = {"newPassword": new, "confirmPassword": new}
        proof = {} if old is None else {"oldPassword": old}
        return self._write("PATCH", f"users/{_segment(name)}", {**body, **proof})

    def rules(self) -> Rules:
        """Fetch the rules of new names and passwords; none from an older service (404)."""
        try:
            return Rules.of(self._content(self._send("GET", "rules", {})))
        except Refused as error:
            if error.status != 404:
                raise
            return Rules()

    def roles(self, **conditions: str | None) -> tuple[Json, bool]:
        """The list, and whether it is complete; `searchKey`."""
        return self._list("roles", "role", conditions)

    def role(self, name: str) -> Json:
        """One role, and who holds it."""
        return self._read(f"roles/{_segment(name)}", "users")

    def add_role(self, name: str) -> Json:
        """Make a role."""
        return self._write("POST", "roles", {"role": _named(name)})

    def remove_role(self, name: str) -> Json:
        """Remove a role."""
        return self._write("DELETE", f"roles/{_segment(name)}")

    def change_roles(
        self, user: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> Json:
        """Give and take roles, all or none."""
        changes = {"addedRoles": list(add), "removedRoles": list(remove)}
        given = {key: roles for key, roles in changes.items() if roles}
        return self._write("PUT", "roles", {"userId": _named(user), **given})

    def _list(
        self, resource: str, key: str, conditions: dict[str, str | None]
    ) -> tuple[Json, bool]:
        self._find_domain(resource)
        query = {name: _sendable(value) for name, value in conditions.items() if value}
        answer = self._send("GET", resource, query)
        content = self._content(answer)
        names = content.get("list")
        if not isinstance(names, list) or not all(_names(each, key) for each in names):
            raise self._strange(answer)
        complete = answer.headers.get("X-Result-Truncated") != "true"
        return _of_domain(content, key, self._domain), complete

    def _find_domain(self, resource: str) -> None:
        """Lists don't ask for a domain, so something in it is asked for, whatever it is."""
        if is_primary(self._domain):
            return
        try:
            self._content(self._send("GET", f"{resource}/-", {}))
        except Refused as error:
            # The contract's words; there is no status of its own for it.
            if error.status != 404 or "user-store" in str(error):
                raise

    def _read(self, path: str, key: str) -> Json:
        """One thing, and the names that belong to it."""
        answer = self._send("GET", path, {})
        content = self._content(answer)
        names = content.get(key)
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise self._strange(answer)
        return content

    def _write(self, method: str, path: str, body: Json | None = None) -> Json:
        """A change; done only where the answer says so."""
        answer = self._send(method, path, {}, body)
        content = self._content(answer)
        if not isinstance(content.get("status"), str) or not content["status"]:
            raise self._strange(answer)
        return content

    def _send(self, method: str, path: str, query: Json, body: Json | None = None) -> Answer:
        if self._domain:
            place = query if body is None or method == "PATCH" else body
            place["domain"] = self._domain
        answer = self._client.ask(
            method, f"/management/{path}", query=query, body=body, token=self._token()
        )
        if answer.status == 401:
            raise LoginNeeded(self._options.remote.name, was_in=True)
        return answer

    def _token(self) -> str:
        if self._login is None or not _is_token(self._login.token):
            raise LoginNeeded(self._options.remote.name, was_in=self._login is not None)
        return self._login.token

    def _content(self, answer: Answer) -> Json:
        """What the answer says.

        Raises:
            Refused: an error of the service.
            UnexpectedResponse: nothing that the service would say.
        """
        said = _decoded(answer.body)
        if answer.status == 200 and said is not None:
            return said
        if answer.status >= 400 and said is not None and isinstance(said.get("Error"), str):
            raise _refusal(answer, said["Error"])
        raise self._strange(answer)

    def _strange(self, answer: Answer) -> UnexpectedResponse:
        url = self._options.remote.url
        if 300 <= answer.status < 400:
            return UnexpectedResponse(
                f"{url} redirects elsewhere, which isn't followed: give the address itself."
            )
        return UnexpectedResponse(
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


def _is_token(token: object) -> bool:
    return isinstance(token, str) and _TOKEN.fullmatch(token) is not None


def _names(entry: object, key: str) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get(key), str)


def _of_domain(content: Json, key: str, domain: str) -> Json:
    """Lists have all domains in them, as `DOMAIN/name`; the service doesn't choose."""
    if is_primary(domain):
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
