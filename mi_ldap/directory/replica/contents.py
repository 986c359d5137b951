"""The users and groups in memory, and how reported changes are applied to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final, TypeVar, cast

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.reads.reader import Reader, in_parts
from mi_ldap.directory.replica.groups import Group, Groups
from mi_ldap.directory.replica.people import People
from mi_ldap.ldap import names, requests
from mi_ldap.ldap.connection import Entry, ReadStopped, SearchRequest
from mi_ldap.ldap.controls import MANAGE_DSA_IT
from mi_ldap.ldap.search_stream import stream_search
from mi_ldap.model import AdminRole, Names, Role, User

DOUBT_S: Final = 30.0
"""Longest time, in seconds, that a server needs to update groups after a member was deleted."""

_LABELED_URI: Final = "labeledURI"
"""dynlist and autogroup compute members from this attribute and its subtypes (memberURL)."""

_COMPUTED: Final = "the server computes members of groups (overlay dynlist) and does not report it"

T = TypeVar("T")


class ReplicationUnavailable(ReadStopped):
    """The directory cannot be replicated: some changes are not reported, or it is too large.

    Attributes:
        for_now: whether the next change of any entry may make replication possible.
    """

    def __init__(self, why: str, *, for_now: bool = False) -> None:
        super().__init__(why)
        self.for_now = for_now


class ReplicaContents:
    """Users and groups as the directory reported them; empty at first.

    Args:
        reader: reads the members of groups, which are not synchronized.
        is_proved: whether the server is known not to compute members of groups.
    """

    def __init__(self, reader: Reader, *, is_proved: bool = True) -> None:
        self._reader = reader
        self._is_proved = is_proved
        self.people = People(reader.tree)
        self.groups = Groups(reader.tree, self.people)
        self._somebody_came = False
        self._worked_out: dict[Hashable, object] = {}

    def names_in(self, group: Group) -> Names:
        """Return the sorted names of all users in the group, those of nested groups included."""
        return self._kept(
            (group, "names"), lambda: self.people.names_of(self.groups.people_below(group))
        )

    def admin_role(self, group: Group) -> AdminRole:
        """Return the group as the admin role."""
        return self._kept((group, "admin"), lambda: self.groups.admin_role(group))

    def holds(self, entry: User | Role) -> bool:
        """Whether memory has this user or group, by id, at its DN."""
        person, group = self.people.at(entry.locator), self.groups.at(entry.locator)
        if person and self.people.user(person).id == entry.id:
            return True
        return group is not None and group.role.id == entry.id

    def is_unfinished(self, entry: Entry) -> bool:
        """Whether the creation of a user has not finished; memory leaves such users out."""
        return self._reader.tree.is_unfinished(entry)

    def parents(self) -> set[str]:
        """Return the parent DNs of the users and groups."""
        above = {person.kind.parent for person in self.people}
        return above | {names.own_and_parent(group.entry.dn)[1] for group in self.groups}

    # Reported changes

    def user_changed(self, uuid: bytes, entry: Entry) -> None:
        """Add or replace a user's entry."""
        self._must_have_an_id(entry)
        before = self.people.get(uuid)
        name_before, dn_before = (before.name, self.people.dn(before)) if before else ("", "")
        person = self.people.put(uuid, entry)
        if (person.name, entry.dn) == (name_before, dn_before):
            return
        self._worked_out.clear()
        if dn_before == entry.dn:
            return
        if dn_before:
            self.groups.user_removed(person, dn_before, time.monotonic())
        self.groups.user_added(person, entry.dn, time.monotonic())
        self._somebody_came = True

    def user_gone(self, uuid: bytes) -> None:
        """Remove a user."""
        person = self.people.pop(uuid)
        if person:
            self._worked_out.clear()
            self.groups.user_removed(person, self.people.dn(person), time.monotonic())

    def role_changed(self, uuid: bytes, entry: Entry) -> None:
        """Add or replace a group's entry without its members."""
        before = self.groups.get(uuid)
        dn_before = before.entry.dn if before else entry.dn
        self._worked_out.clear()
        if self._reader.tree.is_dynamic(entry):
            raise ReplicationUnavailable(_COMPUTED)
        if any(
            value.startswith(b"ldap:///") for each in entry.attributes.values() for value in each
        ):
            raise ReplicationUnavailable(_COMPUTED)
        self._must_have_an_id(entry)
        self.groups.put(uuid, entry)
        if before is None or dn_before != entry.dn:
            self.groups.group_removed(dn_before, time.monotonic())
            self._somebody_came = True

    def role_gone(self, uuid: bytes) -> None:
        """Remove a group."""
        group = self.groups.pop(uuid)
        if group:
            self._worked_out.clear()
            self.groups.group_removed(group.entry.dn, time.monotonic())

    def _must_have_an_id(self, entry: Entry) -> None:
        """Check that the entry has an id: memory is keyed by entryUUID, the rules by another id."""
        tree = self._reader.tree
        if tree.readable_id_of(entry) is None:
            raise ReplicationUnavailable(
                f"an entry has no {tree.user_id} that the account may read"
            )

    def all_told(self) -> None:
        """Finish a poll: doubt memberships if new entries may have moved in from outside the bases.

        The server then changes the groups that named them without a report, as it does after the
        deletion of an entry outside the bases.
        """
        if self._somebody_came:
            self._worked_out.clear()
            self.groups.doubt_strangers(time.monotonic())
            self._somebody_came = False

    # Members, which are read by searches

    def fetch(self, groups: Iterable[Group]) -> Iterator[tuple[Group, Entry]]:
        """Yield the groups' entries with their members; deleted groups are left out."""
        for part in in_parts(list(groups)):
            stored = {} if self._is_proved else dict(self._read(part, as_stored=True))
            for group, entry in self._read(part):
                self._ensure_not_computed(stored.get(group), entry)
                yield group, entry

    def _read(
        self, groups: Sequence[Group], *, as_stored: bool = False
    ) -> Iterator[tuple[Group, Entry]]:
        tree = self._reader.tree
        wanted = [*role_attributes(tree), tree.member]
        by_id = {group.role.id: group for group in groups}
        any_of = requests.any_of(requests.equals(tree.user_id, each) for each in by_id)
        one_of_them = requests.all_of(requests.condition(tree.role_list_filter), any_of)
        # OpenLDAP's overlay dynlist (2.5.13) computes no values for a search with ManageDsaIT.
        controls = (MANAGE_DSA_IT.with_value(),) if as_stored else ()
        with self._reader.session() as session:
            for base_dn in tree.role_bases:
                search = SearchRequest(base_dn, one_of_them, wanted, controls=controls)
                for entry in stream_search(session, search):
                    yield by_id[tree.id_of(entry)], entry

    def _ensure_not_computed(self, stored: Entry | None, entry: Entry) -> None:
        """Check that the members that were read are those that are stored.

        Raises:
            ReplicationUnavailable: they differ although the group was not changed in between.
        """
        if stored and self.groups.stamp_of(stored) == self.groups.stamp_of(entry):
            tree = self._reader.tree
            if {*tree.members(stored)} != {*tree.members(entry)}:
                raise ReplicationUnavailable(_COMPUTED)

    def take(self, fetched: Iterable[tuple[Group, Entry]], *, only_known: bool = False) -> None:
        """Store the members that were read.

        Args:
            fetched: the result of `fetch`.
            only_known: whether the entries may be older than the reported ones; then an entry is
                used only if both have the same stamp.
        """
        self._worked_out.clear()
        for group, entry in fetched:
            if self.groups.get(group.uuid) is not group:
                continue  # the group was deleted meanwhile
            if entry.dn != group.entry.dn:
                continue  # the move is not reported yet: other groups may name this one
            if only_known and group not in self.groups.uncertain:
                continue  # it was read meanwhile: here, silent changes of the server may be missing
            if not only_known or self.groups.stamp_of(entry) == group.told:
                self.groups.set_members(group, entry)

    def confirm(self, read_at_s: float) -> None:
        """End doubts about members that were read after the server had time to change them.

        Args:
            read_at_s: when the reading of the members began, by `time.monotonic()`.
        """
        since = read_at_s - DOUBT_S
        for group in [*self.groups.uncertain]:
            group.doubts = {text: at for text, at in group.doubts.items() if at > since}
            self.groups.note_certainty(group)

    def _kept(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """Return a cached result, computed once until the contents change."""
        if key not in self._worked_out:
            self._worked_out[key] = work_out()
        return cast("T", self._worked_out[key])


def role_attributes(tree: DirectoryLayout) -> list[str]:
    """Return the attributes of groups that are synchronized: all but the members."""
    return [*tree.role_attributes, tree.first_admin, _LABELED_URI]
