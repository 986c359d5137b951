"""An LDAP server on 127.0.0.1 that sends what a test wants."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mi_ldap.ldap import ber

Answers = Callable[[int, int], Iterator[bytes | float]]
"""Given a request's id and tag: bytes to send, seconds to wait, until the connection is closed."""


@contextmanager
def server(answers: Answers) -> Iterator[str]:
    """Its address; every connection is answered in a thread of its own."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads = [threading.Thread(target=_accept, args=(listening, answers, ended))]
        threads[0].start()
        try:
            yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            with suppress(OSError):
                socket.create_connection(listening.getsockname(), 1).close()
            threads[0].join()


def _accept(listening: socket.socket, answers: Answers, ended: threading.Event) -> None:
    speaking = []
    while not ended.is_set():
        peer, _ = listening.accept()
        speaking.append(threading.Thread(target=_speak, args=(peer, answers, ended)))
        speaking[-1].start()
    for thread in speaking:
        thread.join()


def _speak(peer: socket.socket, answers: Answers, ended: threading.Event) -> None:
    peer.settimeout(0.1)
    with peer, suppress(OSError):
        while not ended.is_set():
            try:
                request = peer.recv(65536)
            except TimeoutError:
                continue
            if not request:
                return
            for each in answers(*_id_and_tag(request)):
                if ended.is_set():
                    return
                if isinstance(each, float):
                    time.sleep(each)
                else:
                    peer.settimeout(5)
                    peer.sendall(each)
                    peer.settimeout(0.1)


def _id_and_tag(request: bytes) -> tuple[int, int]:
    _, start, end = ber.head(request)
    (_, id_start, id_end), (tag, _, _), *_ = ber.elements(request, start, end)
    return int.from_bytes(request[id_start:id_end], "big"), tag


class IncomingBytes:
    """What `DeadlineSocket` uses of a socket, but for sending: received bytes, in pieces."""

    def __init__(self, piece: int = 65536) -> None:
        self._piece, self._coming = piece, b""

    def recv(self, size: int) -> bytes:
        if not self._coming:
            raise BlockingIOError
        took = min(size, self._piece)
        given, self._coming = self._coming[:took], self._coming[took:]
        return given

    def nothing(self, *_: object) -> None: ...

    setblocking = settimeout = shutdown = close = nothing


class ScriptedSocket(IncomingBytes):
    """Gives a test's answer to each request."""

    def __init__(self, answer_to: Callable[[int, int], bytes], piece: int = 65536) -> None:
        super().__init__(piece)
        self._answer_to = answer_to

    def send(self, data: Any) -> int:
        sent = bytes(data)
        for _, start, end in ber.elements(sent):
            (_, id_start, id_end), (tag, _, _), *_ = ber.elements(sent, start, end)
            self._coming += self._answer_to(int.from_bytes(sent[id_start:id_end], "big"), tag)
        return len(sent)
