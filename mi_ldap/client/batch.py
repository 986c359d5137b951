"""Making many users, a few at a time; what is there already is completed, so a run can go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mi_ldap.client.api import Json, ManagementApi
from mi_ldap.client.errors import NotAllowed, Refused
from mi_ldap.client.http import MOST_AT_ONCE
from mi_ldap.client.people import Person, Result
from mi_ldap.errors import RoleNotFound
from mi_ldap.model import folded, full_role_name, without_primary

Answer = TypeVar("Answer")
_PASSING: Final = {409, 429, 503}
_ATTEMPTS: Final = 4
_LONGEST_WAIT_S: Final = 15


@dataclass(frozen=True, slots=True)
class Batch:
    """How people become users.

    Args:
        api: the service; threads share it.
        admin_role: what makes an admin of somebody who is a user already.
        stopped: set when nobody waits for the rest any longer.
    """

    api: ManagementApi
    admin_role: str = "admin"
    stopped: threading.Event = field(default_factory=threading.Event)

    def carried_out(self, people: Sequence[Person]) -> Iterator[Result]:
        """The results, in the order of the people.

        Raises:
            ClientError: what would fail for all others as well: no connection, no login.
        """
        pool = ThreadPoolExecutor(MOST_AT_ONCE)
        try:
            yield from pool.map(self._one, people)
        finally:
            self.stopped.set()
            pool.shutdown(cancel_futures=True)

    def foreseen(self, people: Sequence[Person]) -> Iterator[Result]:
        """Yield what an import would do with each line, as far as it can be known beforehand.

        Names and passwords of existing users are not checked: an import does not change them.
        """
        users, _ = self.api.users()
        names = {folded(entry["userId"]) for entry in users["list"]}
        found, complete = self.api.roles()
        roles = {folded(entry["role"]) for entry in found["list"]}
        rules = self.api.rules()
        for each in people:
            exists = folded(without_primary(each.user)) in names
            why = _missing_role(each, roles) if complete else ""
            if not exists:
                why = rules.why_refused(each.user, each.password) or why
            outcome = "failed" if why else "exists" if exists else "new"
            yield Result(each.line, each.user, outcome, why)

    def _one(self, person: Person) -> Result:
        outcome = ""
        try:
            outcome = self._made(person)
            if self._complete(person, is_new=outcome == "added") and outcome == "exists":
                outcome = "completed"
        except (Refused, NotAllowed) as error:
            begun = f"The user {'was added' if outcome == 'added' else 'exists'}; its roles: "
            return Result(person.line, person.user, "failed", f"{begun if outcome else ''}{error}")
        return Result(person.line, person.user, outcome)

    def _made(self, person: Person) -> str:
        try:
            self._patiently(
                lambda: self.api.add_user(person.user, person.password, is_admin=person.is_admin)
            )
        except Refused as error:
            # The contract's words; there is no status of its own for it.
            if error.status == 400 and str(error).endswith(" already exists."):
                return "exists"
            raise
        return "added"

    def _complete(self, person: Person, *, is_new: bool) -> bool:
        """Give what is missing; whether anything was."""
        roles = list(person.roles)
        if not is_new:
            found = self._patiently(lambda: self.api.user(person.user))
            roles = _missing(person, found, self.admin_role)
        if roles:
            self._patiently(lambda: self.api.change_roles(person.user, add=roles))
        return bool(roles)

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Once more where the service says that it is a matter of time."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return ask()
            except Refused as error:
                wait_s = min(error.retry_after_s or 1, _LONGEST_WAIT_S)
                if error.status not in _PASSING or self.stopped.wait(wait_s):
                    raise
        return ask()


def _missing_role(person: Person, known: Set[str]) -> str:
    """Return the service's error for the first role that does not exist, or `""`."""
    for role in person.roles:
        if folded(full_role_name(role)) not in known:
            return str(RoleNotFound(full_role_name(role)))
    return ""


def _missing(person: Person, found: Json, admin_role: str) -> list[str]:
    # How names compare, the service knows: to be given a role twice is no error.
    roles = [role for role in person.roles if role not in found["roles"]]
    if person.is_admin and found.get("isAdmin") is not True:
        roles.append(admin_role)
    return roles
