"""The configuration of gunicorn for this service."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from mi_ldap.errors import ConfigurationError
from mi_ldap.parent_death import die_with_parent
from mi_ldap.serving.logs import GunicornLogger
from mi_ldap.serving.processes import Signals, give_memory_back, stop_signals_blocked
from mi_ldap.serving.worker import RequestWorker, limits_of
from mi_ldap.settings import ServerSettings

KEEP_ALIVE_S = 60

_MEMORY = Path("/dev/shm")  # noqa: S108 - the workers' heartbeat files; a slow disk delays them


class HttpServer(BaseApplication):  # type: ignore[misc]
    """The arbiter and its workers.

    Args:
        server: host, workers, threads and similar settings.
        listener: the listening socket.
        certificate: `(certificate, key)` files; None for plain HTTP.
        application: the WSGI application, created before the workers are forked.
        begin: called on a thread of its own in each worker, when it starts.
    """

    def __init__(
        self,
        server: ServerSettings,
        listener: socket.socket,
        certificate: tuple[Path, Path] | None,
        application: Any,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._options = _options(server, listener, certificate)
        self._options["post_worker_init"] = lambda worker: Thread(target=begin, daemon=True).start()
        self._application = application
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn."""
        return self._application

    def run(self) -> None:
        """Serve until a signal stops the arbiter."""
        _Arbiter(self).run()


class _Arbiter(Arbiter):  # type: ignore[misc]
    def handle_hup(self) -> None:
        """Called by gunicorn for SIGHUP: replace no worker; each checks its certificate files."""
        self.kill_workers(signal.SIGHUP)

    def spawn_worker(self) -> int:
        """Called by gunicorn; the worker unblocks the signals when it has its handlers."""
        with stop_signals_blocked():
            return int(super().spawn_worker())


def listen(server: ServerSettings) -> socket.socket:
    """Return the listening socket; early clients wait in its backlog.

    Raises:
        ConfigurationError: the address is not available.
    """
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        return socket.create_server((server.host, server.port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"The service cannot listen on port {server.port} of {server.host} "
            f"({os.strerror(error.errno or 0)}): stop the program that uses it, or set another "
            "server.port (MI_LDAP_SERVER__PORT)."
        ) from None


def is_answering(server: ServerSettings, timeout_s: float = 0.5) -> bool:
    """Whether `GET /health` is answered with 200 on the service's own port."""
    host = "127.0.0.1" if server.host == "0.0.0.0" else server.host  # noqa: S104
    try:
        with _dial(host, server.port, server.tls, timeout_s) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: self\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(32)
    except OSError:
        return False


def _dial(host: str, port: int, tls: bool, timeout_s: float) -> socket.socket:
    plain = socket.create_connection((host, port), timeout_s)
    if not tls:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # own server: this process has bound the port
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _options(
    server: ServerSettings, listener: socket.socket, certificate: tuple[Path, Path] | None
) -> dict[str, Any]:
    return {
        "bind": f"fd://{listener.fileno()}",
        "worker_class": type("RequestWorker", (RequestWorker,), {"limits": limits_of(server)}),
        "workers": server.workers,
        "threads": server.threads,
        "worker_connections": server.max_connections,
        "worker_tmp_dir": str(_MEMORY) if _MEMORY.is_dir() else None,
        "keepalive": KEEP_ALIVE_S,
        "graceful_timeout": server.graceful_timeout_s,  # after it gunicorn kills the workers
        "preload_app": True,  # the workers share the memory of its code and tables
        "certfile": str(certificate[0]) if certificate else None,
        "keyfile": str(certificate[1]) if certificate else None,
        "logger_class": GunicornLogger,
        "loglevel": server.log_level,
        "umask": 0o077,
        "post_fork": _after_fork,
        "control_socket_disable": True,  # it would be in the home directory
    }


def _after_fork(arbiter: Any, _worker: Any) -> None:
    Signals.forget()
    die_with_parent(arbiter.pid)
    give_memory_back()
