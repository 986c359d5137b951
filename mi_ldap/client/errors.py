"""What can go wrong between a person and a service.

ClientError
├── NotAllowed       the request makes no sense as it stands: a name that cannot be
├── FileError      what a person keeps can't be read or written
├── RemoteError    no such remote, or not one that can be had
├── LoginNeeded      no token, or one that the service doesn't take any longer
├── UnexpectedResponse        something answered that isn't the management API
├── Refused          the service said no; the sentence is its own
└── NoConnection     nobody answered, or not in time
    └── Untrusted    its certificate proves nothing
"""

from __future__ import annotations

from mi_ldap.errors import MiLdapError


class ClientError(MiLdapError):
    """The root; the message is one sentence for the person at the keyboard."""


class NotAllowed(ClientError):
    """Something that can't be sent at all."""


class FileError(ClientError):
    """A file of ours, or one that was named, can't be used."""


class RemoteError(ClientError):
    """The named remote is missing, or in the way."""


class LoginNeeded(ClientError):
    """Nobody is logged in, or not any longer."""

    def __init__(self, remote: str, *, was_in: bool) -> None:
        said = f"The login to {remote} has ended: log in again with"
        never = f"Nobody is logged in to {remote}: log in with"
        super().__init__(f"{said if was_in else never} 'mi remote login'.")


class UnexpectedResponse(ClientError):
    """Whatever answered is no management API."""


class Refused(ClientError):
    """The service's own sentence, and its status.

    Args:
        status: of HTTP.
        sentence: what the service says.
        retry_after_s: seconds after which it may be tried again, if the service named them.
    """

    def __init__(self, status: int, sentence: str, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after_s = retry_after_s


class NoConnection(ClientError):
    """The service can't be reached."""


class Untrusted(NoConnection):
    """The service's certificate can't be verified."""
