"""The management API as methods, which return its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, Self

from mi_ldap.client.errors import (
    AlreadyExists,
    LoginNeeded,
    NotAllowed,
    Refused,
    UnexpectedResponse,
    UnknownDomain,
)
from mi_ldap.client.http import ConnectionOptions, HttpClient, Response, quote_segment
from mi_ldap.client.rules import Rules
from mi_ldap.client.tokens import Login
from mi_ldap.name_rules import (
    full_role_name,
    is_primary,
    role_of_domain,
    split_domain,
    user_of_domain,
    without_primary,
)

Json = dict[str, Any]
_TOKEN: Final = re.compile(r"[!-~]+")  # visible ASCII, so that it fits into a header


class ManagementApi:
    """The requests of one user to one service.

    Args:
        options: how to connect.
        login: the user and token; None before the login.
        domain: the user store to use; `""` for the primary one.
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
        """The name of the logged-in user, as typed; `""` before the login."""
        return self._login.user if self._login else ""

    def log_in(self, user: str, password: str) -> Json:
        """Log in; return `{"AccessToken": "…"}`, perhaps with a `"Warning"` about the password."""
        credentials = (_checked_utf8(user), _checked_utf8(password))
        response = self._client.request("GET", "/management/login", credentials=credentials)
        content = self._content(response)
        if not _is_token(content.get("AccessToken")):
            raise self._unexpected(response)
        return content

    def log_out(self) -> None:
        """Revoke the token; an expired or revoked one is not an error."""
        response = self._client.request("GET", "/management/logout", token=self._token())
        # 401: the token has expired or was revoked before.
        if response.status not in {200, 401}:
            self._content(response)

    def users(self, **conditions: str | None) -> tuple[Json, bool]:
        """Return the list, and whether it is complete.

        Args:
            **conditions: `pattern`, `regex`, `role`, `limit`.
        """
        role = conditions.get("role")
        if role and not is_primary(self._domain):
            conditions["role"] = self.qualified_role(role)
        return self._list("users", "userId", conditions)

    def qualified_user(self, name: str) -> str:
        """Return a user's name as lists show it, with the domain of these requests."""
        if is_primary(self._domain):
            return without_primary(name)
        return user_of_domain(name, self._domain, (self._domain.strip().upper(),))

    def qualified_role(self, name: str) -> str:
        """Return a role's name as lists show it; one with a domain is in that domain."""
        if is_primary(self._domain) or "/" in name:
            return full_role_name(name)
        return role_of_domain(name.strip(), self._domain, (self._domain.strip().upper(),))

    def user(self, name: str) -> Json:
        """Return one user: `{"userId", "isAdmin", "roles", "createdBy"?}`."""
        return self._read(f"users/{_path_segment(name)}", "roles")[0]

    def create_user(self, name: str, password: str, *, is_admin: bool) -> Json:
        """Create a user."""
        body = {"userId": _checked_name(name), "password": password, "isAdmin": is_admin}
        return self._write("POST", "users", body)

    def delete_user(self, name: str) -> Json:
        """Delete a user."""
        return self._write("DELETE", f"users/{_path_segment(name)}")

    def set_password(self, name: str, new: str, old: str | None = None) -> Json:
        """Set a password; `old` is needed where the admin role is not sufficient."""
        body = {"newPassword": new, "confirmPassword": new}
        proof = {} if old is None else {"oldPassword": old}
        return self._write("PATCH", f"users/{_path_segment(name)}", {**body, **proof})

    def rules(self) -> Rules:
        """Return the rules of new names and passwords; no rules from an older service (404)."""
        try:
            return Rules.of(self._content(self._send("GET", "rules", {})))
        except Refused as error:
            if error.status != 404:
                raise
            return Rules()

    def roles(self, **conditions: str | None) -> tuple[Json, bool]:
        """Return the list, and whether it is complete.

        Args:
            **conditions: `searchKey`.
        """
        return self._list("roles", "role", conditions)

    def all_roles(self) -> tuple[Json, bool]:
        """Return the roles of all domains, as `roles`."""
        return self._whole_list("roles", "role", {})

    def role(self, name: str) -> tuple[Json, bool]:
        """Return one role, `{"role", "users"}`, and whether it has all its users."""
        return self._read(f"roles/{_path_segment(name)}", "users")

    def create_role(self, name: str) -> Json:
        """Create a role."""
        return self._write("POST", "roles", {"role": _checked_name(name)})

    def delete_role(self, name: str) -> Json:
        """Delete a role."""
        return self._write("DELETE", f"roles/{_path_segment(name)}")

    def change_roles(
        self, user: str, *, assign: Iterable[str] = (), revoke: Iterable[str] = ()
    ) -> Json:
        """Assign and revoke roles, all or none."""
        changes = {"addedRoles": list(assign), "removedRoles": list(revoke)}
        nonempty = {key: roles for key, roles in changes.items() if roles}
        return self._write("PUT", "roles", {"userId": _checked_name(user), **nonempty})

    def _list(
        self, resource: str, key: str, conditions: dict[str, str | None]
    ) -> tuple[Json, bool]:
        self._ensure_domain(resource)
        content, complete = self._whole_list(resource, key, conditions)
        return self._only_domain(content, key), complete

    def _whole_list(
        self, resource: str, key: str, conditions: dict[str, str | None]
    ) -> tuple[Json, bool]:
        query = {name: _checked_utf8(value) for name, value in conditions.items() if value}
        response = self._send("GET", resource, query)
        content = self._content(response)
        names = content.get("list")
        # The address may be that of another service which answers with JSON, too.
        if not isinstance(names, list) or not all(_has_name(each, key) for each in names):
            raise self._unexpected(response)
        return content, _is_complete(response)

    def _only_domain(self, content: Json, key: str) -> Json:
        """Return the list with only the names of the domain, if one was given."""
        if not self._domain.strip():
            return content
        if is_primary(self._domain):
            domains = self.rules().domains
            entries = [each for each in content["list"] if not split_domain(each[key], domains)[0]]
        else:
            # The service's lists have the names of all domains, as `DOMAIN/name`.
            prefix = f"{self._domain.strip()}/".casefold()
            entries = [e for e in content["list"] if e[key].casefold().startswith(prefix)]
        return {**content, "count": len(entries), "list": entries}

    def _ensure_domain(self, resource: str) -> None:
        """Raise `UnknownDomain` for a domain that does not exist."""
        if is_primary(self._domain):
            return
        try:
            # An arbitrary name in the domain: the service ignores the domain of lists.
            self._content(self._send("GET", f"{resource}/-", {}))
        except UnknownDomain:
            raise
        except Refused as error:
            if error.status != 404:
                raise

    def _read(self, path: str, key: str) -> tuple[Json, bool]:
        """Return one user or role, and whether its list of names, at `key`, is complete."""
        response = self._send("GET", path, {})
        content = self._content(response)
        names = content.get(key)
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise self._unexpected(response)
        return content, _is_complete(response)

    def _write(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a change; it is done only if the response has a status text."""
        response = self._send(method, path, {}, body)
        content = self._content(response)
        if not isinstance(content.get("status"), str) or not content["status"]:
            raise self._unexpected(response)
        return content

    def _send(self, method: str, path: str, query: Json, body: Json | None = None) -> Response:
        if self._domain:
            # POST and PUT have the domain in the body, all other methods in the query.
            parameters = query if body is None or method == "PATCH" else body
            parameters["domain"] = self._domain
        response = self._client.request(
            method, f"/management/{path}", query=query, body=body, token=self._token()
        )
        if response.status == 401:
            raise LoginNeeded(self._options.remote.name, had_login=True)
        return response

    def _token(self) -> str:
        if self._login is None or not _is_token(self._login.token):
            raise LoginNeeded(self._options.remote.name, had_login=self._login is not None)
        return self._login.token

    def _content(self, response: Response) -> Json:
        """Return the JSON object of a response.

        Raises:
            Refused: the service returned an error.
            UnexpectedResponse: it is not a response of the management API.
        """
        content = _decoded(response.body)
        if response.status == 200 and content is not None:
            return content
        if response.status >= 400 and content is not None and isinstance(content.get("Error"), str):
            raise _refused(response, content["Error"])
        raise self._unexpected(response)

    def _unexpected(self, response: Response) -> UnexpectedResponse:
        url = self._options.remote.url
        if 300 <= response.status < 400:
            return UnexpectedResponse(
                f"{url} redirects to another address. Redirects are not followed: use that address."
            )
        return UnexpectedResponse(
            f"{url} answered {response.status} without the JSON of a management API: "
            "see 'mi remote show'."
        )


def _refused(response: Response, sentence: str) -> Refused:
    """Return the error of the response; its sentence gets the time to wait if it lacks that."""
    wait = response.headers.get("Retry-After", "")
    # Retry-After may also be a date (RFC 9110 §10.2.3), which this service never sends.
    if response.status not in {429, 503} or not wait.isdecimal():
        return _class_of(response, sentence)(response.status, sentence)
    retry_hint = f"Try again in {int(wait)} second{'' if int(wait) == 1 else 's'}."
    if "Try again in" not in sentence:
        sentence = f"{sentence.removesuffix('Try again later.').rstrip()} {retry_hint}"
    return Refused(response.status, sentence, int(wait))


def _class_of(response: Response, sentence: str) -> type[Refused]:
    code = response.headers.get("X-Error-Code")
    if code is not None:
        return _CLASSES.get(code, Refused)
    # Services before 0.2.0 send no code; these are fixed sentences of MI's API.
    if response.status == 400 and sentence.endswith(" already exists."):
        return AlreadyExists
    return UnknownDomain if response.status == 404 and "user-store" in sentence else Refused


_CLASSES: Final = {
    "user_exists": AlreadyExists,
    "role_exists": AlreadyExists,
    "domain_not_found": UnknownDomain,
}
"""The error codes of the service (`mi_ldap.errors`) that the client distinguishes."""


def _is_complete(response: Response) -> bool:
    return response.headers.get("X-Result-Truncated") != "true"


def _decoded(body: bytes) -> Json | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _is_token(token: object) -> bool:
    return isinstance(token, str) and _TOKEN.fullmatch(token) is not None


def _has_name(entry: object, key: str) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get(key), str)


def _path_segment(name: str) -> str:
    return quote_segment(_checked_name(name))


def _checked_name(name: str) -> str:
    """Return the name if it can be sent."""
    # In a path, an empty name would address the whole list.
    if not name.strip():
        raise NotAllowed("A name can't be empty.")
    return _checked_utf8(name)


def _checked_utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotAllowed("A name or password is not valid UTF-8: check your locale.") from None
    return text
