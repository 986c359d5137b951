"""Errors of the client; `Refused` are those of the service, with its message."""

from __future__ import annotations

from mi_ldap.errors import MiLdapError


class ClientError(MiLdapError):
    """The base class; the message is one sentence for the user of the command line."""


class NotAllowed(ClientError):
    """A name or password that cannot be sent."""


class FileError(ClientError):
    """A file of the client, or one that the user named, cannot be used."""


class RemoteError(ClientError):
    """The named remote does not exist, exists already, or is invalid."""


class LoginNeeded(ClientError):
    """There is no token, or the service no longer accepts it."""

    def __init__(self, remote: str, *, had_login: bool) -> None:
        ended = f"The login to {remote} has ended: log in again with"
        never = f"Nobody is logged in to {remote}: log in with"
        super().__init__(f"{ended if had_login else never} 'mi remote login'.")


class UnexpectedResponse(ClientError):
    """The response is not one of the management API."""


class Refused(ClientError):
    """An error of the service.

    Args:
        status: the HTTP status.
        sentence: the service's error message.
        retry_after_s: seconds after which to try again, if the service sent `Retry-After`.
    """

    def __init__(self, status: int, sentence: str, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after_s = retry_after_s


class AlreadyExists(Refused):
    """The user or role exists already."""


class UnknownDomain(Refused):
    """The service has no user store of that domain."""


class NoConnection(ClientError):
    """The service cannot be reached, or did not respond in time."""


class Untrusted(NoConnection):
    """The service's certificate cannot be verified."""
