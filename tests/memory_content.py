"""What the store in memory keeps, and what of it is shown."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, field

from mi_ldap.model import EntryId, Role, User
from mi_ldap.name_folding import folded

ABANDONED_AFTER_S = 60.0
ADOPTED = "adopted"


@dataclass
class Account:
    """A user as it is kept.

    Attributes:
        mark: replaced by `RenewEpoch`; the user's revision.
        password_changes: how often the password was set; part of the epoch, not of the revision.
        unfinished_since: when it was made (`time.time()`), until its epoch is renewed once.
        resetting_since: when its epoch was last renewed for a reset, until it is renewed again.
        closed: why a bind is refused although the password is right.
    """

    name: str
    id: EntryId = field(default_factory=lambda: EntryId(str(uuid.uuid4())))
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    password: str = ""
    password_changes: int = 0
    custodian_id: EntryId | None = None
    appointment: str = ""
    unfinished_since: float | None = field(default_factory=time.time)
    resetting_since: float | None = None
    enabled: bool = True
    must_change: bool = False
    closed: str = ""

    @property
    def is_unfinished(self) -> bool:
        return self.unfinished_since is not None

    @property
    def is_old(self) -> bool:
        return _age_s(self.unfinished_since) > ABANDONED_AFTER_S

    def set_custodian(self, custodian_id: EntryId | None, *, appoints: bool) -> None:
        """Give it another one, or none; that it had one is kept."""
        if appoints:
            self.appointment = secrets.token_hex(4)
        elif self.custodian_id or custodian_id:
            self.appointment = self.appointment or ADOPTED
        self.custodian_id = custodian_id

    def renew(self, *, for_reset: bool, keeps_mark: bool = False) -> None:
        """Give it another epoch."""
        self.mark = secrets.token_hex(8)
        if keeps_mark:
            return
        self.unfinished_since = None
        self.resetting_since = time.time() if for_reset else None


@dataclass
class Group:
    """A role as it is kept; members are locators, of roles too, whether there is one or not."""

    name: str
    members: set[str] = field(default_factory=set)
    id: EntryId = field(default_factory=lambda: EntryId(str(uuid.uuid4())))
    revision: int = 0
    first_admin_id: EntryId | None = None


@dataclass
class Content:
    """Everything that is kept, by locator."""

    users: dict[str, Account] = field(default_factory=dict)
    roles: dict[str, Group] = field(default_factory=dict)

    def roles_naming(self, locator: str) -> list[str]:
        """The roles that have it for a member themselves."""
        return [at for at, group in self.roles.items() if locator in group.members]

    def roles_in(self, locator: str) -> list[str]:
        """The roles within a role, directly and through others; in a circle not itself."""
        found: list[str] = []
        level = [locator]
        while level:
            members = {member for at in level for member in self.roles[at].members}
            level = sorted(members & self.roles.keys() - {locator, *found})
            found += level
        return found

    def membership_path(self, locator: str, role: str) -> list[str]:
        """The roles between a user and a role, the nearest first; none where it is its own."""
        ways = [[at] for at in self.roles_naming(locator)]
        seen: set[str] = set()
        while ways:
            for way in ways:
                if way[-1] == role:
                    return way[:-1]
            seen.update(way[-1] for way in ways)
            longer = [[*way, above] for way in ways for above in self.roles_naming(way[-1])]
            ways = [way for way in longer if way[-1] not in seen]
        return []


def user_locator(name: str) -> str:
    return f"user {folded(name)}"


def role_locator(name: str) -> str:
    return f"role {folded(name)}"


def as_user(locator: str, account: Account) -> User:
    unfinished_s, resetting_s = _age_s(account.unfinished_since), _age_s(account.resetting_since)
    return User(
        id=account.id,
        name=account.name,
        locator=locator,
        revision=account.mark,
        epoch=f"{account.mark}/{account.password_changes}",
        custodian_id=account.custodian_id,
        appointment=account.appointment or (ADOPTED if account.custodian_id else ""),
        enabled=account.enabled,
        unfinished=account.is_unfinished,
        busy=0 <= max(unfinished_s, resetting_s) <= ABANDONED_AFTER_S,
    )


def as_role(locator: str, group: Group) -> Role:
    return Role(group.id, group.name, locator, str(group.revision))


def _age_s(since_s: float | None) -> float:
    """The seconds since then, -1 for never."""
    return -1 if since_s is None else time.time() - since_s
