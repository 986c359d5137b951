"""Requests that are forwarded to a Micro Integrator, beside the same requests sent there directly.

    .venv/bin/python -m benchmarks.forwarding
    .venv/bin/python -m benchmarks.forwarding --quick

The Micro Integrator is the stand-in of the tests, in a process of its own, on this machine. Without
`--quick` the result is stored, and docs/performance.md written.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks import machine, place
from benchmarks.callers import BenchmarkError, Caller, login
from benchmarks.forwarding_rows import NAME, rows
from benchmarks.page import write_page
from benchmarks.results import Result
from benchmarks.rows import Figures
from benchmarks.running import SERVICE, Server, running
from benchmarks.running_order import say
from benchmarks.tables import plain
from benchmarks.target import EMBEDDED
from benchmarks.timing import Figure, merged
from tests.micro_integrator import MicroIntegrator

CONNECTIONS, TRANSFERS = 16, 8
SMALL, LARGE = "/management/apis?apiName=a%2Bb", "/management/logs?file=large.log"
OWN = "/management/server"
"""What the service answers itself, after the same check of the token."""
_SAMPLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Order:
    """What is measured.

    Attributes:
        rounds: of which the figures are the median, after one that is not counted.
        rate: small requests a second, on all connections together.
        seconds: how long they are sent in each round.
        bytes: the size of the large file.
    """

    rounds: int
    rate: int
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests are sent: the service, or the node itself."""

    port: int
    authorization: str

    def opened(self) -> Caller:
        return Caller(self.port, self.authorization)


def main() -> None:
    """Measure and show; keep the result, unless it was only tried."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round; kept nowhere")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=50, help="small requests a second")
    parser.add_argument("--commit", default="", help="what is measured, where git can't tell")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    order = Order(rounds, options.rate, 3.0, 500_000_000)
    about = {
        **machine.described(EMBEDDED),
        "requests a second": str(order.rate),
        "niceness": str(os.nice(0)),
    }
    figures = _measured(order)
    commit = options.commit or machine.commit()
    result = Result(NAME, 0, rounds, figures, machine.today(), commit, about)
    sys.stdout.write(f"{plain(rows(figures))}\n")
    if not options.quick:
        result.keep()
        write_page()


def _measured(order: Order) -> Figures:
    with tempfile.TemporaryDirectory(prefix="mi-ldap-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        node = stack.enter_context(MicroIntegrator(folder / "node"))
        node.add_log("large.log", order.bytes)
        direct = _place(node.port, node.username, node.password)
        place.start(folder / "state")  # creates the directory
        with _serving(folder, node) as (service, _):
            found = _rounds(order, direct, service)
        with _serving(folder, node, MI_LDAP_SERVER__WORKERS="1") as (service, server):
            found["memory"] = _growth(service, server)
        return found


@contextmanager
def _serving(
    folder: Path, node: MicroIntegrator, **variables: str
) -> Iterator[tuple[Place, Server]]:
    config = folder / "mi-ldap.toml"
    config.write_text(
        "[[micro_integrator]]\n"
        'id = "node"\n'
        f'management_url = "{node.url}"\n'
        f'username = "{node.username}"\n'
        f'password = "{node.password}"\n'
        f'ca_file = "{node.ca_file}"\n',
        encoding="utf-8",
    )
    config.chmod(0o600)
    given = {"MI_LDAP_CONFIG": str(config), **variables}
    with running(SERVICE, folder / "state", given) as server:
        server.wait_for("/ready")
        yield _place(server.port, *place.ADMIN), server


def _place(port: int, name: str, password: str) -> Place:
    token = login(port, name, password)["AccessToken"]
    return Place(port, f"Bearer {token}")


def _rounds(order: Order, direct: Place, service: Place) -> Figures:
    """Both sides in turn, so that a busy moment of the machine affects both."""
    works: dict[str, Callable[[], Figure]] = {
        "small": lambda: _latency(service, SMALL, order),
        "small direct": lambda: _latency(direct, SMALL, order),
        "own": lambda: _latency(service, OWN, order),
        "large": lambda: _transfer(service, order.bytes),
        "large direct": lambda: _transfer(direct, order.bytes),
    }
    found: dict[str, list[Figure]] = {name: [] for name in works}
    for number in range(order.rounds + 1):
        say(f"round {number} of {order.rounds}" if number else "warm-up")
        for name, work in works.items():
            figure = work()
            if number:
                found[name].append(figure)
    return {name: merged(figures) for name, figures in found.items()}


def _latency(where: Place, path: str, order: Order) -> Figure:
    """Send small requests at a fixed rate; milliseconds from when each was due to its answer."""
    with ExitStack() as stack, ThreadPoolExecutor(CONNECTIONS) as pool:
        callers = [stack.enter_context(where.opened()) for _ in range(CONNECTIONS)]
        starts_s = time.monotonic() + 0.1
        asked = [
            pool.submit(_asked, caller, path, _times_due(number, starts_s, order))
            for number, caller in enumerate(callers)
        ]
        times = [each for future in asked for each in future.result()]
    return {"p50_ms": median(times), "p99_ms": quantiles(times, n=100)[98]}


def _times_due(number: int, starts_s: float, order: Order) -> Sequence[float]:
    """When the requests of one connection are due; those of all are evenly spread."""
    count = int(order.rate * order.seconds)
    return [starts_s + index / order.rate for index in range(number, count, CONNECTIONS)]


def _asked(caller: Caller, path: str, due: Sequence[float]) -> list[float]:
    times = []
    for at_s in due:
        time.sleep(max(0.0, at_s - time.monotonic()))
        if caller.ask("GET", path).status != 200:
            raise BenchmarkError("A small request was not answered with 200.")
        times.append((time.monotonic() - at_s) * 1000)
    return times


def _transfer(where: Place, size: int) -> Figure:
    """Receive the large file once; MB a second."""
    began_s = time.monotonic()
    with where.opened() as caller:
        caller.discard("GET", LARGE, size)
    return {"mb_s": size / 1e6 / (time.monotonic() - began_s)}


def _growth(service: Place, server: Server) -> Figure:
    """By how much the worker's memory grows, in MB, while it passes several files on at once."""
    with service.opened() as caller:
        for _ in range(3):
            caller.ask("GET", SMALL)
    before_mb = server.worker_rss_mb()
    most_mb = before_mb
    with ThreadPoolExecutor(TRANSFERS) as pool:
        size = 50_000_000
        transfers = [pool.submit(_part, service, size) for _ in range(TRANSFERS)]
        while not all(each.done() for each in transfers):
            most_mb = max(most_mb, server.worker_rss_mb())
            time.sleep(_SAMPLE_S)
        for each in transfers:
            each.result()
    return {"mb": most_mb - before_mb, "before_mb": before_mb}


def _part(service: Place, size: int) -> None:
    """Receive the beginning of the large file."""
    with service.opened() as caller:
        caller.discard("GET", LARGE, size)


if __name__ == "__main__":
    main()
