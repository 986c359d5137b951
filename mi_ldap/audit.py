"""The audit log: one line an event, written before the change that it tells of is made.

MI's keys come first, in MI's order (`performedBy`, `action`, `type`, `info`), then ours. A change
whose line can't be written is not made; one that then fails gets a second line, its outcome
`undone` (or `unknown`, when the directory went away), under the same request id. There is never a
password, a token or a hash in it.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from mi_ldap.errors import AuditUnavailable, CustodyRefused, DirectoryUnavailable, MiLdapError

log = structlog.get_logger()

Info = Mapping[str, Any]


class AuditLog:
    """Lines of JSON in a file of mode 0600, each in one write; reopened after a rotation.

    Args:
        file: `<state>/audit.log`, or what `audit.file` names.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._descriptor: int | None = None

    def write(
        self, performer: str, action: str, kind: str, info: Info, *, outcome: str, reason: str = ""
    ) -> None:
        """Add one line.

        Args:
            performer: the name of who did it.
            action: `created`, `deleted`, `updated`, `login`, `logout`, `refused`, `bootstrap`,
                `recovered` or `inherited`.
            kind: `user`, `role`, `session` or `admin`.
            info: what it was done to; written as a string of JSON.
            outcome: `done`, `refused`, `undone`, or `unknown` where no answer came.
            reason: why it was refused or undone.

        Raises:
            AuditUnavailable: it could not be written.
        """
        context = structlog.contextvars.get_contextvars()
        line = {
            "performedBy": performer,
            "action": action,
            "type": kind,
            "info": json.dumps(info, separators=(",", ":")),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "outcome": outcome,
            "reason": reason,
            "client": context.get("client", ""),
            "requestId": context.get("requestId", ""),
        }
        self._append(json.dumps(line).encode() + b"\n")
        log.info("audit", **line)

    @contextmanager
    def change(self, performer: str, action: str, kind: str, info: Info) -> Iterator[None]:
        """Write the line of a change, and then let it be made.

        Raises:
            AuditUnavailable: before anything was changed.
        """
        self.write(performer, action, kind, info, outcome="done")
        try:
            yield
        except BaseException as error:
            self._write_undone(performer, action, kind, info, error)
            raise

    def refused(self, performer: str, kind: str, info: Info, error: MiLdapError) -> None:
        """The line of something that the rules forbade."""
        self.write(performer, "refused", kind, info, outcome="refused", reason=str(error))

    @contextmanager
    def refusals(self, performer: str, info: Info) -> Iterator[None]:
        """Every refusal by custody in the block leaves its line."""
        try:
            yield
        except CustodyRefused as error:
            self.refused(performer, "admin", info, error)
            raise

    def _write_undone(
        self, performer: str, action: str, kind: str, info: Info, error: BaseException
    ) -> None:
        reason = str(error) if isinstance(error, MiLdapError) else type(error).__name__
        outcome = "unknown" if isinstance(error, DirectoryUnavailable) else "undone"
        try:
            self.write(performer, action, kind, info, outcome=outcome, reason=reason)
        except AuditUnavailable:
            log.error("audit_undone_line_lost", action=action, reason=reason)

    def _append(self, line: bytes) -> None:
        with self._lock:
            try:
                descriptor = self._opened()
                whole = _line_end_missing(descriptor) + line
                if os.write(descriptor, whole) != len(whole):
                    raise OSError("the disk took a part of the line only")
            except OSError as error:
                self.close()
                log.error("audit_not_written", file=str(self._file), error=str(error))
                raise AuditUnavailable from error

    def _opened(self) -> int:
        """The open file; opened again when its name has come to mean another one."""
        if self._descriptor is not None and not self._is_current(self._descriptor):
            self.close()
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._file, flags, 0o600)
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._file.stat())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _line_end_missing(descriptor: int) -> bytes:
    """The newline that a line needs before it where a full disk cut the last one short."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return b""
    return b"" if os.pread(descriptor, 1, status.st_size - 1) == b"\n" else b"\n"
