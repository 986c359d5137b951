"""Several service machines on one database, in this process, each with its own state folder."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mi_ldap.settings import load_settings
from mi_ldap.wiring import services
from tests.service import Answer, LocalCaller
from tests.sql.stores import Place

T = TypeVar("T")
PASSWORD = "correct horse"
_REQUEST_S = 30.0  # however busy the machine is: races are not about time
_TIMEOUTS: dict[str, Any] = {"connect_timeout_s": _REQUEST_S, "response_timeout_s": _REQUEST_S}
_ROUNDS, _FEWEST, _LONGEST_S = 100, 10, 15.0


@contextmanager
def machines(
    place: Place, folder: Path, count: int = 2, **settings: str
) -> Iterator[list[LocalCaller]]:
    """The APIs of so many machines; a token of one is valid on all.

    `settings` are further ones, `SUPER_ADMIN__ADMIN_ROLE="Internal/admin"`.
    """
    with ExitStack() as closing:
        callers = []
        for number in range(count):
            state_dir = folder / f"machine{number}"
            state_dir.mkdir()
            key = "management_api__jwt_token_security_handler__token_config__key"
            environ = {
                "MI_LDAP_STATE_DIR": str(state_dir),
                f"MI_LDAP_{key.upper()}": "one for all machines, so that tokens are",
                "MI_LDAP_MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME": "1000",
                "MI_LDAP_SERVER__LOG_LEVEL": "warning",
                "MI_LDAP_SERVER__REQUEST_DEADLINE_S": str(_REQUEST_S),
                **{f"MI_LDAP_{name}": value for name, value in settings.items()},
            }
            made = services(load_settings(environ), store=place.open(**_TIMEOUTS))
            closing.callback(made.state.close)
            closing.callback(made.audit.close)
            closing.callback(made.store.close)
            callers.append(LocalCaller(made))
        yield callers


def ask(call: LocalCaller, method: str, path: str, body: object, token: str) -> Answer:
    """Send a request."""
    return call(method, path, body, token=token)


def log_in(call: LocalCaller, name: str) -> Answer:
    """Log in with `PASSWORD`."""
    return call("GET", "/login", basic=f"{name}:{PASSWORD}")


def rounds() -> Iterator[int]:
    """Count the rounds of a race: 100; after 10, none begins later than 15 seconds from the start.

    `MI_LDAP_TEST_ROUNDS=300` in the environment makes that many, however long they take.
    """
    wanted = os.environ.get("MI_LDAP_TEST_ROUNDS", "")
    ends_at = time.monotonic() + _LONGEST_S
    for number in range(int(wanted or _ROUNDS)):
        if not wanted and number >= _FEWEST and time.monotonic() > ends_at:
            return
        yield number


def at_once(*actions: Callable[[], T]) -> list[T]:
    """The results of the actions, begun at the same moment."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], T]) -> T:
        barrier.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def statuses(answers: Sequence[object]) -> list[int]:
    """The status of each answer, sorted."""
    return sorted(answer.status for answer in answers)  # type: ignore[attr-defined]
