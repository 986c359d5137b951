"""Running the application for one request, and what it says, ready for the wire."""

from __future__ import annotations

import time
from typing import Any

import structlog
from gunicorn.http import wsgi

from mi_ldap.serving.connection import Connection
from mi_ldap.serving.logs import log_request
from mi_ldap.serving.refusals import Refusal

log = structlog.get_logger(__name__)


class _Outbox:
    """Stands where gunicorn's response expects a socket, and keeps what is sent."""

    def __init__(self) -> None:
        self.content = bytearray()

    def sendall(self, data: bytes) -> None:
        self.content += data


class _Answer(wsgi.Response):  # type: ignore[misc]
    """gunicorn's response, which does not say whose it is, and closes once the worker stops."""

    def __init__(self, request: Any, outbox: _Outbox, cfg: Any, worker: Any) -> None:
        super().__init__(request, outbox, cfg)
        self._worker = worker

    def should_close(self) -> bool:
        return bool(super().should_close()) or not self._worker.alive

    def default_headers(self) -> list[str]:
        headers: list[str] = super().default_headers()
        return [each for each in headers if not each.startswith("Server:")]


def answer(worker: Any, request: Any, connection: Connection) -> tuple[bytes, bool]:
    """The application's answer, and whether the connection may be used again.

    Raises:
        Refusal: 500, when the application fails; nothing of its answer was sent.
    """
    started = time.perf_counter()
    outbox = _Outbox()
    response, environ = wsgi.create(
        request,
        outbox,
        connection.client,
        connection.server,
        worker.cfg,
        response_class=_Answer,
        response_args=(worker,),
    )
    environ["wsgi.multithread"] = True
    try:
        _run(worker.wsgi, environ, response)
    except Exception:
        log.exception("application_failed")
        raise Refusal(500, "Something went wrong here. See the service's log.") from None
    log_request(request, response, environ, time.perf_counter() - started)
    return bytes(outbox.content), not response.should_close()


def _run(application: Any, environ: dict[str, Any], response: Any) -> None:
    parts = application(environ, response.start_response)
    try:
        for part in parts:
            response.write(part)
        response.close()
    finally:
        if hasattr(parts, "close"):
            parts.close()
