"""`scripts/bench`: measure, keep, print, and write the page."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from benchmarks import machine
from benchmarks.callers import BenchmarkError
from benchmarks.page import write_page
from benchmarks.plot import write_plot
from benchmarks.results import Result, kept
from benchmarks.running_order import Order, measure
from benchmarks.tables import plain, rows_of
from benchmarks.target import DIRECTORIES, EMBEDDED, MARIADB, POSTGRESQL
from benchmarks.works import GROUPS

_SIZES = {EMBEDDED: (1_000, 100_000), POSTGRESQL: (100_000,), MARIADB: (100_000,)}
_OTHER_SIZES, _QUICK_SIZES = (3_000,), (1_000,)
_ROUNDS = 5


def main() -> None:
    """Measure each directory, then write the page; an exit from here ends every process."""
    options = _options()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _stop)
    # A table is of one whole run: what was only tried is shown and not kept.
    is_whole = not options.quick and set(options.only) == set(GROUPS)
    orders = [] if options.page_only else list(_orders(options))
    failures = [error for order in orders if (error := _run(order, options.commit, is_whole))]
    if options.plot:
        write_plot()
    if is_whole:
        write_page()
    if failures:
        sys.exit("\n".join(failures))


def _run(order: Order, commit: str, is_whole: bool) -> str:
    """Measure, keep and show; why it failed, or `""`: the next directory is measured anyway."""
    try:
        result = _measured(order, commit)
    except BenchmarkError as error:
        return f"{order.directory}, {order.users:,} users: {error}"
    if is_whole:
        result.keep()
    _show(result, kept(result.directory) if is_whole else [])
    return ""


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough
    sys.exit("Stopped.")


def _orders(options: argparse.Namespace) -> Iterator[Order]:
    for directory in options.directories:
        sizes = _SIZES.get(directory, _OTHER_SIZES)
        for users in options.users or (_QUICK_SIZES if options.quick else sizes):
            rounds = 1 if options.quick else options.rounds
            yield Order(directory, users, set(options.only), rounds, warms_up=not options.quick)


def _measured(order: Order, commit: str) -> Result:
    about = machine.described(order.directory)  # before we are the load ourselves
    return Result(
        directory=order.directory,
        users=order.users,
        rounds=order.rounds,
        figures=measure(order),
        date=machine.today(),
        commit=commit or machine.commit(),
        machine=about,
    )


def _show(result: Result, others: list[Result]) -> None:
    title = f"{DIRECTORIES[result.directory]}, {result.users:,} users"
    sys.stdout.write(f"\n{title}\n\n{plain(rows_of(result, others))}\n\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=main.__doc__)
    add = parser.add_argument
    add("--directories", choices=DIRECTORIES, nargs="+", default=tuple(DIRECTORIES))
    add("--only", choices=GROUPS, nargs="+", default=GROUPS, help="groups of works; kept nowhere")
    add("--quick", action="store_true", help="1,000 users, one round, to try it; kept nowhere")
    add("--users", type=_thousands, nargs="+", help="sizes, multiples of 1,000")
    add("--rounds", type=int, default=_ROUNDS, help="after one that warms up")
    add("--commit", default="", help="what is measured, where git can't tell")
    add("--plot", action="store_true", help="draw how the times grow")
    add("--page-only", action="store_true", help="from the results that are kept")
    return parser.parse_args()


def _thousands(text: str) -> int:
    number = int(text)
    if number < 1000 or number % 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 1,000")
    return number


if __name__ == "__main__":
    main()
