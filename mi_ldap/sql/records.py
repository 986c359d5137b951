"""Users and roles as rows of the tables, and what the service stores with them.

The service stores its own data as rows of `UM_USER_ATTRIBUTE` in the profile `mi_ldap`. MI does not
change these rows, and deletes them with the user.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from mi_ldap import account_state
from mi_ldap.model import EntryId, Role, User, entry_id
from mi_ldap.sql.database_errors import UserIdUnusable
from mi_ldap.sql.names import ANONYMOUS
from mi_ldap.sql.passwords import StoredPassword

PROFILE: Final = "mi_ldap"

STATE: Final = "epoch"
"""The account state, see `mi_ldap.account_state`."""

CUSTODIAN: Final = "custodian"
"""The id of the custodian."""

MARK_PREFIX: Final = "first_admin:"
"""See `mark_name`."""

PENDING_PASSWORD: Final = "pending_password"  # noqa: S105 - the name of an attribute
PENDING_SALT: Final = "pending_salt"
"""The password of an unfinished user: MI must not let the user log in before it is finished."""

UNREAD: Final = "unread"
"""The revision of roles that were read as a user's roles: `Unchanged` always fails for them.

The members of each role would have to be counted, and no decision depends on them.
"""

_MUST_CHANGE_AFTER: Final = timedelta(hours=24)
_USER, _ROLE = "user/", "role/"


@dataclass(slots=True)
class UserRecord:
    """A row of `UM_USER` with its attributes in the service's profile.

    Attributes:
        key: `UM_ID`.
        id: `UM_USER_ID`; in the old layout `UM_ID` as text.
        attributes: names and values in the profile `mi_ldap`.
    """

    key: int
    id: str
    name: str
    password: StoredPassword
    require_change: bool
    changed_time: datetime | str | None
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.attributes.get(STATE, "")

    @property
    def custodian_id(self) -> EntryId | None:
        return entry_id(self.attributes.get(CUSTODIAN))

    @property
    def is_unfinished(self) -> bool:
        return self.state.startswith(account_state.UNFINISHED)

    @property
    def is_shown(self) -> bool:
        """Whether reads return the user."""
        return not self.is_unfinished and self.name != ANONYMOUS

    @property
    def has_id(self) -> bool:
        return bool(self.id.strip())

    @property
    def pending(self) -> StoredPassword | None:
        """The password that the user gets when its creation is finished."""
        value = self.attributes.get(PENDING_PASSWORD)
        return None if value is None else StoredPassword(value, self.attributes.get(PENDING_SALT))

    def must_change(self) -> bool:
        """Whether MI would refuse the login because the password was set for one day only."""
        if not self.require_change:
            return False
        # A time that Python cannot represent, such as MySQL's 0000-00-00, must not extend validity.
        if not isinstance(self.changed_time, datetime):
            return True
        return self.changed_time < now() - _MUST_CHANGE_AFTER

    def user(self) -> User:
        """Return the user for the services.

        Raises:
            UserIdUnusable: the id is blank.
        """
        if not self.has_id:
            raise UserIdUnusable
        state, custodian_id = self.state, self.custodian_id
        appointment = account_state.appointment(state)
        return User(
            id=EntryId(self.id),
            name=self.name,
            locator=f"{_USER}{self.key}",
            revision=state,
            epoch=account_state.digest(state, _fingerprint(self.password), str(self.changed_time)),
            custodian_id=custodian_id,
            appointment=appointment or (account_state.ADOPTED if custodian_id else ""),
            busy=account_state.is_busy(state),
            unfinished=self.is_unfinished,
        )


def revision_of(member_count: int, last_key: int | None) -> str:
    """Return the revision of a role, from the number of its members and their largest `UM_ID`."""
    # Every row gets a larger `UM_ID` than all before. So whatever any client adds or removes, the
    # pair differs from every earlier one, unless the members are the same rows again.
    return f"{member_count}/{last_key or 0}"


def role_of(key: int, name: str, revision: str = UNREAD) -> Role:
    """Return a role for the services."""
    return Role(EntryId(str(key)), name, f"{_ROLE}{key}", revision)


def user_locator(key: int) -> str:
    """Return the locator of the user with that `UM_ID`."""
    return f"{_USER}{key}"


def user_key(user: User) -> int | None:
    """Return the `UM_ID` of a user; None if the user is not of this store."""
    return _key(user.locator, _USER)


def role_key(role: Role) -> int | None:
    """Return the `UM_ID` of a role; None if the role is not of this store."""
    return _key(role.locator, _ROLE)


def mark_name(role_key: int) -> str:
    """Return the name of the attribute that marks a role: it has had a first admin.

    Its value is the id of the first admin. All members of the role have it, so that it is not lost
    when MI deletes one of them.
    """
    return f"{MARK_PREFIX}{role_key}"


def now() -> datetime:
    """Return the time for `UM_CHANGED_TIME`, which is without a zone: local, as MI writes it."""
    return datetime.now()  # noqa: DTZ005


def records_of(rows: Iterable[Mapping[str, Any]], *, has_uuid: bool) -> list[UserRecord]:
    """Return the users of an outer join of users and attributes, in the order of the rows."""
    found: dict[int, UserRecord] = {}
    for row in rows:
        key = row["um_id"]
        record = found.get(key)
        if record is None:
            record = found[key] = UserRecord(
                key=key,
                id=row["um_user_id"] if has_uuid else str(key),
                name=row["um_user_name"],
                password=StoredPassword(row["um_user_password"], row["um_salt_value"]),
                require_change=bool(row["um_require_change"]),
                changed_time=row["um_changed_time"],
            )
        if row["um_attr_name"] is not None:
            record.attributes[row["um_attr_name"]] = row["um_attr_value"] or ""
    return list(found.values())


def _key(locator: str, prefix: str) -> int | None:
    digits = locator.removeprefix(prefix)
    return int(digits) if locator.startswith(prefix) and digits.isdigit() else None


def _fingerprint(password: StoredPassword) -> str:
    """Return some bits of a digest of the stored password, which change with it.

    Tokens contain a digest of the result. With all bits, whoever has a token could test guesses of
    the password of a user that another tool created without a salt.
    """
    return hashlib.sha256("\0".join((password.value, password.salt or "")).encode()).hexdigest()[:5]
