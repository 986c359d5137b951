"""Reads of parts of log files from Micro Integrators."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from flask import g

from mi_ldap.micro_integrators.failures import AnswerTooLarge
from mi_ldap.micro_integrators.fetch import Tail, fetch_tail
from mi_ldap.micro_integrators.forward import Outcome
from mi_ldap.web.artifact_audit import ArtifactRecord, AuditedRequest, recorded
from mi_ldap.web.artifact_names import check_name, check_query
from mi_ldap.web.console.artifact_answers import (
    invalid_answer,
    missing_artifact,
    refused_by_node,
)
from mi_ldap.web.console.artifact_kinds import LOGS, reading_of
from mi_ldap.web.nodes import reachable_nodes

_WHOLE_BYTES: Final = 64 * 1024 * 1024
"""The largest log file that is read as a whole to show its end, since MI ignores `Range`."""
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,15})-\d{1,15}/(?:\d{1,15}|\*)")
_TOO_LARGE: Final = (
    "The log file is larger than 64 MB, and the Micro Integrator sends no parts of files: "
    "download it."
)


@dataclass(frozen=True, slots=True)
class LogBytes:
    """Bytes of a log file.

    Attributes:
        content: the bytes.
        start: the offset of the first byte in the file.
        was_whole_read: whether the node sent the whole file, so that such a read is expensive.
        was_replaced: whether the file is shorter than the requested offset, so that it is another
            file of that name, and these are its last bytes.
    """

    content: bytes
    start: int
    was_whole_read: bool
    was_replaced: bool = False


def read_end(node: str, name: str, most: int) -> LogBytes:
    """Return the last bytes of a log file; write audit lines.

    Args:
        node: the id of the node.
        name: the name of the file.
        most: how many bytes, at most.

    Raises:
        BadRequest: the name could name a file outside of the folder of log files, or is too long.
        NotFound: there is no such file.
        NodeUnavailable: the node is down, slow or not trusted.
        NodeFailed: the node refused the request, or the file is too large to be read as a whole.
        AuditUnavailable: the audit line could not be written.
    """
    record = ArtifactRecord(
        AuditedRequest(node, LOGS.resource, reading_of(LOGS.resource), name, {})
    )
    check_query({"file": name})
    check_name(name)
    with recorded(record):
        tail = _read(node, name, f"bytes=-{most}", most)
        # 416 is the answer for an empty file.
        status = 200 if tail.status == 416 else tail.status
        record.finish(Outcome(status, 0, tail.length, 0.0))
    return _last_bytes(node, name, tail)


def read_on(node: str, name: str, offset: int, most: int) -> LogBytes:
    """Return the bytes from an offset on; the last bytes, if a shorter file has replaced the file.

    This writes no audit lines: the caller ensures that opening the page was audited. Arguments and
    errors are those of `read_end`.
    """
    check_query({"file": name})
    # The byte before the offset is requested as well: otherwise the node would answer 416 both for
    # a file without new bytes and for one that is shorter than the offset.
    before = max(0, offset - 1)
    tail = _read(node, name, f"bytes={before}-{before + most}", most + 1)
    if tail.status == 416 or (tail.status == 200 and tail.length < offset):
        if offset == 0:
            return LogBytes(b"", 0, was_whole_read=False)
        end = _last_bytes(node, name, _read(node, name, f"bytes=-{most}", most))
        return LogBytes(end.content, end.start, end.was_whole_read, was_replaced=True)
    if tail.status == 200:
        content = tail.body[-(tail.length - offset) :] if tail.length > offset else b""
        return LogBytes(content, tail.length - len(content), was_whole_read=True)
    found = _last_bytes(node, name, tail)
    skipped = max(0, offset - found.start)
    return LogBytes(found.content[skipped:], found.start + skipped, was_whole_read=False)


def _read(node: str, name: str, wanted: str, most: int) -> Tail:
    target = LOGS.resource.target({}, {"file": name}.items())
    # Not compressed, because the offsets are those of the file itself.
    fields = (
        ("x-request-id", g.request_id),
        ("range", wanted),
        ("accept-encoding", "identity"),
    )
    try:
        return fetch_tail(
            reachable_nodes(), node, target, fields=fields, keep=most, limit=_WHOLE_BYTES
        )
    except AnswerTooLarge:
        raise AnswerTooLarge(_TOO_LARGE) from None


def _last_bytes(node: str, name: str, tail: Tail) -> LogBytes:
    match tail.status:
        case 200:
            return LogBytes(tail.body, tail.length - len(tail.body), was_whole_read=True)
        case 206:
            found = _CONTENT_RANGE.fullmatch(dict(tail.fields).get("content-range", ""))
            if found is None:
                raise invalid_answer(node)
            start = int(found[1]) + tail.length - len(tail.body)
            return LogBytes(tail.body, start, was_whole_read=False)
        case 404:
            raise missing_artifact(node, LOGS, name)
        case 416:  # an empty file has no last bytes (RFC 9110 §14.1.2)
            return LogBytes(b"", 0, was_whole_read=False)
    raise refused_by_node(node, tail.status, tail.body)
