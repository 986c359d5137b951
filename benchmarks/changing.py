"""Changes of who is in a role: by the service, by another tool, and how soon those are seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median

from benchmarks.bare_ldap import BareLdap
from benchmarks.callers import BenchmarkError, Caller
from benchmarks.population import EVERYBODY, OUTSIDERS, role_name
from benchmarks.reading import Reading, answered
from benchmarks.timing import BUDGET_S, Figure, Unavailable, timed_ms

_OURS, _BARE = OUTSIDERS
_SEEN_WITHIN_S = 30.0


def role_given(reading: Reading, ldap: BareLdap) -> Figure:
    """Giving `everybody`, past the service and through it."""
    bare = partial(ldap.give, EVERYBODY, _BARE)
    return _by_turns(reading, "addedRoles", bare, partial(_take_from_outsiders, ldap))


def role_taken(reading: Reading, ldap: BareLdap) -> Figure:
    """Taking it away, likewise."""

    def prepare() -> None:
        _take_from_outsiders(ldap)
        for user in OUTSIDERS:
            ldap.give(EVERYBODY, user)

    bare = partial(ldap.take, EVERYBODY, _BARE)
    return _by_turns(reading, "removedRoles", bare, prepare)


def _by_turns(
    reading: Reading, key: str, bare: Callable[[], None], prepare: Callable[[], None]
) -> Figure:
    """The medians of the bare change and of the service's, each made ready for."""
    bare_ms: list[float] = []
    ours_ms: list[float] = []
    ends_at_s = time.monotonic() + BUDGET_S
    while not ours_ms or time.monotonic() < ends_at_s:
        prepare()
        bare_ms.append(timed_ms(bare))
        # Opened late: making ready may take longer than the service waits for a request.
        with reading.opened() as caller:
            try:
                ours_ms.append(timed_ms(partial(_put, caller, key)))
            except Unavailable as refusal:
                return {"status": 503, "ms": refusal.after_ms, "bare_ms": median(bare_ms)}
    return {"bare_ms": median(bare_ms), "ms": median(ours_ms)}


def _take_from_outsiders(ldap: BareLdap) -> None:
    for user in OUTSIDERS:
        ldap.take_if_given(EVERYBODY, user)


def change_seen(reading: Reading, ldap: BareLdap) -> Figure:
    """What a change by another tool costs the next read: that read, less one without a change."""
    ldap.take_if_given(role_name(0), _BARE)
    with reading.opened() as caller:
        return _seen(caller, ldap, role_name(0))


def _seen(caller: Caller, ldap: BareLdap, role: str) -> Figure:
    seen: list[float] = []
    plain: list[float] = []
    ends_at_s = time.monotonic() + BUDGET_S
    while not seen or time.monotonic() < ends_at_s:
        for change, is_held in ((ldap.give, True), (ldap.take, False)):
            change(role, _BARE)
            seen.append(timed_ms(partial(_see, caller, role, is_held)))
            plain += [timed_ms(partial(_holds, caller, role)) for _ in range(3)]
    cost = median(seen) - median(plain)
    return {"ms": cost, "seen_ms": median(seen), "plain_ms": median(plain)}


def _put(caller: Caller, key: str) -> None:
    answered(caller, "PUT", "/roles", {"userId": _OURS, key: [EVERYBODY]})


def _see(caller: Caller, role: str, is_held: bool) -> None:
    """Read until the change is seen; once, where what is read is never old."""
    ends_at_s = time.monotonic() + _SEEN_WITHIN_S
    while _holds(caller, role) != is_held:
        if time.monotonic() > ends_at_s:
            raise BenchmarkError("A change was never seen.")


def _holds(caller: Caller, role: str) -> bool:
    return role in answered(caller, "GET", f"/users/{_BARE}").json["roles"]
