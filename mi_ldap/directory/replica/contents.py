"""`ReplicaContents`: the users and groups in memory; reported changes are applied to them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final, TypeVar, cast

from mi_ldap.directory.reads.searches import Searches, batches
from mi_ldap.directory.replica.entry_types import EntryType
from mi_ldap.directory.replica.groups import Group, Groups, role_attributes
from mi_ldap.directory.replica.people import People
from mi_ldap.directory.replica.reasons import ReplicationUnavailable
from mi_ldap.ldap import names, requests
from mi_ldap.ldap.controls import MANAGE_DSA_IT
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.search import SearchRequest
from mi_ldap.ldap.search_stream import stream_search
from mi_ldap.model import AdminRole, Names, Role, User

_COMPUTED: Final = "the server computes members of groups (overlay dynlist) and does not report it"

T = TypeVar("T")


class ReplicaContents:
    """Users and groups as the directory reported them; empty at first.

    Args:
        searches: read the members of groups, which are not synchronized.
        is_proved: whether the server is known not to compute members of groups.
    """

    def __init__(self, searches: Searches, *, is_proved: bool = True) -> None:
        self._searches = searches
        self._is_proved = is_proved
        self.people = People(searches.layout)
        self.groups = Groups(searches.layout, self.people)
        self._has_additions = False
        self._results: dict[Hashable, object] = {}

    def names_in(self, group: Group) -> Names:
        """Return the sorted names of all users in the group, those of nested groups included."""
        return self._cached(
            (group, "names"), lambda: self.people.names_of(self.groups.all_people_in(group))
        )

    def admin_role(self, group: Group) -> AdminRole:
        """Return the group as the admin role."""
        return self._cached((group, "admin"), lambda: self.groups.admin_role(group))

    def contains(self, entry: User | Role) -> bool:
        """Whether memory has this user or group, by id, at its DN."""
        person, group = self.people.at(entry.locator), self.groups.at(entry.locator)
        if person and self.people.user(person).id == entry.id:
            return True
        return group is not None and group.role.id == entry.id

    def parents(self) -> set[str]:
        """Return the parent DNs of the users and groups."""
        above = {person.fields.parent for person in self.people}
        return above | {names.rdn_and_parent(group.entry.dn)[1] for group in self.groups}

    # Reported changes

    def entry_types(self) -> tuple[EntryType, EntryType]:
        """Return the two types of entries that are kept here: users and groups."""
        layout = self._searches.layout
        users = EntryType(
            layout.user_list_filter,
            layout.user_attributes,
            self.user_changed,
            self.user_gone,
            self.people,
        )
        roles = EntryType(
            layout.role_list_filter,
            role_attributes(layout),
            self.role_changed,
            self.role_gone,
            self.groups,
        )
        return users, roles

    def user_changed(self, uuid: bytes, entry: Entry) -> None:
        """Add or replace a user's entry; leave out a user whose creation has not finished."""
        if self._searches.layout.is_unfinished(entry):
            self.user_gone(uuid)
            return
        self._ensure_readable_id(entry)
        before = self.people.get(uuid)
        name_before, dn_before = (before.name, self.people.dn(before)) if before else ("", "")
        person = self.people.put(uuid, entry)
        if (person.name, entry.dn) != (name_before, dn_before):
            self._results.clear()
        if dn_before != entry.dn:
            if dn_before:
                self.groups.entry_moved(dn_before, person)
            self.groups.entry_moved(entry.dn)
            self._has_additions = True

    def user_gone(self, uuid: bytes) -> None:
        """Remove a user."""
        person = self.people.pop(uuid)
        if person:
            self._results.clear()
            self.groups.entry_deleted(self.people.dn(person), person)

    def role_changed(self, uuid: bytes, entry: Entry) -> None:
        """Add or replace a group's entry without its members."""
        before = self.groups.get(uuid)
        dn_before = before.entry.dn if before else entry.dn
        self._results.clear()
        if self._searches.layout.is_dynamic(entry):
            raise ReplicationUnavailable(_COMPUTED)
        # dynlist and autogroup compute members from such a URL, in labeledURI or a subtype of it.
        if any(
            value.startswith(b"ldap:///") for each in entry.attributes.values() for value in each
        ):
            raise ReplicationUnavailable(_COMPUTED)
        self._ensure_readable_id(entry)
        self.groups.put(uuid, entry)
        if before is None or dn_before != entry.dn:
            self.groups.entry_moved(dn_before)
            self.groups.entry_moved(entry.dn)
            self._has_additions = True

    def role_gone(self, uuid: bytes) -> None:
        """Remove a group."""
        group = self.groups.pop(uuid)
        if group:
            self._results.clear()
            self.groups.entry_deleted(group.entry.dn)

    def _ensure_readable_id(self, entry: Entry) -> None:
        """Check that the entry has an id; the configured attribute may not be the entryUUID."""
        layout = self._searches.layout
        if layout.readable_id_of(entry) is None:
            raise ReplicationUnavailable(
                f"an entry has no {layout.user_id} that the account may read"
            )

    def finish_poll(self) -> None:
        """Finish a poll: entries that were added may have moved here from outside of the bases."""
        if self._has_additions:
            self._results.clear()
            self.groups.entries_added()
            self._has_additions = False

    # Members, which are read by searches

    def read_members(self, groups: Iterable[Group]) -> Iterator[tuple[Group, Entry]]:
        """Yield the groups' entries with their members; deleted groups are left out."""
        for part in batches(list(groups)):
            stored = {} if self._is_proved else dict(self._read(part, as_stored=True))
            for group, entry in self._read(part):
                self._ensure_not_computed(stored.get(group), entry)
                yield group, entry

    def _read(
        self, groups: Sequence[Group], *, as_stored: bool = False
    ) -> Iterator[tuple[Group, Entry]]:
        layout = self._searches.layout
        attributes = [*role_attributes(layout), layout.member]
        by_id = {group.role.id: group for group in groups}
        any_of = requests.any_of(requests.equals(layout.user_id, each) for each in by_id)
        one_of_them = requests.all_of(requests.condition(layout.role_list_filter), any_of)
        # OpenLDAP's overlay dynlist (2.5.13) computes no values for a search with ManageDsaIT.
        controls = (MANAGE_DSA_IT.with_value(),) if as_stored else ()
        with self._searches.connection() as connection:
            for base_dn in layout.role_bases:
                search = SearchRequest(base_dn, one_of_them, attributes, controls=controls)
                for entry in stream_search(connection, search):
                    yield by_id[layout.id_of(entry)], entry

    def _ensure_not_computed(self, stored: Entry | None, entry: Entry) -> None:
        """Check that the members that were read are those that are stored.

        Raises:
            ReplicationUnavailable: they differ although the group was not changed in between.
        """
        if stored and self.groups.stamp_of(stored) == self.groups.stamp_of(entry):
            layout = self._searches.layout
            if {*layout.members(stored)} != {*layout.members(entry)}:
                raise ReplicationUnavailable(_COMPUTED)

    def apply_members(self, fetched: Iterable[tuple[Group, Entry]], read_at_s: float) -> None:
        """Store the members that were read, if they are those of the reported entries.

        Args:
            fetched: the result of `read_members`.
            read_at_s: when the read began, by `time.monotonic()`.
        """
        self._results.clear()
        for group, entry in fetched:
            if self.groups.get(group.uuid) is not group:
                continue  # the group was deleted meanwhile
            if group not in self.groups.uncertain:
                continue  # it was read meanwhile: this older read may lack changes by refint
            # A newer entry is read again when a poll has reported it. If the group has moved, that
            # poll also reports which groups name it.
            if self.groups.stamp_of(entry) == group.reported_stamp:
                self.groups.set_members(group, entry, read_at_s)

    def _cached(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return a cached result, computed once until the contents change."""
        if key not in self._results:
            self._results[key] = compute()
        return cast("T", self._results[key])
