"""Lists without memory: how long clients wait that ask for a page at the same time.

    .venv/bin/python -m benchmarks.lists --users 20000 --clients 1 2 8 16

The embedded directory is filled with `slapadd`, and the services run in this process, so that the
figures are those of one worker. `slow` counts the requests that took longer than the deadline.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import structlog

from benchmarks import place
from benchmarks.population import EVERYBODY, Population
from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.services.container import Services
from mi_ldap.services.queries import Query
from mi_ldap.settings import load_settings
from mi_ldap.wiring import services

DEADLINE_S = 5.0
QUERIES = {
    "page of users": Query(limit=25, offset=100),
    "page of role=everybody": Query(role=EVERYBODY, limit=25),
}
_REQUESTS = 3


def main() -> None:
    """Fill a directory, and print a line for each query and number of clients."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--users", type=int, default=20_000, help="a multiple of 1,000")
    options.add_argument("--clients", type=int, nargs="+", default=[1, 2, 8, 16])
    chosen = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        place.start(state)
        place.fill(state, Population(chosen.users))
        with place.directory_in(state) as directory:
            made = _services(state, directory)
            for title, query in QUERIES.items():
                for clients in chosen.clients:
                    sys.stdout.write(
                        f"{title}, {clients} clients: {_measured(made, query, clients)}\n"
                    )
            made.store.close()


def _services(state: Path, directory: EmbeddedDirectory) -> Services:
    given = {
        "STATE_DIR": str(state),
        "USER_STORE__CONNECTION_URL": directory.url,
        "USER_STORE__CONNECTION_NAME": directory.service_dn,
        "USER_STORE__CONNECTION_PASSWORD": directory.read_service_password(),
        "USER_STORE__USER_SEARCH_BASE": directory.user_base,
        "USER_STORE__GROUP_SEARCH_BASE": directory.group_base,
        "USER_STORE__INDEX_LIMIT": "0",  # no memory
    }
    return services(load_settings({f"MI_LDAP_{key}": value for key, value in given.items()}))


def _measured(made: Services, query: Query, clients: int) -> str:
    with ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(_times, lambda: made.users.select(query)) for _ in range(clients)]
        times = sorted(each for future in asked for each in future.result())
    slow = sum(each > DEADLINE_S for each in times)
    middle, longest = (round(seconds * 1000) for seconds in (median(times), times[-1]))
    return f"median {middle} ms, longest {longest} ms, {slow} of {len(times)} slow"


def _times(ask: Callable[[], object]) -> list[float]:
    """Ask a few times; the seconds of each answer, more than the deadline for none in time."""
    times = []
    for _ in range(_REQUESTS):
        began_at = time.monotonic()
        try:
            with deadline(DEADLINE_S):
                ask()
        except DirectoryUnavailable:
            times.append(DEADLINE_S + 1)
        else:
            times.append(time.monotonic() - began_at)
    return times


if __name__ == "__main__":
    main()
