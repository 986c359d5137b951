"""`scripts/bench`: measure, keep, print, and write the page."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from benchmarks import machine
from benchmarks.callers import BenchmarkError
from benchmarks.page import write_page
from benchmarks.plot import write_plot
from benchmarks.results import LABELS, Result, kept
from benchmarks.running_order import measure
from benchmarks.tables import plain, rows_of

_SIZES = (1_000, 100_000)
_ROUNDS = 5


def main() -> None:
    """Measure each size, then write the page; an exit from here ends every process."""
    options = _options()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _stop)
    for users in () if options.page_only else options.users:
        result = _measured(options, users)
        result.keep()
        sys.stdout.write(f"\n{users:,} users\n\n{plain(rows_of(result, kept(result.label)))}\n\n")
        sys.stdout.flush()
    if options.plot:
        write_plot()
    write_page()


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough
    sys.exit("Stopped.")


def _measured(options: argparse.Namespace, users: int) -> Result:
    about = machine.described()  # before we are the load ourselves
    commit = options.commit or machine.commit()
    return Result(
        label=options.label,
        users=users,
        rounds=options.rounds,
        figures=measure(users, options.rounds),
        date=machine.today(),
        commit=commit,
        machine=about,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=main.__doc__)
    parser.add_argument(
        "--users", type=_thousands, nargs="+", default=_SIZES, help="sizes, multiples of 1,000"
    )
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="after one that warms up")
    parser.add_argument("--label", choices=LABELS, default="now", help="to keep the results by")
    parser.add_argument("--commit", default="", help="what is measured, where git can't tell")
    parser.add_argument("--plot", action="store_true", help="draw how the times grow")
    parser.add_argument("--page-only", action="store_true", help="from the results that are kept")
    return parser.parse_args()


def _thousands(text: str) -> int:
    number = int(text)
    if number < 1000 or number % 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 1,000")
    return number


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
