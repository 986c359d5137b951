"""One bound connection, used by one thread at a time, and the operations on it.

ldap3's errors end here: what goes wrong on the wire is `DirectoryUnavailable`, what the server
answers other than success is `Refused`, with its result code (RFC 4511, appendix A).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from ldap3 import Connection
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error

from mi_ldap.deadline import remaining_s
from mi_ldap.directory import controls as ctl
from mi_ldap.directory import messages, names, requests
from mi_ldap.directory.message_reader import BadAnswer
from mi_ldap.directory.messages import Entry
from mi_ldap.directory.operations import Operation
from mi_ldap.directory.wire import Wire
from mi_ldap.errors import DirectoryUnavailable, MiLdapError

__all__ = ["Entry", "Found", "RawSearchResult", "Refused", "Session", "Stopped"]

log = structlog.get_logger()

PAGE_SIZE = 1000
GOODBYE_S = 0.5

_FIRST_ID: Final = 0x08000000
"""Far from the message ids that ldap3 gives on the same connection."""

NOT_IN_TIME: Final = "The directory did not answer in time. Try again later."

LONGEST_PAGE: Final = 256 * 1024 * 1024
"""In bytes; a server that has no pages gives all its users at once."""

_ASK_PASSWORD_POLICY: Final = messages.control(ctl.PASSWORD_POLICY)

SUCCESS = 0
SIZE_LIMIT_EXCEEDED, ADMIN_LIMIT_EXCEEDED = 4, 11


class Stopped(Exception):
    """Whoever takes in an answer wants no more of it; no fault of the server's."""


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
class RawSearchResult:
    """What one search request gave.

    Attributes:
        code: the LDAP result code.
        matched_dn: with code 32, the part of the name that exists (RFC 4511 §4.1.9), `""` where the
            server does not say.
        text: the server's diagnostic text.
        next_page: the cookie for the next page, `b""` after the last.
    """

    code: int
    entries: list[Entry]
    matched_dn: str = ""
    text: str = ""
    next_page: bytes = b""


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
        policy: what the password policy said with the last bind that succeeded.
        idle_since: `time.monotonic()` of its last use.
        observe: called with each operation's name, for counting.
        answer_s: the longest wait for an answer, in seconds, within the request's own time.
        server: the address of the server at the other end.
        quiet: whether a failure is nothing new, and not worth a warning.
    """

    connection: Connection
    observe: Callable[[str], None] = lambda operation: None
    answer_s: float = 5.0
    server: str = ""
    quiet: bool = False
    usable: bool = True
    idle_since: float = field(default_factory=time.monotonic)
    policy: ctl.Policy = field(default_factory=ctl.Policy)
    _sent: int = 0

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
        cookie, page_size = b"", 0 if base_only else PAGE_SIZE
        condition = requests.encoded_filter(ldap_filter)
        while True:
            control = requests.paged(page_size, cookie) if page_size else b""
            page = self.search_once(
                base_dn, condition, attributes, base_only=base_only, control=control
            )
            entries += page.entries
            if page.code == ADMIN_LIMIT_EXCEEDED and page_size and not entries:
                page_size = 0
                continue
            if page.code in (SIZE_LIMIT_EXCEEDED, ADMIN_LIMIT_EXCEEDED):
                hint = (
                    "raise the account's limit (OpenLDAP: olcLimits; 389: nsPagedLookThroughLimit)"
                )
                log.warning("directory_limit_reached", base=base_dn, got=len(entries), hint=hint)
                return Found(entries, complete=False)
            if page.code != SUCCESS:
                raise Refused(page.code, page.text)
            cookie = page.next_page
            if not cookie:
                return Found(entries)

    def search_once(
        self,
        base_dn: str,
        condition: bytes,
        attributes: Sequence[str],
        *,
        base_only: bool = False,
        size_limit: int = 0,
        control: bytes = b"",
        anywhere: bool = False,
    ) -> RawSearchResult:
        """One search request; whatever the server answers is an answer.

        Args:
            base_dn: where.
            condition: a filter, as `requests` writes it.
            attributes: of each entry.
            base_only: whether that entry alone.
            size_limit: at most so many entries, 0 for all.
            control: sent along, as `messages.control` writes it.
            anywhere: whether entries may lie elsewhere, because a control asks for such.
        """
        scope = requests.BASE if base_only else requests.SUBTREE
        operation = requests.search(base_dn, condition, attributes, scope, size_limit)
        entries: list[Entry] = []
        left = LONGEST_PAGE
        with self.on_the_wire("search"):
            wire = self._send(operation, control)
            while (message := wire.next_message()).tag != messages.DONE:
                left -= len(message.body)
                if left < 0:
                    raise BadAnswer(f"a page of more than {LONGEST_PAGE} bytes")
                if message.tag == messages.ENTRY:
                    below = "" if anywhere else base_dn
                    exactly = base_only and not anywhere
                    entries.append(entry_below(below, message, base_only=exactly))
            answer = messages.answer_in(message)
            return RawSearchResult(
                answer.code,
                entries,
                answer.matched_dn,
                answer.text,
                requests.next_page(answer.controls),
            )

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
        return next(iter(self.some(base_dn, ldap_filter, attributes, 1)), None)

    def some(
        self, base_dn: str, ldap_filter: str, attributes: Sequence[str], at_most: int
    ) -> list[Entry]:
        """Some of the entries that match.

        Raises:
            Refused: the server does not give as many, be it for a limit of its own.
        """
        condition = requests.encoded_filter(ldap_filter)
        given = self.search_once(base_dn, condition, attributes, size_limit=at_most)
        is_cut_by_us = given.code == SIZE_LIMIT_EXCEEDED and len(given.entries) == at_most
        if given.code != SUCCESS and not is_cut_by_us:
            raise Refused(given.code, given.text)
        return given.entries

    def do(self, operation: Operation, *controls: ctl.Control) -> None:
        """Carry out one change.

        Raises:
            Refused: the server did not.
        """
        name = type(operation).__name__.lower()
        self._exchange(name, lambda: operation.send(self.connection, list(controls)))

    def who_am_i(self) -> str:
        """Whom the server takes this connection for (RFC 4532), `"dn:uid=svc,dc=x"`."""
        answers: list[object] = []
        standard = self.connection.extend.standard
        self._exchange("whoami", lambda: answers.append(standard.who_am_i()))
        told = answers[0]
        return told.decode(errors="replace") if isinstance(told, bytes) else str(told or "")

    def set_password(self, dn: str, new: str, old: str | None = None) -> None:
        """Let the server set and hash a password (RFC 3062).

        Raises:
            Refused: with the password policy's reason where the server gives one.
        """
        old_bytes, new_bytes = old.encode() if old else None, new.encode()
        controls = [ctl.ASK_PASSWORD_POLICY]
        self._exchange(
            "password",
            lambda: self.connection.extend.standard.modify_password(
                dn, old_bytes, new_bytes, controls=controls
            ),
        )

    def is_stale(self) -> bool:
        """Whether the server has hung up, or said anything, since the last answer was read."""
        return self.connection.socket is None or not self.connection.socket.is_silent()

    def close(self) -> None:
        """Say goodbye if that is quick, and close."""
        self.usable = False
        wire = self.connection.socket
        if wire is None:
            return
        with contextlib.suppress(Exception):
            wire.end_at = time.monotonic() + GOODBYE_S
            self.connection.unbind()
        with contextlib.suppress(Exception):
            wire.close()

    def _bind(self, operation: bytes) -> ctl.Policy:
        with self.on_the_wire("bind"):
            wire = self._send(operation, _ASK_PASSWORD_POLICY)
            answer = messages.answer_in(wire.next_message())
            policy = ctl.password_policy(answer.controls.get(ctl.PASSWORD_POLICY.encode()))
        if answer.code != SUCCESS:
            raise Refused(answer.code, answer.text, policy.error)
        self.policy = policy
        return policy

    def _send(self, operation: bytes, controls: bytes = b"") -> Wire:
        """Send one request, with an id that no other request on this connection has."""
        wire: Wire = self.connection.socket
        self._sent += 1
        wire.sendall(messages.message(_FIRST_ID + self._sent, operation, controls))
        return wire

    def _exchange(self, name: str, send: Callable[[], object]) -> None:
        """One operation that ldap3 writes and reads.

        Raises:
            Refused: the server did not carry it out, with the password policy's reason if any.
        """
        with self.on_the_wire(name):
            send()
            result = self.connection.result
            code = int(result["result"])
            control = (result.get("controls") or {}).get(ctl.PASSWORD_POLICY) or {}
            policy = ctl.password_policy(control.get("value"))
            message = str(result.get("message") or result["description"])
        if code != SUCCESS:
            raise Refused(code, message, policy.error)

    @contextmanager
    def on_the_wire(self, operation: str) -> Iterator[None]:
        """Give the operation what is left of the request's time; drop the session on any error."""
        left_s, wire = remaining_s(), self.connection.socket
        if left_s <= 0:  # nothing is sent: the connection is as good as before
            raise DirectoryUnavailable(NOT_IN_TIME)
        if wire is None:
            self.usable = False
            raise DirectoryUnavailable
        self.observe(operation)
        try:
            wire.end_at = time.monotonic() + min(left_s, self.answer_s)
            yield
        except (Refused, MiLdapError, Stopped):
            self.usable = False
            raise
        except Exception as error:
            # Whatever it is: ldap3 2.9.1 raises KeyError, IndexError, TypeError and UnicodeError,
            # too, where an answer is not what it expects.
            self.usable = False
            self._report(operation, error, wire.error)
            raise DirectoryUnavailable(*_reasons(wire.error)) from error
        except BaseException:
            self.usable = False
            raise
        finally:
            self.idle_since = time.monotonic()

    def _report(self, operation: str, error: Exception, wire_error: OSError | None) -> None:
        is_foreseen = isinstance(error, (LDAPException, OSError, PyAsn1Error))
        write = log.debug if self.quiet and is_foreseen else log.warning
        write(
            "directory_operation_failed",
            operation=operation,
            error=type(wire_error or error).__name__,
            cause=str(wire_error or ""),
            exc_info=None if is_foreseen else error,
        )


def _reasons(wire_error: OSError | None) -> tuple[str, ...]:
    return (NOT_IN_TIME,) if isinstance(wire_error, TimeoutError) else ()


NO_SUCH_OBJECT, INVALID_DN_SYNTAX = 32, 34


def entry_below(base_dn: str, message: messages.Message, *, base_only: bool = False) -> Entry:
    """The entry that a search below that base has found.

    Raises:
        BadAnswer: it lies elsewhere.
    """
    entry = messages.entry_in(message)
    if not names.may_lie_at(entry.dn, base_dn, exactly=base_only):
        raise BadAnswer("the server gives an entry that lies outside of the search base")
    return entry
