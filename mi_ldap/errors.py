"""Everything that can go wrong, as one tree.

    MiLdapError
    ├── ConfigurationError        the settings name something that cannot be used
    ├── NotAuthenticated          no proof of who is asking
    │   ├── TokenExpired          an authentic token whose time is over
    │   └── LoginRefused          a login that proved nothing, or whose account is closed
    ├── TooManyFailures           the throttle stands before the login
    ├── Forbidden                 known, and not allowed
    │   ├── AdminsOnly            the role that the resource wants is missing
    │   ├── PasswordChangeFirst   a token of scope `change-password` used for something else
    │   ├── CustodyRefused        the performer is not the custodian of that admin
    │   ├── SelfDeletion          nobody may delete the own account
    │   └── ReadOnlyStore         the user store takes no changes
    ├── NotFound                  no such user, role or domain
    │   ├── UserNotFound
    │   ├── RoleNotFound
    │   └── DomainNotFound
    ├── BadRequest                the request's own fault: shape, names, what the policy refuses
    │   ├── UserExists
    │   ├── RoleExists
    │   ├── AmbiguousName         two entries match one name
    │   ├── WrongOldPassword      a password is changed with a wrong present one
    │   └── PolicyRefused         the directory's password policy says no
    ├── Conflict                  the directory changed between decision and act
    ├── ClientError               between `mi` and a service: see `mi_ldap.client.errors`
    └── Unavailable               what is needed to answer cannot be reached
        ├── DirectoryUnavailable
        │   └── IdUnreadable      an entry without an id equals no other one, so it is not served
        ├── AdminRoleUnclear      the admin role is ambiguous, or cannot be read
        ├── StateUnavailable
        └── AuditUnavailable

Every message is one sentence for the person who reads it. It never holds a secret, a DN, a filter
or a trace; those belong in the log. Programs decide by the class or its `code`, never by the
sentence. HTTP, and the sentences that MI's clients expect, are known to `mi_ldap.web.errors` alone.
"""

from __future__ import annotations


class MiLdapError(Exception):
    """The root; `str(error)` is the sentence that a person may read.

    Attributes:
        code: names the class in responses and logs; it never changes.
    """

    code: str = "error"


def unforeseen(error: Exception) -> Exception | None:
    """The error where it is none of ours, so that the log shows its traceback; else None."""
    return None if isinstance(error, MiLdapError) else error


class ConfigurationError(MiLdapError):
    """A setting is missing, unknown or of a wrong type or value; names the key, never a secret."""

    code = "configuration_invalid"


class NotAuthenticated(MiLdapError):
    """The request carries no valid proof of who is asking."""

    code = "not_authenticated"


class TokenExpired(NotAuthenticated):
    """The token is authentic, but its time is over."""

    code = "token_expired"

    def __init__(self) -> None:
        super().__init__("The token has expired. Log in again.")


class LoginRefused(NotAuthenticated):
    """A login failed; `reason` is a stable word for the audit log.

    Args:
        message: the sentence for the client, if it may know the reason; else `""`.
        reason: `"credentials"`, `"locked"`, `"disabled"` or `"expired"`.
    """

    code = "login_refused"

    def __init__(self, message: str = "", reason: str = "credentials") -> None:
        super().__init__(message or "Invalid credentials.")
        self.reason = reason
        self.tells_reason = bool(message)


class TooManyFailures(MiLdapError):
    """Too many failed logins; `retry_after_s` seconds until the next may be tried."""

    code = "too_many_failures"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many failed logins. Try again in {retry_after_s} seconds.")
        self.retry_after_s = retry_after_s


class Forbidden(MiLdapError):
    """The performer is known and may not do this."""

    code = "forbidden"


class AdminsOnly(Forbidden):
    """Only admins may do this."""

    code = "admins_only"

    def __init__(self) -> None:
        super().__init__("Only admins may do this.")


class PasswordChangeFirst(Forbidden):
    """The performer's password must be changed before anything else."""

    code = "password_change_required"

    def __init__(self) -> None:
        super().__init__("Change your password first.")


class CustodyRefused(Forbidden):
    """The act amounts to removing an admin, and the performer is not its custodian.

    Args:
        admin: its name.
        action: `"remove it"` or `"change its password"`.
        hint: who may, or what helps; a sentence.
    """

    code = "custody_refused"

    def __init__(self, admin: str, action: str, hint: str) -> None:
        super().__init__(f"Only the creator of admin user '{admin}' can {action}. {hint}")


class SelfDeletion(Forbidden):
    """A user may not delete the own account."""

    code = "self_deletion"

    def __init__(self) -> None:
        super().__init__("You cannot delete your own account.")


class ReadOnlyStore(Forbidden):
    """The user store is configured, or known, to take no changes."""

    code = "read_only_store"

    def __init__(self) -> None:
        super().__init__("The user store is read-only.")


class NotFound(MiLdapError):
    """What the request names does not exist."""

    code = "not_found"


class UserNotFound(NotFound):
    code = "user_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(_not_found("User", name))


class RoleNotFound(NotFound):
    code = "role_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(_not_found("Role", name))


_SHOWN = 240
"""Characters of a name in a sentence."""


def _cut(name: str) -> str:
    """A name as a sentence shows it: what was asked for may be a megabyte that nothing bears."""
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
    """The request cannot be carried out as it stands; the message says what to change.

    Args:
        message: the sentence for the client.
        field: what of a form it is about: `"name"`, `"old"`, `"new"`, `"confirmed"`; `""` for all.
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
    """Two entries match one name; neither is taken."""

    code = "ambiguous_name"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"More than one {kind} in the directory is named {name}.")


class WrongOldPassword(BadRequest):
    """The present password that was given to change it is wrong."""

    code = "wrong_old_password"

    def __init__(self) -> None:
        super().__init__("The current password is wrong.", "old")


class PolicyRefused(BadRequest):
    """The directory's own password policy refused; the message carries its reason."""

    code = "policy_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, "new")


class Conflict(MiLdapError):
    """What was decided on is no longer so; nothing was changed, decide again."""

    code = "conflict"

    def __init__(self) -> None:
        super().__init__("The user or role was changed by someone else meanwhile. Try again.")


class Unavailable(MiLdapError):
    """Something that is needed to answer cannot be reached; try again later."""

    code = "unavailable"


class DirectoryUnavailable(Unavailable):
    code = "directory_unavailable"

    def __init__(self, message: str = "The directory cannot be reached. Try again later.") -> None:
        super().__init__(message)


class IdUnreadable(DirectoryUnavailable):
    """An entry has no id that the service can read, so it can't be told from others.

    Args:
        attribute: the one that holds ids, `"entryUUID"`.
    """

    code = "id_unreadable"

    def __init__(self, attribute: str) -> None:
        super().__init__(
            f"A user or role that this needs has no single {attribute} that the service's account "
            "may read (user_store.user_id_attribute). See the service's log."
        )


class AdminRoleUnclear(Unavailable):
    """Who is an admin cannot be told: two groups match the admin role, or it cannot be read."""

    code = "admin_role_unclear"

    def __init__(self) -> None:
        super().__init__(
            "The admin role is ambiguous: two groups have that name, or the service account cannot "
            "read it. See the service's log."
        )


class StateUnavailable(Unavailable):
    """What the workers share (revoked tokens, failed logins) can't be read or written."""

    code = "state_unavailable"

    def __init__(self) -> None:
        super().__init__("The service's state cannot be used. See its log, and try again later.")


class AuditUnavailable(Unavailable):
    code = "audit_unavailable"

    def __init__(self) -> None:
        super().__init__("The audit log cannot be written, so nothing was changed.")
