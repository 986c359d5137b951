"""A connection to a directory server, used by one thread at a time, and the LDAP operations on it.

A response other than success becomes `LdapError`, with its result code; a failure of the connection
`DirectoryUnavailable`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap import messages, requests
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.exchanges import ReadStopped
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.operations import AssertOnly, Operation
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.search import RawSearchResult, SearchRequest, SearchResult, whole
from mi_ldap.ldap.search_operations import SearchOperations

__all__ = [
    "Entry",
    "LdapConnection",
    "LdapError",
    "RawSearchResult",
    "ReadStopped",
    "SearchRequest",
    "SearchResult",
]

_ANY_ENTRY: Final = requests.condition("(objectClass=*)")

_PASSWORD_POLICY: Final = ctl.PASSWORD_POLICY.with_value()


@dataclass(slots=True)
class LdapConnection(SearchOperations):
    """Operations on one connection."""

    def bind(self, dn: str, password: str) -> ctl.Policy:
        """Verify a password by a single simple bind (RFC 4513 §5.1), without a retry.

        Returns:
            The response of the password policy to a successful bind.

        Raises:
            LdapError: the server rejected it.
            ValueError: the password is empty.
        """
        if not password:
            # Such a bind is an anonymous one, and succeeds (RFC 4513 §5.1.2).
            raise ValueError("an empty password is not verified by a bind")
        return self._bind(messages.simple_bind(dn, password))

    def bind_as_process(self) -> None:
        """Bind as the user of this process (SASL EXTERNAL over ldapi, RFC 4422 appendix A).

        Raises:
            LdapError: the server rejected it.
        """
        self._bind(messages.sasl_bind("EXTERNAL"))

    def do(self, operation: Operation, *controls: ctl.Control) -> None:
        """Send one change, or one assertion.

        Raises:
            LdapError: the server rejected it.
        """
        if isinstance(operation, AssertOnly):
            return self.assert_all([(operation.dn, controls)])
        name, sent_with = type(operation).__name__.lower(), [each.for_ldap3() for each in controls]
        return self._exchange_by_ldap3(
            name, lambda: operation.send(self.ldap3_connection, sent_with)
        )

    def assert_all(self, assertions: Sequence[tuple[str, Sequence[ctl.Control]]]) -> None:
        """Send assertions about entries together, each with its controls.

        Raises:
            LdapError: of the first one that the server rejected.
        """
        searches = [
            SearchRequest(dn, _ANY_ENTRY, ["1.1"], base_only=True, controls=tuple(controls))
            for dn, controls in assertions
        ]
        for result in self._search_together(searches, whole, "assert"):
            if result.code != ResultCode.SUCCESS:
                raise LdapError(result.code, result.text)

    def who_am_i(self) -> str:
        """Return the authorization identity of the connection (RFC 4532), `"dn:uid=svc,dc=x"`."""
        results: list[object] = []
        standard = self.ldap3_connection.extend.standard
        self._exchange_by_ldap3("whoami", lambda: results.append(standard.who_am_i()))
        identity = results[0]
        if isinstance(identity, bytes):
            return identity.decode(errors="replace")
        return str(identity or "")

    def set_password(self, dn: str, new: str, old: str | None = None) -> None:
        """Set a password by the password-modify operation (RFC 3062); the server hashes it.

        Raises:
            LdapError: with the password policy's error if the server returns one.
        """
        # Without an assertion: OpenLDAP 2.5 rejects it here with code 12.
        old_bytes, new_bytes = old.encode() if old else None, new.encode()
        controls = [_PASSWORD_POLICY.for_ldap3()]
        self._exchange_by_ldap3(
            "password",
            lambda: self.ldap3_connection.extend.standard.modify_password(
                dn, old_bytes, new_bytes, controls=controls
            ),
        )

    def _bind(self, operation: bytes) -> ctl.Policy:
        with self.exchange("bind"):
            sock = self._send(operation, _PASSWORD_POLICY.encode())
            result = messages.result_in(sock.next_message())
            policy = ctl.password_policy(result.controls.get(ctl.PASSWORD_POLICY.key))
        if result.code != ResultCode.SUCCESS:
            raise LdapError(result.code, result.text, policy.error)
        self.policy = policy
        return policy

    def _send(self, operation: bytes, controls: bytes = b"") -> DeadlineSocket:
        """Send one request, with a message id that is unique on this connection."""
        sock: DeadlineSocket = self.ldap3_connection.socket
        sock.sendall(messages.message(self.next_message_id(), operation, controls))
        return sock

    def _exchange_by_ldap3(self, name: str, send: Callable[[], object]) -> None:
        """Run one operation whose request and response ldap3 encodes and decodes.

        Raises:
            LdapError: the server rejected it; with the password policy's error, if any.
        """
        with self.exchange(name):
            send()
            result = self.ldap3_connection.result
            code = int(result["result"])
            control = (result.get("controls") or {}).get(ctl.PASSWORD_POLICY.oid) or {}
            policy = ctl.password_policy(control.get("value"))
            message = str(result.get("message") or result["description"])
        if code != ResultCode.SUCCESS:
            raise LdapError(code, message, policy.error)
