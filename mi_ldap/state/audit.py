"""The audit log: one line for each event, written before the change is made.

A change that fails after its line was written gets a second line with the outcome `undone` (or
`unknown`, if the directory did not answer) and the same request id. A retry after a conflict adds
no lines. Requests to Micro Integrators have a line `pending` and one with the outcome, see
`mi_ldap.web.artifact_audit`. Passwords, tokens and hashes are never written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from mi_ldap.errors import (
    AuditUnavailable,
    ConfigurationError,
    CustodyRefused,
    DirectoryUnavailable,
    MiLdapError,
)
from mi_ldap.state.audit_file import AuditFile

log = structlog.get_logger()

# Longer names and reasons are truncated, so that a client cannot fill the disk with them.
MAX_TEXT_BYTES = 1024

Info = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """The action, type and info of an audit line; see `AuditLog.write`."""

    action: str
    kind: str
    info: Info


class AuditLog:
    """JSON lines in a file of mode 0600, each appended in one write.

    Args:
        path: the file.
        max_bytes: the size at which the file is rotated; 0 for never.
        keep: how many rotated files are kept.
    """

    def __init__(self, path: Path, max_bytes: int = 0, keep: int = 1) -> None:
        self._path = path
        self._file = AuditFile(path, max_bytes, keep)

    def check(self) -> None:
        """Raise `ConfigurationError` where the file cannot be opened for appending."""
        try:
            self._file.check()
        except OSError as error:
            raise ConfigurationError(
                f"The audit log {self._path} cannot be written: {error.strerror}."
            ) from None

    def write(
        self, performer: str, action: str, kind: str, info: Info, *, outcome: str, reason: str = ""
    ) -> None:
        """Append one line.

        Args:
            performer: the name of the user who did it.
            action: `created`, `deleted`, `updated`, `login`, `logout`, `refused`, `bootstrap`,
                `recovered`, `inherited`, `operated` or `read`.
            kind: `user`, `role`, `session`, `admin` or `artifact`.
            info: what it was done to.
            outcome: `done`, `refused`, `undone`, or `unknown` if the directory did not answer; of
                requests to Micro Integrators also `pending` and `failed`.
            reason: why it was refused or undone.

        Raises:
            AuditUnavailable: the line could not be written.
        """
        context = structlog.contextvars.get_contextvars()
        # The first four keys are MI's, in MI's order.
        line = {
            "performedBy": cut_to_bytes(performer, MAX_TEXT_BYTES),
            "action": action,
            "type": kind,
            "info": json.dumps(info, separators=(",", ":")),  # MI has a string of JSON here too
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "outcome": outcome,
            "reason": cut_to_bytes(reason, MAX_TEXT_BYTES),
            "client": context.get("client", ""),
            "requestId": context.get("requestId", ""),
        }
        # Only where a control plane sent the request, whose token names no person.
        line |= {key: context[key] for key in ("via", "kid") if key in context}
        try:
            self._file.append(json.dumps(line).encode() + b"\n")
        except OSError as error:
            log.error("audit_not_written", file=str(self._path), error=str(error))
            raise AuditUnavailable from error
        log.info("audit", **line)

    @contextmanager
    def change(self, performer: str, action: str, kind: str, info: Info) -> Iterator[None]:
        """Write the line of a change, then run the block, which makes the change.

        Raises:
            AuditUnavailable: the line could not be written; the block was not run.
        """
        with self.attempts(performer) as attempts:
            # Before the change: one that cannot be audited is not made.
            attempts.begin(Change(action, kind, info))
            yield

    @contextmanager
    def attempts(self, performer: str) -> Iterator[ChangeAttempts]:
        """Record a change that may be retried; every line and outcome is written once."""
        attempts = ChangeAttempts(self, performer)
        try:
            yield attempts
        except BaseException as error:
            reason = str(error) if isinstance(error, MiLdapError) else type(error).__name__
            # Without an answer, the directory may have made the change or not.
            outcome = "unknown" if isinstance(error, DirectoryUnavailable) else "undone"
            attempts.end(outcome, reason, attempts.written)
            raise
        attempts.end("undone", "It was decided anew.", attempts.superseded)

    def refused(self, performer: str, kind: str, info: Info, error: MiLdapError) -> None:
        """Write the line of an action that the rules forbid."""
        self.write(performer, "refused", kind, info, outcome="refused", reason=str(error))

    @contextmanager
    def refusals(self, performer: str, info: Info) -> Iterator[None]:
        """Write a line for a `CustodyRefused` that the block raises."""
        try:
            yield
        except CustodyRefused as error:
            self.refused(performer, "admin", info, error)
            raise

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        self._file.close()


class ChangeAttempts:
    """The audit lines of one change, which may be retried.

    Attributes:
        performer: the name of the user who makes the change.
        written: the changes that have a line, in the order of the lines.
        superseded: those of them that are not part of the latest attempt.
    """

    def __init__(self, audit: AuditLog, performer: str) -> None:
        self._audit = audit
        self.performer = performer
        self.written: list[Change] = []
        self.superseded: list[Change] = []

    def begin(self, *changes: Change) -> None:
        """Write the lines of an attempt that makes these changes, except those already written.

        Raises:
            AuditUnavailable: a line could not be written; this attempt has changed nothing yet.
        """
        self.superseded = [change for change in self.written if change not in changes]
        for change in changes:
            if change not in self.written:
                self._write(change, "done")
                self.written.append(change)

    def end(self, outcome: str, reason: str, changes: list[Change]) -> None:
        """Write a second line, with the outcome, for each of the changes, the latest one first."""
        for change in reversed(changes):
            try:
                self._write(change, outcome, reason)
            except AuditUnavailable:
                log.error("audit_outcome_not_written", action=change.action, reason=reason)

    def _write(self, change: Change, outcome: str, reason: str = "") -> None:
        self._audit.write(
            self.performer,
            change.action,
            change.kind,
            change.info,
            outcome=outcome,
            reason=reason,
        )


def configured_audit_log(state_dir: Path, file: Path | None, max_bytes: int, keep: int) -> AuditLog:
    """Return the audit log in the configured file, or else in the state folder."""
    return AuditLog(file or state_dir / "audit.log", max_bytes, keep)


def cut_to_bytes(text: str, size: int) -> str:
    """Truncate a text to at most `size` bytes of UTF-8, keeping whole characters."""
    encoded = text.encode(errors="surrogatepass")
    if len(encoded) <= size:
        return text
    return encoded[:size].decode(errors="ignore")
