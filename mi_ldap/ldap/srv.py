"""The addresses of a directory, with those that DNS SRV records name (RFC 2782)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import structlog

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import DirectoryUnavailable

if TYPE_CHECKING:
    from dns.resolver import Resolver

log = structlog.get_logger()

LOOK_UP_S = 2.0
"""Timeout of a DNS query in seconds, within the request's remaining time."""

_SRV_SCHEME = "+srv://"


class Record(NamedTuple):
    """An SRV record; `in_order` sorts records as RFC 2782 demands."""

    priority: int
    weight: int
    port: int
    target: str


LookUp = Callable[[str], Sequence[Record]]


def look_up(name: str, resolver: Resolver | None = None) -> list[Record]:
    """Return the records of a name such as `"_ldap._tcp.example.org"`.

    Args:
        name: the name with its service and protocol.
        resolver: the resolver; None for that of the system's configuration.

    Raises:
        DirectoryUnavailable: there are none, or no name server answered.
    """
    # Imported here: it takes 100 ms, and few services use SRV records.
    import dns.exception
    import dns.resolver

    try:
        chosen = resolver or dns.resolver.Resolver()
        answer = chosen.resolve(
            f"{name}.", "SRV", lifetime=min(LOOK_UP_S, remaining_s()), search=False
        )
    except (dns.exception.DNSException, OSError) as error:
        log.warning("directory_srv_not_found", name=name, error=type(error).__name__)
        raise DirectoryUnavailable(
            "DNS names no server of the directory: look at the SRV records of the domain in "
            "user_store.connection_url."
        ) from error
    return [Record(each.priority, each.weight, each.port, str(each.target)) for each in answer]


class Addresses:
    """The addresses in `connection_url`, in the order in which they are tried.

    Args:
        urls: `"ldaps://ldap.example.org"`, or `"ldaps+srv://example.org"` for the SRV records of
            `_ldaps._tcp.example.org`.
        look_up: queries DNS.
    """

    def __init__(self, urls: tuple[str, ...], look_up: LookUp = look_up) -> None:
        self._urls, self._look_up = urls, look_up
        self._seed: int | None = None

    def __call__(self) -> tuple[str, ...]:
        """Return the current addresses; a process keeps the order of records that stay the same.

        Raises:
            DirectoryUnavailable: none is known.
        """
        found: list[str] = []
        failure: DirectoryUnavailable | None = None
        for url in self._urls:
            try:
                found += self._resolve(url) if _SRV_SCHEME in url.lower() else [url]
            except DirectoryUnavailable as error:
                failure = error
        if failure and not found:
            raise failure
        return tuple(dict.fromkeys(found))

    def _resolve(self, url: str) -> list[str]:
        if self._seed is None:  # at the first use, which is after the fork: workers must differ
            self._seed = random.SystemRandom().getrandbits(64)
        scheme, domain = url.lower().split(_SRV_SCHEME)
        records = self._look_up(f"_{scheme}._tcp.{domain}")
        # DNS is not trusted: a forged record could name a server with a valid certificate for
        # another domain, and the certificate is verified for the target.
        kept = [record for record in records if _lies_in(record.target, domain)]
        if len(kept) < len(records):
            log.warning("directory_srv_target_refused", domain=domain)
        if not kept:
            raise DirectoryUnavailable(
                "DNS names only servers outside of the domain in user_store.connection_url: "
                "they are not trusted."
            )
        rng = random.Random(self._seed)  # noqa: S311
        return [
            f"{scheme}://{record.target.rstrip('.').lower()}:{record.port}"
            for record in in_order(kept, rng)
        ]


def in_order(records: Sequence[Record], rng: random.Random) -> list[Record]:
    """Sort by priority, and within a priority at random by weight (RFC 2782, "Weight")."""
    left, ordered = sorted(records), list[Record]()
    while left:
        first = [record for record in left if record.priority == left[0].priority]
        drawn = rng.uniform(0, sum(record.weight for record in first))
        for record in first:
            drawn -= record.weight
            if drawn <= 0:
                break
        ordered.append(record)
        left.remove(record)
    return ordered


def _lies_in(target: str, domain: str) -> bool:
    name = target.rstrip(".").lower()
    return name == domain or name.endswith(f".{domain}")
