"""An address at which nobody should call."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def listener() -> Iterator[tuple[str, list[object]]]:
    """An address where nobody should call, and who did."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    caller, address = server.accept()
                except TimeoutError:
                    continue
                callers.append(address)
                caller.close()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"ldap://127.0.0.1:{server.getsockname()[1]}", callers
        finally:
            ended.set()
            thread.join()
