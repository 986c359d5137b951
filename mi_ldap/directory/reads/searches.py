"""Searches below the configured bases that return complete results, or fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.reads.queries import AnyQuery, Query
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Pool
from mi_ldap.ldap.filter_evaluation import Evaluation, Test
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import LdapError
from mi_ldap.ldap.search import Convert, SearchRequest, SearchResult, whole

MEMBERS_PER_SEARCH: Final = 200
"""Maximum number of alternatives in the filter of one search."""

MAX_READS: Final = 3
"""How often a group is read again that changes while its members are read in ranges."""

_ANYTHING: Final = "(objectClass=*)"

T = TypeVar("T")


@dataclass
class Searches:
    """Searches with the service's own account, each on a connection of the pool.

    Attributes:
        pool: connections that are bound as the service's account.
        layout: the configured bases, filters and attributes.
    """

    pool: Pool
    layout: DirectoryLayout

    @contextmanager
    def connection(self) -> Iterator[LdapConnection]:
        """Take a connection of the pool for reads.

        Raises:
            DirectoryUnavailable: the server rejected a read. That is no "not found": a decision
                must not be based on what could not be read.
        """
        with self.pool.connection() as connection:
            try:
                yield connection
            except LdapError as error:
                raise ldap_errors.unexpected(error) from error

    def exists(self, dn: str) -> bool:
        """Whether there is an entry at the DN that the account may read."""
        return bool(self.existing([dn]))

    def existing(self, dns: Sequence[str]) -> list[str]:
        """Return the DNs at which there is an entry, as `exists`, by one round trip."""
        requests = [
            SearchRequest(dn, _ANYTHING, ["1.1"], base_only=True, is_base_optional=True)
            for dn in dns
        ]
        with self.connection() as connection:
            results = connection.find_all(requests)
        return [dn for dn, result in zip(dns, results, strict=True) if result.entries]

    def collect(
        self,
        bases: Sequence[str],
        ldap_filter: str,
        attributes: list[str],
        convert: Convert[T],
    ) -> SearchResult[T]:
        """Return what `convert` keeps of the matching entries.

        All bases are searched in one round trip. An entry is converted twice if one base is below
        another.
        """
        evaluation = self.layout.evaluation_of(ldap_filter)
        requests = _requests(bases, attributes, evaluation)
        with self.connection() as connection:
            found = connection.collect(requests, _if_matching(evaluation.test, convert))
        kept = [each for result in found for each in result.entries]
        return SearchResult(kept, all(result.complete for result in found))

    def search_complete(
        self, bases: Sequence[str], ldap_filter: str, attributes: list[str]
    ) -> list[Entry]:
        """Return all matching entries, each once even if one base is below another.

        Raises:
            DirectoryUnavailable: the server returned only some of them.
        """
        found = self.collect(bases, ldap_filter, attributes, whole)
        return _entries_if_complete(_merged([found]))

    def answer(self, query: Query[T]) -> T:
        """Return the answer to a query.

        Raises:
            DirectoryUnavailable: the server returned only some of the entries.
        """
        attributes = [*query.attributes]
        return query.decode(self.search_complete(query.bases, query.condition, attributes))

    def answer_together(self, queries: Sequence[AnyQuery]) -> list[Callable[[], Any]]:
        """Send queries that don't need each other's answers together, in one round trip.

        Returns:
            For each query the function that returns its answer, or raises its error.
        """
        evaluations = [self.layout.evaluation_of(query.condition) for query in queries]
        requests = [
            request
            for query, evaluation in zip(queries, evaluations, strict=True)
            for request in _requests(query.bases, query.attributes, evaluation)
        ]
        try:
            results = iter(self._find_all(requests))
        except LdapError:
            # The server rejected one of them. Each is sent again when its answer is needed, so that
            # the others have theirs, and its error comes when that of a single read would.
            return [partial(self.answer, query) for query in queries]
        return [
            partial(_decoded, query, [*islice(results, len(query.bases))], evaluation)
            for query, evaluation in zip(queries, evaluations, strict=True)
        ]

    def _find_all(self, requests: Sequence[SearchRequest]) -> list[SearchResult[Entry]]:
        if not requests:
            return []
        # Not `self.connection`: the caller needs the `LdapError`.
        with self.pool.connection() as connection:
            return connection.find_all(requests)

    def with_all_members(self, group: Entry, attributes: list[str]) -> Entry:
        """Return the group with the members that the server did not return at once.

        Args:
            group: the entry as it was read.
            attributes: what was read of it.

        Raises:
            DirectoryUnavailable: the group kept changing, or was deleted.
        """
        # Active Directory returns at most 1,500 values of an attribute, as "member;range=0-1499",
        # and the next ones on request ([MS-ADTS] §3.1.1.3.1.3.3).
        if _value_range(group, self.layout.member)[1] is None:
            return group
        found: Entry | None = group
        with self.connection() as connection:
            for _ in range(MAX_READS):
                members = self._ranged_members(connection, found) if found else None
                if found and members is not None:
                    key = self.layout.member.lower()
                    return Entry(found.dn, {**found.attributes, key: members})
                found = connection.read(group.dn, _ANYTHING, attributes)
        raise DirectoryUnavailable("A group changes while it is read. Try again later.")

    def _ranged_members(self, connection: LdapConnection, group: Entry) -> list[bytes] | None:
        """Return all members; None if the group changed between two reads."""
        stamp = self.layout.profile.stamp
        members, following = _value_range(group, self.layout.member)
        while following is not None:
            attributes = [f"{self.layout.member};range={following}-*", stamp]
            part = connection.read(group.dn, _ANYTHING, attributes)
            # A removal moves later values to lower positions, so that the range would omit some.
            if part is None or part.first(stamp) != group.first(stamp):
                return None
            more, following = _value_range(part, self.layout.member)
            members += more
        return members


def _if_matching(test: Test | None, convert: Convert[T]) -> Convert[T]:
    if test is None:
        return convert
    return lambda entry: convert(entry) if test(entry) else None


def _requests(
    bases: Sequence[str], attributes: Sequence[str], evaluation: Evaluation
) -> list[SearchRequest]:
    """Return a search below each of the bases for what the server can evaluate of a filter."""
    wanted = [*attributes, *sorted(evaluation.attributes)]
    return [SearchRequest(base, evaluation.server_filter, wanted) for base in bases]


def _merged(found: Sequence[SearchResult[Entry]], test: Test | None = None) -> SearchResult[Entry]:
    """Return the entries of several bases that pass the test, each once."""
    entries = {
        entry.dn: entry for each in found for entry in each.entries if test is None or test(entry)
    }
    return SearchResult(list(entries.values()), all(each.complete for each in found))


def _entries_if_complete(found: SearchResult[Entry]) -> list[Entry]:
    if not found.complete:
        raise DirectoryUnavailable("The directory returned an incomplete result (size limit).")
    return found.entries


def _decoded(query: Query[T], found: Sequence[SearchResult[Entry]], evaluation: Evaluation) -> T:
    return query.decode(_entries_if_complete(_merged(found, evaluation.test)))


def _value_range(entry: Entry, attribute: str) -> tuple[list[bytes], int | None]:
    """Return the values in the entry, and the position of the next one; None if there are none."""
    label = f"{attribute.lower()};range="
    for name, values in entry.attributes.items():
        if name.startswith(label):
            last = name.rpartition("-")[2]
            return list(values), int(last) + 1 if last.isdecimal() else None
    return list(entry.attributes.get(attribute.lower(), ())), None


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split the items into parts that fit in the filter of one search."""
    for start in range(0, len(items), MEMBERS_PER_SEARCH):
        yield items[start : start + MEMBERS_PER_SEARCH]


def rdn_filter(dns: Sequence[str]) -> str:
    """Return a filter that matches the entries with these DNs, and others with an equal RDN.

    The DN itself can't be searched for on all servers (`entryDN`, RFC 5020, is optional).
    """
    return names.any_of([names.equals(*names.first_rdn_pair(dn)) for dn in dns])
