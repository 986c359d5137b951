"""All that is measured at one size, round after round, so that a busy machine is so for all."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import place, stage
from benchmarks.callers import BenchmarkError
from benchmarks.reading import answered
from benchmarks.stage import Stage
from benchmarks.target import EMBEDDED
from benchmarks.timing import Figure, merged, or_refused
from benchmarks.works import CHANGES, STARTS, TOKENS, Works, changes, tokens, works

MOST_S = 60.0
"""A work that has taken so long in all is left out of the rounds to come."""

_STARTS = 5
_SEEN_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is measured of a directory.

    Attributes:
        directory: one of `DIRECTORIES`.
        users: how many there are.
        groups: some of `GROUPS`.
        rounds: of which the figures are the median.
        warms_up: whether a round that is not counted comes first.
    """

    directory: str
    users: int
    groups: set[str]
    rounds: int
    warms_up: bool = True


def measure(order: Order) -> dict[str, Figure]:
    """The figures of each work, the median of the rounds."""
    found: dict[str, Figure] = {}
    with (
        tempfile.TemporaryDirectory(prefix="mi-ldap-bench-") as folder,
        _staged(order, Path(folder), found) as on,
    ):
        found |= on.started
        found |= _interleaved(works(on, order.groups), order)
        # Before there are 500 admins, which no company has.
        found["memory"] = {"mb": on.service.workers_memory_mb()}
        if TOKENS in order.groups:
            with _promoted(on):
                found |= _interleaved(tokens(on), order)
        # For half a minute after a DN was used again, its groups are read from the directory.
        if CHANGES in order.groups and not on.target.is_database:
            found |= _interleaved(changes(on), order)
    return found


@contextmanager
def _staged(order: Order, folder: Path, found: dict[str, Figure]) -> Iterator[Stage]:
    say(f"{order.directory}, {order.users:,} users: filling the directory")
    if order.directory != EMBEDDED:
        with stage.other(order.directory, folder, order.users) as on:
            yield on
        return
    found |= _starts(folder / "state", _STARTS if STARTS in order.groups else 0)
    with stage.embedded(folder / "state", order.users) as on:
        yield on


def say(text: str) -> None:
    """Tell who waits how far it is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _starts(state: Path, count: int) -> dict[str, Figure]:
    """Warm starts on a directory that has the admin alone; the first of all makes it."""
    place.start(state)
    starts = [place.start(state) for _ in range(count)]
    figures = [{"health_ms": h * 1000, "login_ms": a * 1000} for h, a in starts]
    return {"start": merged(figures)} if figures else {}


@contextmanager
def _promoted(on: Stage) -> Iterator[None]:
    """500 people are admins, and the service knows of it."""
    people = on.population.people()
    on.ldap.give("admin", *people)
    ends_at_s = time.monotonic() + _SEEN_WITHIN_S
    with on.reading.opened() as caller:
        while not answered(caller, "GET", f"/users/{people[-1]}").json["isAdmin"]:
            if time.monotonic() > ends_at_s:
                raise BenchmarkError("The service does not see the new admins.")
    yield
    on.ldap.take("admin", *people)


def _interleaved(wanted: Works, order: Order) -> dict[str, Figure]:
    spent_s = dict.fromkeys(wanted, 0.0)
    found: dict[str, list[Figure]] = {name: [] for name in wanted}
    first = 0 if order.warms_up else 1
    for number in range(first, order.rounds + 1):
        say(f"round {number} of {order.rounds}" if number else "warm-up")
        for name in _still_wanted(spent_s, found):
            began_s = time.monotonic()
            figure = or_refused(wanted[name])
            spent_s[name] += time.monotonic() - began_s
            if number:
                found[name].append(figure)
    return {name: merged(figures) for name, figures in found.items()}


def _still_wanted(spent_s: dict[str, float], found: dict[str, list[Figure]]) -> Iterator[str]:
    for name, seconds in spent_s.items():
        if seconds < MOST_S or not found[name]:
            yield name
