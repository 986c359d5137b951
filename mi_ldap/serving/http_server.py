"""The configuration of gunicorn for this service."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from mi_ldap.errors import ConfigurationError
from mi_ldap.micro_integrators.node import Nodes
from mi_ldap.parent_death import die_with_parent
from mi_ldap.serving.logs import GunicornLogger
from mi_ldap.serving.processes import Signals, give_memory_back, stop_signals_blocked
from mi_ldap.serving.request_head import StreamsBody, streams_nothing
from mi_ldap.serving.worker import RequestWorker, limits_of
from mi_ldap.settings import ServerSettings

KEEP_ALIVE_S = 60
_ANSWER_S = 0.5  # the supervisor handles no signals while it waits

# For the workers' heartbeat files: a slow disk would delay the worker that writes one.
_MEMORY = Path("/dev/shm")  # noqa: S108 - no file of a predictable name is created there


class HttpServer(BaseApplication):  # type: ignore[misc]
    """The arbiter and its workers.

    Args:
        server: host, workers, threads and similar settings.
        listeners: the listening sockets; all serve the same.
        certificate: `(certificate, key)` files; None for plain HTTP.
        application: the WSGI application, created before the workers are forked.
        on_worker_start: called on a thread of its own in each worker, when it starts.
        nodes: the Micro Integrators that requests are forwarded to, if there are any.
        streams_body: tells which requests' bodies are streamed to them.
    """

    def __init__(
        self,
        server: ServerSettings,
        listeners: Sequence[socket.socket],
        certificate: tuple[Path, Path] | None,
        application: Any,
        on_worker_start: Callable[[], None] = lambda: None,
        nodes: Nodes | None = None,
        streams_body: StreamsBody = streams_nothing,
    ) -> None:
        self._options = _options(server, listeners, certificate)
        attributes = {
            "limits": limits_of(server),
            "nodes": nodes,
            "streams_body": staticmethod(streams_body),
        }
        self._options["worker_class"] = type("RequestWorker", (RequestWorker,), attributes)
        self._options["post_worker_init"] = lambda worker: Thread(
            target=on_worker_start, daemon=True
        ).start()
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
        """Called by gunicorn for SIGHUP."""
        # gunicorn would replace the workers; they only need to check their certificate files.
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
    return _listen(server.host, server.port, "server.port (MI_LDAP_SERVER__PORT)")


@contextmanager
def listening(
    server: ServerSettings, further: Mapping[str, int]
) -> Iterator[Sequence[socket.socket]]:
    """Return the listening sockets of the service's own port and of those of nodes.

    Args:
        server: host and port of the service.
        further: the port of each node that has one, by the node's id.

    Raises:
        ConfigurationError: an address is not available.
    """
    with ExitStack() as stack:
        listeners = [stack.enter_context(listen(server))]
        for node, port in further.items():
            setting = f"port for the [[micro_integrator]] {node}"
            listeners.append(stack.enter_context(_listen(server.host, port, setting)))
        yield listeners


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"The service cannot listen on port {port} of {host} "
            f"({os.strerror(error.errno or 0)}): stop the program that uses it, or set another "
            f"{setting}."
        ) from None


def is_answering(server: ServerSettings) -> bool:
    """Whether `GET /health` is answered with 200 on the service's own port."""
    host = "127.0.0.1" if server.host == "0.0.0.0" else server.host  # noqa: S104
    try:
        with _dial(host, server.port, server.tls) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: self\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(32)
    except OSError:
        return False


def _dial(host: str, port: int, tls: bool) -> socket.socket:
    plain = socket.create_connection((host, port), _ANSWER_S)
    if not tls:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # own server: this process has bound the port
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _options(
    server: ServerSettings,
    listeners: Sequence[socket.socket],
    certificate: tuple[Path, Path] | None,
) -> dict[str, Any]:
    return {
        "bind": [f"fd://{listener.fileno()}" for listener in listeners],
        "workers": server.workers,
        "threads": server.threads,
        "worker_connections": server.max_connections,
        "worker_tmp_dir": str(_MEMORY) if _MEMORY.is_dir() else None,
        "keepalive": KEEP_ALIVE_S,
        # After it gunicorn kills the workers.
        "graceful_timeout": server.graceful_timeout_s,
        # The workers share the memory of the application's code and tables.
        "preload_app": True,
        "certfile": str(certificate[0]) if certificate else None,
        "keyfile": str(certificate[1]) if certificate else None,
        "logger_class": GunicornLogger,
        "loglevel": server.log_level,
        "umask": 0o077,
        "pre_fork": _before_fork,
        "post_fork": _after_fork,
        # gunicorn 25.1 and newer would create it in the user's runtime or home folder.
        "control_socket_disable": True,
    }


def _before_fork(arbiter: Any, worker: Any) -> None:
    """Give the worker the lowest slot that no live one has; those of ended ones are used again."""
    used = {each.slot for each in arbiter.WORKERS.values()}
    worker.slot = next(slot for slot in count() if slot not in used)


def _after_fork(arbiter: Any, _worker: Any) -> None:
    Signals.forget()
    die_with_parent(arbiter.pid)
    give_memory_back()
