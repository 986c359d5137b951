"""What tells memory of changes: content synchronization of users, groups, and places."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from mi_ldap.directory import names, requests
from mi_ldap.directory.content_sync import Poller, Search
from mi_ldap.directory.index.held import Held, NotToBeHeld
from mi_ldap.directory.index.kinds import IS_PLACE, Kind, Places, Roles, StartAgain, Users
from mi_ldap.directory.index.unsettled import (
    cookies_of_now,
    must_not_be_ahead,
    still_there,
    wait_for_transactions,
)
from mi_ldap.directory.index.whereabouts import strange
from mi_ldap.directory.session import Entry, Session
from mi_ldap.directory.tree import Tree

MANY: Final = 2000
"""More changes than this are not taken in while somebody waits."""

QUICK_S: Final = 0.25
"""A poll that takes longer goes through all entries, however far away and busy the server is."""


class Feed:
    """Keeps what is held up to date.

    Args:
        tree: what is searched for.
        held: takes in what is told.
        contexts: the naming contexts of the server (RFC 4512 §5.1), each a database.
    """

    def __init__(self, tree: Tree, held: Held, contexts: Sequence[str] = ()) -> None:
        self._held = held
        self._places = places = Places()
        around = [_Told(places, base) for base in _outermost(tree.user_bases + tree.role_bases)]
        self._told = [
            *(_Told(Users(held), base) for base in _outermost(tree.user_bases)),
            *(_Told(Roles(held), base) for base in _outermost(tree.role_bases)),
            *around,
        ]
        self._searches = [_search_of(told, tree) for told in self._told]
        databases = {_innermost(told.base_dn, contexts) for told in self._told}
        is_one = len(databases) == 1 and None not in databases
        for search in self._searches[: -len(around)]:
            search.is_looked_into = True
        self._poller = Poller(self._searches, is_one_database=is_one)
        self._settles = tree.profile.transactions

    def fill(self, session: Session, limit: int) -> None:
        """Take in everything.

        Raises:
            NotToBeHeld: there are more than `limit` users, groups and places in all; or they lie
                below one that the account does not see; or the server does not tell of some.
            StartAgain: a place was moved meanwhile.
        """
        settled = cookies_of_now(session, self._searches)
        if self._settles:
            self.wait_for_transactions(session)
        if not self._poller.poll(session, lambda: self._count() <= limit):
            raise NotToBeHeld(
                f"there are more than {limit} users and groups: see user_store.index_limit"
            )
        self.settle(settled if self._settles else self.given)
        for told in self._told:
            told.is_filled = True
        self._places.is_told = True
        if any(session.read(dn, IS_PLACE, ["1.1"]) is None for dn in self._strange()):
            raise NotToBeHeld("entries lie below one that this account does not see")
        self._must_know_places()

    # What is told before it is so: see `unsettled`

    @property
    def is_behind(self) -> bool:
        """Whether the directory has changed in what the server does not tell of yet."""
        return self._poller.is_behind

    @property
    def given(self) -> list[bytes]:
        """The cookies that the server gave last."""
        return [search.given for search in self._searches]

    @property
    def is_settled(self) -> bool:
        """Whether all that the server has told of is so by now."""
        return all(search.given == search.cookie for search in self._searches)

    def wait_for_transactions(self, session: Session) -> None:
        """Return when what was under way is over."""
        for base_dn in {told.base_dn for told in self._told}:
            wait_for_transactions(session, base_dn)

    def settle(self, given: Sequence[bytes]) -> None:
        """Ask for what has changed since those cookies were given, and for nothing older.

        Transactions that were under way then must be over, and `refresh` have been called since.
        """
        for told, search, cookie in zip(self._told, self._searches, given, strict=True):
            search.cookie = cookie
            told.again.clear()

    def must_be_quick(self, session: Session) -> None:
        """Look how long a poll takes with nothing new.

        Raises:
            NotToBeHeld: each read would wait for the server to go through everything.
        """
        took_s = []
        for _ in range(3):
            began_s = time.monotonic()
            self.refresh(session)
            took_s.append(time.monotonic() - began_s)
        if min(took_s) > QUICK_S:
            raise NotToBeHeld(
                "the server takes long to tell what is new: index entryCSN and entryUUID there "
                "(OpenLDAP: olcDbIndex: entryCSN,entryUUID eq)"
            )

    def refresh(self, session: Session) -> None:
        """Take in what has changed.

        Raises:
            StartAgain: that is too much, or cannot be told; the session is not to be used again.
        """
        for told in self._told:
            told.begin()
        if not self._poller.poll(session, lambda: self._count() < MANY):
            raise StartAgain("more has changed than can be taken in at once")
        for told, search in zip(self._told, self._searches, strict=True):
            if search.is_told_all:
                told.gone(list(told.unnamed()))
            if told.missing:
                told.let_go(self._surely_gone(session, told, search))
        must_not_be_ahead(self._searches)
        self._must_know_places()
        self._held.all_told()
        if not self._settles:
            self.settle(self.given)

    def _must_know_places(self) -> None:
        if self._strange():
            raise StartAgain("an entry has others below it for the first time")

    def _strange(self) -> set[str]:
        parents = {dn for told in self._told for dn in told.parents}
        bases = [told.base_dn for told in self._told]
        return strange(parents, bases, self._places.dns.values()) if parents else parents

    def _surely_gone(self, session: Session, told: _Told, search: Search) -> set[bytes]:
        if not self._settles:
            return told.missing
        return told.missing.difference(still_there(session, search, [*told.missing]))

    def _count(self) -> int:
        return sum(told.count for told in self._told)


@dataclass(slots=True)
class _Told:
    """The listener of one search.

    Attributes:
        named: the ids that the present poll has named, as changed or not.
        missing: those that it has named as gone.
        parents: the DNs right above the entries that it has told of.
        again: what was told since the cookie that is asked with, and will be told again.
        count: how many changes it has told.
    """

    kind: Kind
    base_dn: str
    is_filled: bool = False
    named: set[bytes] = field(default_factory=set)
    missing: set[bytes] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    again: dict[bytes, Entry] = field(default_factory=dict)
    count: int = 0

    def begin(self) -> None:
        self.named, self.missing, self.parents, self.count = set(), set(), set(), 0

    def changed(self, uuid: bytes, entry: Entry) -> None:
        if self.is_filled:
            self.named.add(uuid)
            self.missing.discard(uuid)
            # Another search may have told meanwhile that it is elsewhere.
            if self.again.get(uuid) == entry and self.kind.dn_of(uuid) == entry.dn:
                return
            self.again[uuid] = entry
        self.count += 1
        self.parents.add(names.own_and_parent(entry.dn)[1])
        self.kind.changed(uuid, entry)

    def unchanged(self, uuids: Sequence[bytes]) -> None:
        self.named.update(uuids)

    def gone(self, uuids: Sequence[bytes]) -> None:
        for uuid in uuids:
            self.again.pop(uuid, None)
            if self.kind.dn_of(uuid) is not None:
                self.count += 1
                self.missing.add(uuid)

    def let_go(self, uuids: Iterable[bytes]) -> None:
        """Those are gone; what is elsewhere by now was told of by another search."""
        for uuid in uuids:
            if self.holds(uuid):
                self.kind.gone(uuid)

    def unnamed(self) -> Iterator[bytes]:
        """What is held below the base and was not named."""
        for uuid in self.kind.uuids():
            if uuid not in self.named and self.holds(uuid):
                yield uuid

    def holds(self, uuid: bytes) -> bool:
        """Whether the entry is held, and below the base."""
        dn = self.kind.dn_of(uuid)
        return dn is not None and names.is_under(dn, self.base_dn)


def _search_of(told: _Told, tree: Tree) -> Search:
    ldap_filter, attributes = told.kind.asked(tree)
    return Search(told.base_dn, requests.condition(ldap_filter), attributes, told)


def _innermost(dn: str, contexts: Sequence[str]) -> str | None:
    """The database that the DN lies in, by its naming context."""
    around = [each for each in contexts if names.is_under(dn, each)]
    return max(around, key=lambda each: len(names.parsed_dn(each)), default=None)


def _outermost(bases: Sequence[str]) -> list[str]:
    """The bases that lie in no other, each once."""
    kept: list[str] = []
    for base in sorted(bases, key=lambda each: len(names.parsed_dn(each))):
        if not any(names.is_under(base, other) for other in kept):
            kept.append(base)
    return kept
