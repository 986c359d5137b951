"""All exceptions of the package, as one tree.

    MiLdapError
    ├── ConfigurationError        a setting is missing or cannot be used
    ├── NotAuthenticated          there is no token, or it is not valid
    │   ├── TokenExpired          an authentic token that has expired
    │   └── LoginRefused          wrong credentials, or an account that may not log in
    ├── TooManyFailures           the throttle refuses the login
    ├── Forbidden                 the performer is known and may not do this
    │   ├── AdminsOnly            the performer does not have the admin role
    │   ├── OperatorsOnly         the performer has neither an operator role nor the admin role
    │   ├── PasswordChangeFirst   a token of scope `change-password` used for something else
    │   ├── CustodyRefused        the performer is not the custodian of that admin
    │   ├── SelfDeletion          nobody may delete their own account
    │   └── ReadOnlyStore         the user store is read-only
    ├── NotFound                  there is no such user, role or domain
    │   ├── UserNotFound
    │   ├── RoleNotFound
    │   └── DomainNotFound
    ├── BadRequest                the request cannot be carried out; its sender must change it
    │   ├── UserExists
    │   ├── RoleExists
    │   ├── AmbiguousName         several entries match one name, so none of them is used
    │   ├── WrongOldPassword      the current password, sent to change it, is wrong
    │   └── PolicyRefused         the directory's password policy rejects the password
    ├── Conflict                  the directory changed between the decision and the write
    ├── ClientError               errors of `mi`, see `mi_ldap.client.errors`
    ├── NodeFailed                a Micro Integrator gave no usable answer
    └── Unavailable               something that the answer needs cannot be used now
        ├── DirectoryUnavailable
        │   └── IdUnreadable      an entry without a readable id cannot be compared with others
        ├── AdminRoleUnclear      the admin role is ambiguous, or cannot be read
        ├── StateUnavailable
        ├── AuditUnavailable
        └── NodeUnavailable       a Micro Integrator cannot be used; nothing was done there

Every message is one sentence for people. It never contains a secret, a DN, a filter or a traceback,
which belong in the log. Programs decide by the class or its `code` (docs/api.md), never by the
sentence. Only `mi_ldap.web.errors` knows HTTP and the sentences that MI's clients expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class MiLdapError(Exception):
    """The root; `str(error)` is one sentence for people.

    Attributes:
        code: the header `X-Error-Code` of the response; it never changes.
    """

    code: str = "error"


def unforeseen(error: Exception) -> Exception | None:
    """Return the error if it is none of ours, so that the log shows its traceback; else None."""
    return None if isinstance(error, MiLdapError) else error


class ConfigurationError(MiLdapError):
    """A setting is missing, unknown or invalid; the message names the key, never the value."""

    code = "configuration_invalid"


class NotAuthenticated(MiLdapError):
    """The request has no valid token and no valid credentials."""

    code = "not_authenticated"


class TokenExpired(NotAuthenticated):
    code = "token_expired"

    def __init__(self) -> None:
        super().__init__("The token has expired. Log in again.")


class LoginRefused(NotAuthenticated):
    """A login failed.

    Args:
        message: the sentence for the client, if it may know the reason; else `""`.
        reason: for the audit log: `"credentials"`, `"locked"`, `"disabled"` or `"expired"`.
    """

    code = "login_refused"

    def __init__(self, message: str = "", reason: str = "credentials") -> None:
        super().__init__(message or "Invalid credentials.")
        self.reason = reason
        self.tells_reason = bool(message)


class TooManyFailures(MiLdapError):
    """Too many failed logins; the next may be tried after `retry_after_s` seconds."""

    code = "too_many_failures"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many failed logins. Try again in {retry_after_s} seconds.")
        self.retry_after_s = retry_after_s


class Forbidden(MiLdapError):
    """The performer is authenticated and may not do this."""

    code = "forbidden"


class AdminsOnly(Forbidden):
    code = "admins_only"

    def __init__(self) -> None:
        super().__init__("Only admins may do this.")


class OperatorsOnly(Forbidden):
    code = "operators_only"

    def __init__(self) -> None:
        super().__init__(
            "Only operators and admins may do this. Ask an admin for an operator role."
        )


class PasswordChangeFirst(Forbidden):
    code = "password_change_required"

    def __init__(self) -> None:
        super().__init__("Change your password first.")


class CustodyRefused(Forbidden):
    """The performer is not the custodian of the admin that the action would remove or take over.

    Args:
        admin: its name.
        action: `"remove it"` or `"change its password"`.
        hint: a sentence: who may do it, or what helps.
    """

    code = "custody_refused"

    def __init__(self, admin: str, action: str, hint: str) -> None:
        super().__init__(f"Only the creator of admin user '{admin}' can {action}. {hint}")


class SelfDeletion(Forbidden):
    code = "self_deletion"

    def __init__(self) -> None:
        super().__init__("You cannot delete your own account.")


class ReadOnlyStore(Forbidden):
    """The user store is read-only, by its configuration or because the server refuses changes."""

    code = "read_only_store"

    def __init__(self) -> None:
        super().__init__("The user store is read-only.")


class NotFound(MiLdapError):
    """The user, role, domain or artifact does not exist."""

    code = "not_found"


class UserNotFound(NotFound):
    code = "user_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(_not_found("User", name))


class RoleNotFound(NotFound):
    code = "role_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(_not_found("Role", name))


# In characters. A client may send a name of a megabyte; the sentence goes into response and log.
_SHOWN = 240


def _cut(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"


def _not_found(kind: str, name: str) -> str:
    name = _cut(name)
    return f"{kind}: {name} cannot be found." if name.strip() else f"{kind}: a name is needed."


class DomainNotFound(NotFound):
    code = "domain_not_found"

    def __init__(self, domain: str) -> None:
        self.domain = _cut(domain)
        super().__init__(f"There is no user store {self.domain}.")


class BadRequest(MiLdapError):
    """The request cannot be carried out; the message says what to change.

    Args:
        message: the sentence for the client.
        field: the field of a form that it is about, `"name"`, `"old"`, `"new"` or `"confirmed"`;
            `""` for the whole form.
    """

    code = "bad_request"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class UserExists(BadRequest):
    code = "user_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"User: {name} already exists.", "name")


class RoleExists(BadRequest):
    code = "role_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"The role {name} already exists.", "name")
        self.name = name


class AmbiguousName(BadRequest):
    code = "ambiguous_name"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"More than one {kind} is named {name}.")


def only_one(kind: str, name: str, found: Sequence[T]) -> T | None:
    """Return what was found by a name, None if nothing was; raise `AmbiguousName` for several."""
    if len(found) > 1:
        raise AmbiguousName(kind, name)
    return found[0] if found else None


class WrongOldPassword(BadRequest):
    code = "wrong_old_password"

    def __init__(self) -> None:
        super().__init__("The current password is wrong.", "old")


class PolicyRefused(BadRequest):
    """The directory's password policy rejects the password; the message contains its reason."""

    code = "policy_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, "new")


class Conflict(MiLdapError):
    """The data that the decision depends on has changed; nothing was written: decide again."""

    code = "conflict"

    def __init__(self) -> None:
        super().__init__("The user or role was changed by someone else meanwhile. Try again.")


class NodeFailed(MiLdapError):
    """A Micro Integrator broke off its answer, or refuses this service's account."""

    code = "node_failed"


class Unavailable(MiLdapError):
    """Something that the answer needs cannot be used now; try again later."""

    code = "unavailable"


class DirectoryUnavailable(Unavailable):
    code = "directory_unavailable"

    def __init__(self, message: str = "The directory cannot be reached. Try again later.") -> None:
        super().__init__(message)


class IdUnreadable(DirectoryUnavailable):
    """An entry has no id that the service can read, so it cannot be compared with others.

    Args:
        attribute: the attribute of ids, `"entryUUID"`.
        message: by default one that names the setting for directories.
    """

    code = "id_unreadable"

    def __init__(self, attribute: str, message: str = "") -> None:
        super().__init__(
            message
            or f"A user or role that this needs has no single {attribute} that the service's "
            "account may read (user_store.user_id_attribute). See the service's log."
        )


class AdminRoleUnclear(Unavailable):
    """The admins are unknown: two groups match the admin role, or it cannot be read."""

    code = "admin_role_unclear"

    def __init__(self) -> None:
        super().__init__(
            "The admin role is ambiguous: two groups have that name, or the service account cannot "
            "read it. See the service's log."
        )


class StateUnavailable(Unavailable):
    """The state that workers share (revoked tokens, failed logins) cannot be read or written."""

    code = "state_unavailable"

    def __init__(self) -> None:
        super().__init__("The service's state cannot be used. See its log, and try again later.")


class AuditUnavailable(Unavailable):
    code = "audit_unavailable"

    def __init__(self) -> None:
        super().__init__("The audit log cannot be written, so nothing was changed.")


class NodeUnavailable(Unavailable):
    """A Micro Integrator is down, slow or not trusted; the request had no effect there."""

    code = "node_unavailable"
