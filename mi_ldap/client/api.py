"""The management API as methods, which return its JSON."""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap.client.errors import Refused, UnknownDomain
from mi_ldap.client.http import ConnectionOptions, Response, quote_segment
from mi_ldap.client.rules import Rules
from mi_ldap.client.session import ApiSession, Json, checked_name, checked_utf8, is_token
from mi_ldap.client.tokens import Login
from mi_ldap.name_rules import (
    full_role_name,
    is_primary,
    role_of_domain,
    split_domain,
    user_of_domain,
    without_primary,
)


class ManagementApi(ApiSession):
    """The requests of one user to one service, about users and roles.

    Args:
        options: how to connect.
        login: the user and token; None before the login.
        domain: the user store to use; `""` for the primary one.
    """

    def __init__(
        self, options: ConnectionOptions, login: Login | None = None, domain: str = ""
    ) -> None:
        super().__init__(options, login)
        self._domain = domain

    def log_in(self, user: str, password: str) -> Json:
        """Log in; return `{"AccessToken": "…"}`, perhaps with a `"Warning"` about the password."""
        credentials = (checked_utf8(user), checked_utf8(password))
        response = self._client.request("GET", "/management/login", credentials=credentials)
        content = self._content(response)
        if not is_token(content.get("AccessToken")):
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
        body = {"userId": checked_name(name), "password": password, "isAdmin": is_admin}
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
        return self._write("POST", "roles", {"role": checked_name(name)})

    def delete_role(self, name: str) -> Json:
        """Delete a role."""
        return self._write("DELETE", f"roles/{_path_segment(name)}")

    def change_roles(
        self, user: str, *, assign: Iterable[str] = (), revoke: Iterable[str] = ()
    ) -> Json:
        """Assign and revoke roles, all or none."""
        changes = {"addedRoles": list(assign), "removedRoles": list(revoke)}
        nonempty = {key: roles for key, roles in changes.items() if roles}
        return self._write("PUT", "roles", {"userId": checked_name(user), **nonempty})

    def _list(
        self, resource: str, key: str, conditions: dict[str, str | None]
    ) -> tuple[Json, bool]:
        self._ensure_domain(resource)
        content, complete = self._whole_list(resource, key, conditions)
        return self._only_domain(content, key), complete

    def _whole_list(
        self, resource: str, key: str, conditions: dict[str, str | None]
    ) -> tuple[Json, bool]:
        query = {name: checked_utf8(value) for name, value in conditions.items() if value}
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
        return super()._send(method, path, query, body)


def _is_complete(response: Response) -> bool:
    return response.headers.get("X-Result-Truncated") != "true"


def _has_name(entry: object, key: str) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get(key), str)


def _path_segment(name: str) -> str:
    return quote_segment(checked_name(name))
