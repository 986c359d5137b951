"""The import of many users, some at a time; existing ones get the roles that they lack."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mi_ldap.client.api import ManagementApi
from mi_ldap.client.csv_import import Person, Result
from mi_ldap.client.errors import AlreadyExists, NotAllowed, Refused
from mi_ldap.client.http import MAX_CONNECTIONS
from mi_ldap.client.session import Json
from mi_ldap.errors import RoleNotFound
from mi_ldap.name_folding import folded

T = TypeVar("T")
_TEMPORARY: Final = {409, 429, 503}
_ATTEMPTS: Final = 4
_MAX_WAIT_S: Final = 15


@dataclass(frozen=True, slots=True)
class Batch:
    """Creates the users of a CSV file.

    Args:
        api: the service; shared by the threads.
        admin_role: the role to assign to existing users that the file makes admins.
        stopped: set when the import is aborted, so that threads stop waiting for a retry.
    """

    api: ManagementApi
    admin_role: str = "admin"
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, people: Sequence[Person]) -> Iterator[Result]:
        """Create the users; yield the result of each line, in order.

        Raises:
            ClientError: an error that concerns all lines: no connection, no login.
        """
        pool = ThreadPoolExecutor(MAX_CONNECTIONS)
        try:
            yield from pool.map(self._import_line, people)
        finally:
            self.stopped.set()
            # After an error the lines that have not begun are dropped.
            pool.shutdown(cancel_futures=True)

    def dry_run_results(self, people: Sequence[Person]) -> Iterator[Result]:
        """Yield what an import would do with each line, without changing anything."""
        users, _ = self.api.users()
        names = {folded(entry["userId"]) for entry in users["list"]}
        found, complete = self.api.all_roles()
        roles = {folded(entry["role"]) for entry in found["list"]}
        rules = self.api.rules()
        for each in people:
            name = self.api.qualified_user(each.user)
            exists = folded(name) in names
            why = self._missing_role(each, roles) if complete else ""
            if not exists:  # an import does not change names and passwords of existing users
                why = rules.why_refused(name, each.password, is_admin=each.is_admin) or why
            outcome = "failed" if why else "exists" if exists else "new"
            yield Result(each.line, each.user, outcome, why)

    def _import_line(self, person: Person) -> Result:
        outcome = ""
        try:
            outcome = self._create(person)
            if self._assign_missing(person, is_new=outcome == "added") and outcome == "exists":
                outcome = "completed"
        except (Refused, NotAllowed) as error:
            done_so_far = (
                f"The user {'was created' if outcome == 'added' else 'exists'}; its roles: "
            )
            return Result(
                person.line, person.user, "failed", f"{done_so_far if outcome else ''}{error}"
            )
        return Result(person.line, person.user, outcome)

    def _create(self, person: Person) -> str:
        try:
            self._with_retries(
                lambda: self.api.create_user(person.user, person.password, is_admin=person.is_admin)
            )
        except AlreadyExists:
            return "exists"
        return "added"

    def _assign_missing(self, person: Person, *, is_new: bool) -> bool:
        """Assign the roles that the user lacks; return whether there were any."""
        roles = list(person.roles)
        if not is_new:
            found = self._with_retries(lambda: self.api.user(person.user))
            roles = self._missing(person, found)
        if roles:
            self._with_retries(lambda: self.api.change_roles(person.user, assign=roles))
        return bool(roles)

    def _with_retries(self, send: Callable[[], T]) -> T:
        """Send a request; send it again, after a pause, while the service is unavailable."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return send()
            except Refused as error:
                # Never as long as a Retry-After of minutes: the import gives up before.
                wait_s = min(error.retry_after_s or 1, _MAX_WAIT_S)
                if error.status not in _TEMPORARY or self.stopped.wait(wait_s):
                    raise
        return send()

    def _missing_role(self, person: Person, known: Set[str]) -> str:
        """Return the service's error for the first role that does not exist, or `""`."""
        for role in map(self.api.qualified_role, person.roles):
            if folded(role) not in known:
                return str(RoleNotFound(role))
        return ""

    def _missing(self, person: Person, found: Json) -> list[str]:
        # Exact comparison is enough: assigning a role that the user has already is not an error.
        held = found["roles"]
        roles = [role for role in person.roles if self.api.qualified_role(role) not in held]
        if person.is_admin and found.get("isAdmin") is not True:
            roles.append(self.admin_role)
        return roles
