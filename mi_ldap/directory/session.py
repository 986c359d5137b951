"""One bound connection, used by one thread at a time, and the operations on it.

ldap3's errors end here: what goes wrong on the wire is `DirectoryUnavailable`, what the server
answers other than success is `Refused`, with its result code (RFC 4511, appendix A).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from ldap3 import BASE, DEREF_NEVER, SUBTREE, Connection
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error

from mi_ldap.deadline import remaining_s
from mi_ldap.directory import controls as ctl
from mi_ldap.directory import messages
from mi_ldap.directory.operations import Operation
from mi_ldap.errors import DirectoryUnavailable

log = structlog.get_logger()

PAGE_SIZE = 1000
GOODBYE_S = 0.5

_BIND_ID: Final = 0x0FFFFFFE
"""Far from the message ids that ldap3 gives on the same connection."""

_ASK_PASSWORD_POLICY: Final = messages.control(ctl.PASSWORD_POLICY)

SIZE_LIMIT_EXCEEDED, ADMIN_LIMIT_EXCEEDED = 4, 11

SETTLING_S = 0.002
"""The end of a transaction waits so long, where the server may be at work on several operations of
a connection at one time. OpenLDAP frees them at the end, although the thread that answered the last
one may still be at work on it: told at once, slapd 2.5.13 with eight threads crashes in one of some
hundred transactions (`txn_preop`, `txn_end_extop` in its `txn.c`)."""


class Refused(Exception):
    """The server answered an operation with something other than success.

    Attributes:
        code: the LDAP result code, `68`.
        message: the server's diagnostic text; for the log only, it may hold DNs.
        policy: the password policy's error, `"passwordTooShort"`, or None.
    """

    def __init__(self, code: int, message: str, policy: str | None = None) -> None:
        super().__init__(f"LDAP result {code}: {message}")
        self.code, self.message, self.policy = code, message, policy


@dataclass(frozen=True, slots=True)
class Entry:
    """A raw entry: its DN, and the values of its attributes by lower-case name."""

    dn: str
    attributes: Mapping[str, list[bytes]]

    def all(self, attribute: str) -> list[str]:
        return [
            value.decode(errors="replace") for value in self.attributes.get(attribute.lower(), ())
        ]

    def first(self, attribute: str) -> str | None:
        values = self.attributes.get(attribute.lower())
        return values[0].decode(errors="replace") if values else None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave; `complete` is False where the server stopped at one of its limits."""

    entries: list[Entry]
    complete: bool = True


@dataclass(slots=True)
class Session:
    """Operations on one connection.

    Attributes:
        usable: False after an error on the wire; the pool then drops the session.
        idle_since: `time.monotonic()` of its last use.
        observe: called with each operation's name, for counting.
        answer_s: the longest wait for an answer, in seconds, within the request's own time.
        server: the address of the server at the other end.
        quiet: whether a failure is nothing new, and not worth a warning.
        settling_s: how long the end of a transaction waits.
    """

    connection: Connection
    observe: Callable[[str], None] = lambda operation: None
    answer_s: float = 5.0
    server: str = ""
    quiet: bool = False
    settling_s: float = SETTLING_S
    usable: bool = True
    idle_since: float = field(default_factory=time.monotonic)

    def bind(self, dn: str, password: str) -> ctl.Policy:
        """Prove a password (RFC 4513 §5.1); one bind, whose answer is final.

        Returns:
            What the password policy says of a successful bind.

        Raises:
            Refused: the server did not accept it.
            ValueError: the password is empty: that would be an anonymous bind that succeeds.
        """
        if not password:
            raise ValueError("an empty password proves nothing")
        return self._bind(messages.simple_bind(dn, password))

    def bind_as_process(self) -> None:
        """Be who the server knows this process to be (SASL EXTERNAL over ldapi, RFC 4422 app. A).

        Raises:
            Refused: the server did not accept it.
        """
        self._bind(messages.sasl_bind("EXTERNAL"))

    def search(
        self, base_dn: str, ldap_filter: str, attributes: Sequence[str], *, base_only: bool = False
    ) -> Found:
        """All entries that match, page by page (RFC 2696); references to other servers left out.

        Where the server gives this account no pages, as much as it gives at once.
        """
        entries: list[Entry] = []
        cookie: bytes | None = None
        page_size = None if base_only else PAGE_SIZE
        while True:
            with self.on_the_wire("search"):
                self.connection.search(
                    base_dn,
                    ldap_filter,
                    BASE if base_only else SUBTREE,
                    dereference_aliases=DEREF_NEVER,
                    attributes=list(attributes),
                    paged_size=page_size,
                    paged_cookie=cookie,
                )
            entries.extend(_entries(self.connection.response or ()))
            if self._result["result"] == ADMIN_LIMIT_EXCEEDED and page_size and not entries:
                page_size = None
                continue
            if self._result["result"] in (SIZE_LIMIT_EXCEEDED, ADMIN_LIMIT_EXCEEDED):
                hint = (
                    "raise the account's limit (OpenLDAP: olcLimits; 389: nsPagedLookThroughLimit)"
                )
                log.warning("directory_limit_reached", base=base_dn, got=len(entries), hint=hint)
                return Found(entries, complete=False)
            self._raise_unless_success()
            cookie = self._next_page()
            if not cookie:
                return Found(entries)

    def read(self, dn: str, ldap_filter: str, attributes: Sequence[str]) -> Entry | None:
        """The entry at `dn` if it is there and matches."""
        try:
            entries = self.search(dn, ldap_filter, attributes, base_only=True).entries
        except Refused as refused:
            if refused.code in (NO_SUCH_OBJECT, INVALID_DN_SYNTAX):
                return None
            raise
        return entries[0] if entries else None

    def first(self, base_dn: str, ldap_filter: str, attributes: Sequence[str]) -> Entry | None:
        """Any one entry that matches; None where there is none."""
        with self.on_the_wire("search"):
            self.connection.search(
                base_dn,
                ldap_filter,
                SUBTREE,
                dereference_aliases=DEREF_NEVER,
                attributes=list(attributes),
                size_limit=1,
            )
        entry = next(_entries(self.connection.response or ()), None)
        if self._result["result"] != SIZE_LIMIT_EXCEEDED:
            self._raise_unless_success()
        return entry

    def do(self, operation: Operation, *controls: ctl.Control) -> None:
        """Carry out one change.

        Raises:
            Refused: the server did not.
        """
        with self.on_the_wire(type(operation).__name__.lower()):
            operation.send(self.connection, list(controls))
        self._raise_unless_success()

    def who_am_i(self) -> str:
        """Whom the server takes this connection for (RFC 4532), `"dn:uid=svc,dc=x"`."""
        with self.on_the_wire("whoami"):
            told = self.connection.extend.standard.who_am_i()
        self._raise_unless_success()
        return told.decode(errors="replace") if isinstance(told, bytes) else str(told or "")

    def set_password(self, dn: str, new: str, old: str | None = None) -> None:
        """Let the server set and hash a password (RFC 3062).

        Raises:
            Refused: with the password policy's reason where the server gives one.
        """
        with self.on_the_wire("password"):
            self.connection.extend.standard.modify_password(
                dn, old.encode() if old else None, new.encode(), controls=[ctl.ASK_PASSWORD_POLICY]
            )
        self._raise_with_policy_unless_success()

    @contextmanager
    def transaction(self) -> Iterator[ctl.Control]:
        """A transaction (RFC 5805): committed at the end of the block, given up on an exception.

        Yields the control that puts an operation into it.

        Raises:
            Refused: at the end, with the code of the operation that failed; nothing was changed.
        """
        self._extended(ctl.TRANSACTION_START, None)
        identifier = bytes(self._result.get("responseValue") or b"")
        try:
            yield ctl.in_transaction(identifier)
        except Refused:
            self._end_transaction(identifier, commit=False)
            raise
        self._end_transaction(identifier, commit=True)

    def is_stale(self) -> bool:
        """Whether the server has hung up, or said anything, since the last answer was read."""
        return self.connection.socket is None or not self.connection.socket.is_silent()

    def close(self) -> None:
        """Say goodbye if that is quick, and close."""
        self.usable = False
        wire = self.connection.socket
        if wire is None:
            return
        wire.end_at = time.monotonic() + GOODBYE_S
        with contextlib.suppress(LDAPException, OSError, PyAsn1Error):
            self.connection.unbind()
        wire.close()

    def _end_transaction(self, identifier: bytes, *, commit: bool) -> None:
        time.sleep(min(self.settling_s, remaining_s()))
        self._extended(ctl.TRANSACTION_END, ctl.transaction_end(identifier, commit=commit))

    def _bind(self, operation: bytes) -> ctl.Policy:
        with self.on_the_wire("bind"):
            wire = self.connection.socket
            wire.sendall(messages.message(_BIND_ID, operation, _ASK_PASSWORD_POLICY))
            said = messages.bound(_BIND_ID, next(messages.whole(wire.recv)))
        policy = ctl.password_policy(said.controls.get(ctl.PASSWORD_POLICY.encode()))
        if said.code != 0:
            raise Refused(said.code, said.text, policy.error)
        return policy

    @property
    def _result(self) -> dict[str, Any]:
        return dict(self.connection.result or {})

    def _extended(self, name: str, value: bytes | None) -> None:
        with self.on_the_wire("transaction"):
            self.connection.extended(name, value)
        self._raise_unless_success()

    def _raise_unless_success(self) -> None:
        result = self._result
        if result["result"] != 0:
            raise Refused(result["result"], result.get("message") or result["description"])

    def _raise_with_policy_unless_success(self) -> None:
        result = self._result
        control = (result.get("controls") or {}).get(ctl.PASSWORD_POLICY) or {}
        policy = ctl.password_policy(control.get("value"))
        if result["result"] != 0:
            raise Refused(result["result"], result.get("message") or "", policy.error)

    def _next_page(self) -> bytes | None:
        control = (self._result.get("controls") or {}).get("1.2.840.113556.1.4.319")
        return control["value"]["cookie"] if control else None

    @contextmanager
    def on_the_wire(self, operation: str) -> Iterator[None]:
        """Give the operation what is left of the request's time; drop the session on any error."""
        left_s = remaining_s()
        if left_s <= 0 or self.connection.socket is None:
            self.usable = False
            raise DirectoryUnavailable
        self.observe(operation)
        try:
            self.connection.socket.end_at = time.monotonic() + min(left_s, self.answer_s)
            yield
        except (LDAPException, OSError, PyAsn1Error) as error:
            self.usable = False
            tell = log.debug if self.quiet else log.warning
            tell("directory_operation_failed", operation=operation, error=type(error).__name__)
            raise DirectoryUnavailable from error
        except BaseException:
            self.usable = False
            raise
        finally:
            self.idle_since = time.monotonic()


NO_SUCH_OBJECT, INVALID_DN_SYNTAX = 32, 34


def _entries(response: Sequence[Any]) -> Iterator[Entry]:
    for item in response:
        if item["type"] == "searchResEntry":
            raw = item["raw_attributes"]
            values_of = {name.lower(): values or [] for name, values in raw.items()}  # None: empty
            yield Entry(item["dn"], values_of)
