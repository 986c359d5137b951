"""Resolution of host names, within the request's remaining time."""

from __future__ import annotations

import os
import socket
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, Final

from mi_ldap.deadline import remaining_s

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]

_Key = tuple[int, str, int]

_lock: Final = Lock()
_lookups: Final[dict[_Key, Future[list[AddressInfo]]]] = {}


def addresses_of(host: str, port: int) -> list[AddressInfo]:
    """Return the addresses of a host in the system's order, as `socket.getaddrinfo` does.

    Raises:
        socket.gaierror: there are none, or the resolver did not answer in time.
        UnicodeError: the name cannot be a host name.
    """
    try:
        # An address needs no resolver, and so no thread.
        return _looked_up(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        lookup = _running_lookup(host, port)
    try:
        return lookup.result(remaining_s())
    except TimeoutError as error:
        reason = "the system's resolver did not answer in time"
        raise socket.gaierror(socket.EAI_AGAIN, reason) from error


def _looked_up(host: str, port: int, flags: int = 0) -> list[AddressInfo]:
    return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]


def _running_lookup(host: str, port: int) -> Future[list[AddressInfo]]:
    # In a thread: getaddrinfo(3) has no timeout, and takes 5 s or more for each name server that
    # does not answer. One thread for each host, however many requests wait for it. The process is
    # part of the key, since a thread does not survive a fork.
    key = (os.getpid(), host, port)
    with _lock:
        if key not in _lookups:
            _lookups[key] = Future()
            name = f"name-resolution {host}"
            Thread(target=_look_up, args=(key,), name=name, daemon=True).start()
        return _lookups[key]


def _look_up(key: _Key) -> None:
    future = _lookups[key]
    try:
        found = _looked_up(*key[1:])
    except BaseException as error:  # noqa: BLE001 - raised again by `Future.result`
        outcome: BaseException | None = error
    else:
        outcome = None
    with _lock:
        del _lookups[key]
    if outcome is None:
        future.set_result(found)
    else:
        future.set_exception(outcome)
