"""Logs on stderr: one JSON object a line, also for lines of libraries.

Every line has `at` (UTC), `level` and `event`; lines of a request have `requestId`.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog
from gunicorn.glogging import Logger
from structlog.typing import EventDict, Processor

from mi_ldap.serving.errors import RequestError
from mi_ldap.serving.request_head import RequestHead

access_log = structlog.get_logger("mi_ldap.access")

_LONGEST_PATH = 1024
"""Characters: enough for a name of 240 bytes, percent-encoded, and the path before it."""


def configure_logging(level: str = "info") -> None:
    """Send the lines of structlog and of the standard `logging` to stderr, in one format.

    Args:
        level: `"debug"`, `"info"`, `"warning"` or `"error"`.
    """
    structlog.configure(
        processors=_OWN,
        logger_factory=_stderr,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_COMMON,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_LAST],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)


class _Stderr:
    """Writes lines to the present `sys.stderr`; errors are ignored."""

    def __init__(self, name: str) -> None:
        self.name = name

    def debug(self, line: str) -> None:
        # A request must not fail because the log's pipe is closed or its disk is full.
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    info = warning = error = critical = debug


def _stderr(*names: str) -> _Stderr:
    """Return a logger with the name of the calling module, which structlog caches."""
    return _Stderr(_NAMED(*names).name)


def log_request(head: RequestHead, status: int, environ: dict[str, Any], seconds: float) -> None:
    """Log a request that the application answered.

    Called in the request's own context, whose `requestId` and `client` (behind proxies) it shows.
    """
    is_check = head.path in {"/health", "/ready"} and status == 200
    # Load balancers ask every few seconds, and the audit log counts throttled logins.
    is_quiet = is_check or status == HTTPStatus.TOO_MANY_REQUESTS
    bound = structlog.contextvars.get_contextvars()
    access_log.log(
        logging.DEBUG if is_quiet else logging.INFO,
        "request",
        method=head.method,
        # Neither query, header fields nor body: they may contain passwords and tokens.
        path=head.path[:_LONGEST_PATH],
        status=status,
        ms=round(seconds * 1000, 1),
        client=bound.get("client", environ.get("REMOTE_ADDR")),
    )


def log_request_error(error: RequestError, head: RequestHead | None, client: str) -> None:
    """Log a request that did not reach the application, or on which the application failed.

    Args:
        error: the error that the client received.
        head: the request; None when it could not be read.
        client: the client's address.
    """
    access_log.info(
        "request_refused",
        requestId=error.request_id,
        method=head.method if head else None,
        path=head.path[:_LONGEST_PATH] if head else None,
        status=error.status.value,
        reason=error.sentence,
        client=client,
    )


class GunicornLogger(Logger):  # type: ignore[misc]
    """gunicorn's lines in the common format, those of level info as debug."""

    def setup(self, cfg: Any) -> None:
        """Leave formatting and level to the root logger."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log with level debug: workers that start and end do not concern the operator."""
        self.error_log.debug(msg, *args, **kwargs)


def _put_first(_logger: Any, _method: str, line: EventDict) -> EventDict:
    first = ("at", "level", "event", "logger", "requestId")
    return {key: line[key] for key in first if key in line} | dict(line)


_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    _put_first,
]
_LAST: list[Processor] = [
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
]
_OWN = [*_COMMON, *_LAST]
_NAMED = structlog.stdlib.LoggerFactory(ignore_frame_names=[__name__])
