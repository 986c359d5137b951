"""Making users and roles, and taking back what was made."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from mi_ldap.deadline import UNDO_S, deadline, remaining_s
from mi_ldap.directory import names, results
from mi_ldap.directory.changing import Changer, do_unless
from mi_ldap.directory.controls import assertion
from mi_ldap.directory.operations import Delete, Modification, Modify, Operation
from mi_ldap.directory.reading import Reader
from mi_ldap.directory.session import Refused
from mi_ldap.errors import (
    AmbiguousName,
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    MiLdapError,
    RoleExists,
    UserExists,
)
from mi_ldap.model import Role, User
from mi_ldap.store import RemoveUser, Unchanged

_NOT_FOUND_AGAIN = (
    "Error processing the request. The directory took the entry, but the configured filters do not "
    "find it."
)

_LAGS = (
    "The directory took the entry, but the replica that the service reads from does not show it "
    "yet: it lags, or its access rules hide new entries."
)

LAG_PAUSE_S: Final = 0.05
"""Between looks whether a replica has the entry by now."""

LAG_REST_S: Final = 1.0
"""With less than this left of the request's time it is said that the replica lags."""

Entity = TypeVar("Entity", User, Role)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes entries, as `UserStore` promises for `add_user`, `add_role` and `discard`."""

    reader: Reader
    changer: Changer

    def make_user(self, name: str) -> User:
        """A user without a password, whom no group names: nothing is left of a former life."""
        tree = self.reader.tree
        wanted = tree.new_user(name)
        try:
            self._add(wanted, UserExists(name))
            user = self._only_user(name, wanted.dn)
            self._take_everywhere(tree.member_value(user))
        except BaseException:
            self._withdraw(wanted.dn, wanted.attributes[tree.epoch][0])
            raise
        return user

    def make_role(self, name: str) -> Role:
        """An empty role, which no other role names: nothing is left of a former life."""
        wanted = self.reader.tree.new_role(name)
        self._add(wanted, RoleExists(name))
        role = self._found_again(lambda: self.reader.find_role(name), wanted.dn)
        if not self.reader.tree.shape.by_name:
            self._take_everywhere(role.locator)
        return role

    def discard(self, user: User) -> None:
        """Remove what was made, unless it is gone, or finished."""
        with suppress(Conflict):
            self.changer.apply((Unchanged(user), RemoveUser(user)))

    def _add(self, operation: Operation, exists: MiLdapError) -> None:
        with self.changer.session() as session:
            try:
                session.do(operation)
            except Refused as refused:
                if refused.code in results.EXISTS or results.is_duplicate(refused):
                    raise exists from refused
                raise

    def _only_user(self, name: str, dn: str) -> User:
        """The user just made, who must be the only one that the name finds."""
        try:
            return self._found_again(lambda: self.reader.find_user(name), dn)
        except AmbiguousName as error:
            raise UserExists(name) from error

    def _found_again(self, find: Callable[[], Entity | None], dn: str) -> Entity:
        """The entry just made, as soon as the server shows it.

        A replica that passes changes on to its provider (overlay chain) shows it only once it was
        replicated.

        Raises:
            BadRequest: the entry is there, and the filters do not find it.
            DirectoryUnavailable: it is not there within the request's time.
        """
        while True:
            found = find()
            if found is None and self.reader.exists(dn):
                found = find()  # it may have come in between
                if found is None:
                    raise BadRequest(_NOT_FOUND_AGAIN)
            if found is not None:
                return found
            if remaining_s() < LAG_REST_S:
                raise DirectoryUnavailable(_LAGS)
            time.sleep(LAG_PAUSE_S)

    def _take_everywhere(self, member: str) -> None:
        for role in self.reader.roles_naming([member]):
            if not role.is_dynamic:
                self._take_if_held(role, member)

    def _take_if_held(self, role: Role, value: str) -> None:
        tree = self.reader.tree
        member = Modification("delete", tree.member, (value,))
        with self.changer.session() as session:
            if tree.shape.wants_a_member:
                do_unless(session, tree.placeholder_in(role), results.EXISTS)
            gone = results.GONE | tree.profile.is_no_member
            do_unless(session, Modify(tree.target(role), (member,)), gone)

    def _withdraw(self, dn: str, mark: str) -> None:
        """Remove what this very request may have made, known by the mark in its epoch.

        The mark is random, so that no other entry has it, whatever stands at the DN by now. A
        replica that lags does not show the entry yet: where the server can, its provider compares.
        """
        ours = names.equals(self.reader.tree.epoch, mark)
        with (
            deadline(UNDO_S),
            suppress(Exception),
            self.changer.session() as session,
        ):
            if self.reader.tree.profile.asserts:
                session.do(Delete(dn), assertion(ours))
            elif session.read(dn, ours, ["1.1"]):
                session.do(Delete(dn))
