"""The server: a thread for each connection, with TLS or without."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress

from tests.micro_integrator.answers import json_answer
from tests.micro_integrator.connection import ClientGone, Connection
from tests.micro_integrator.exchange import Closed, Exchange
from tests.micro_integrator.http_wire import (
    BadRequest,
    Disconnected,
    RequestReader,
    response_head,
)
from tests.micro_integrator.management import Management, resource_of
from tests.micro_integrator.modes import ActiveModes, Mode
from tests.micro_integrator.recording import Received, Recorder
from tests.micro_integrator.tokens import Tokens

_HANDSHAKE_S = 10.0


class Server:
    """Accepts connections, and serves requests on each, one after the other."""

    def __init__(self, listener: socket.socket, tls: ssl.SSLContext | None, tokens: Tokens) -> None:
        self.recorder = Recorder()
        self.modes = ActiveModes()
        self.management = Management(tokens, self.recorder)
        self._listener = listener
        self._tls = tls
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def serve_forever(self) -> None:
        while True:
            accepted, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=[accepted], daemon=True).start()

    def drop_connections(self) -> None:
        """Close all connections, whatever happens on them."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _serve(self, accepted: socket.socket) -> None:
        number = self.recorder.connect()
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected = self._handshake(accepted)
            if connected is None:
                return
            with self._lock:
                self._open.add(connected)
            try:
                self._serve_requests(Connection(connected), number)
            finally:
                with self._lock:
                    self._open.discard(connected)
                connected.close()
        finally:
            self.recorder.disconnect()

    def _handshake(self, accepted: socket.socket) -> socket.socket | None:
        """The connection ready for HTTP; none if the client ended it or spoke no TLS."""
        if self._tls is None:
            return accepted
        accepted.settimeout(_HANDSHAKE_S)
        try:
            wrapped = self._tls.wrap_socket(accepted, server_side=True)
        except OSError:
            accepted.close()
            return None
        wrapped.settimeout(None)
        return wrapped

    def _serve_requests(self, connection: Connection, number: int) -> None:
        reader = RequestReader(connection.socket)
        mode: Mode | None = None
        try:
            while (head := reader.head()) is not None:
                received = Received(number, head.method, head.target, head.headers)
                self.recorder.add(received)
                mode, changed = self.modes.pick(head.method, resource_of(head.target))
                exchange = Exchange(connection, reader, head, received, mode, changed)
                if not exchange.run(self.management):
                    connection.finish()
                    return
        except Closed:
            connection.close(reset=mode is not None and mode.reset)
        except BadRequest as error:
            self.recorder.add_violation(str(error))
            self._refuse(connection, str(error))
        except (ClientGone, Disconnected, OSError):
            pass  # the record says so

    def _refuse(self, connection: Connection, reason: str) -> None:
        answer = json_answer({"Error": reason}, 400)
        headers = [("Content-Type", answer.content_type), ("Connection", "close")]
        headers.append(("Content-Length", str(answer.length)))
        with suppress(ClientGone):
            connection.send(response_head(400, headers))
            for piece in answer.pieces(0, answer.length):
                connection.send(piece)
            connection.finish()
