"""What MI does in the tables, by its own statements."""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.sql.stores import Place

TENANT = -1234


@dataclass(frozen=True, slots=True)
class Mi:
    """A Micro Integrator at the same database."""

    place: Place

    def add_user(self, name: str, password: str, *, salted: bool = True) -> str:
        """Create a user; return its UUID."""
        user_id = str(uuid.uuid4())
        value, salt = _stored(password, salted=salted)
        self.place.execute(
            "INSERT INTO UM_USER (UM_USER_ID, UM_USER_NAME, UM_USER_PASSWORD, UM_SALT_VALUE, "
            "UM_REQUIRE_CHANGE, UM_CHANGED_TIME, UM_TENANT_ID) "
            "VALUES (:id, :name, :value, :salt, FALSE, :now, :tenant)",
            id=user_id,
            name=name,
            value=value,
            salt=salt,
            now=_now(),
            tenant=TENANT,
        )
        return user_id

    def set_password(
        self, name: str, password: str, *, require_change: bool = False, age_h: float = 0
    ) -> None:
        value, salt = _stored(password, salted=True)
        self.place.execute(
            "UPDATE UM_USER SET UM_USER_PASSWORD = :value, UM_SALT_VALUE = :salt, "
            "UM_REQUIRE_CHANGE = :required, UM_CHANGED_TIME = :changed WHERE UM_USER_NAME = :name",
            value=value,
            salt=salt,
            required=require_change,
            changed=_now(timedelta(hours=-age_h)),
            name=name,
        )

    def can_log_in(self, name: str, password: str) -> bool:
        found = self.place.query(
            "SELECT UM_USER_PASSWORD, UM_SALT_VALUE FROM UM_USER WHERE UM_USER_NAME = :name",
            name=name,
        )
        return any(value == _digest(password, salt or "") for value, salt in found)

    def delete_user(self, name: str) -> None:
        named = "(SELECT UM_ID FROM UM_USER WHERE UM_USER_NAME = :name)"
        self.place.execute(
            f"DELETE FROM UM_USER_ROLE WHERE UM_USER_ID IN {named}",  # noqa: S608
            f"DELETE FROM UM_USER_ATTRIBUTE WHERE UM_USER_ID IN {named}",  # noqa: S608
            "DELETE FROM UM_USER WHERE UM_USER_NAME = :name",
            name=name,
        )

    def add_role(self, name: str) -> None:
        self.place.execute(
            "INSERT INTO UM_ROLE (UM_ROLE_NAME, UM_TENANT_ID) VALUES (:name, :tenant)",
            name=name,
            tenant=TENANT,
        )

    def assign(self, role: str, user: str) -> None:
        self.place.execute(
            "INSERT INTO UM_USER_ROLE (UM_USER_ID, UM_ROLE_ID, UM_TENANT_ID) "
            "SELECT U.UM_ID, R.UM_ID, U.UM_TENANT_ID FROM UM_USER U, UM_ROLE R "
            "WHERE U.UM_USER_NAME = :user AND R.UM_ROLE_NAME = :role",
            user=user,
            role=role,
        )

    def revoke(self, role: str, user: str) -> None:
        self.place.execute(
            "DELETE FROM UM_USER_ROLE WHERE "
            "UM_USER_ID IN (SELECT UM_ID FROM UM_USER WHERE UM_USER_NAME = :user) AND "
            "UM_ROLE_ID IN (SELECT UM_ID FROM UM_ROLE WHERE UM_ROLE_NAME = :role)",
            user=user,
            role=role,
        )


def _stored(password: str, *, salted: bool) -> tuple[str, str | None]:
    salt = base64.b64encode(secrets.token_bytes(16)).decode() if salted else None
    return _digest(password, salt or ""), salt


def _digest(password: str, salt: str) -> str:
    return base64.b64encode(hashlib.sha256((password + salt).encode()).digest()).decode()


def _now(offset: timedelta = timedelta()) -> datetime:
    return (datetime.now() + offset).replace(microsecond=0)  # noqa: DTZ005 - as MI writes it
