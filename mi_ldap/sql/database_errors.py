"""Translation of the errors of SQLAlchemy and of drivers into errors of `mi_ldap.errors`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchTableError,
    SQLAlchemyError,
    StatementError,
)

from mi_ldap.errors import (
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    IdUnreadable,
    ReadOnlyStore,
)

log = structlog.get_logger()

_NO_TABLES = (
    "The database lacks tables, or the service's account cannot read them. "
    "Create missing ones with: mi-ldap database create."
)

_BAD_ID = "UM_USER_ID of this user is empty or not unique. Correct it in the database."

# Codes as `code_of` returns them.
_REPEATABLE = frozenset({"40001", "40P01", 1213, 1020})
"""A deadlock or a serialization failure: the database has rolled the transaction back."""

_DENIED = frozenset({"42501", 1142, 1143, 1227, "SQLITE_READONLY"})
_STANDBY = frozenset({"25006", 1290, 1792, 1836})
_NO_TABLE = frozenset({"42P01", "42703", 1146, 1054})
_NOT_STORABLE = frozenset({"22P05", "22021", "22001", 1267, 1366, 1406, 3854, 3988})


class DatabaseUnavailable(DirectoryUnavailable):
    """The database cannot be reached, or did not answer in time."""

    def __init__(self, message: str = "The database cannot be reached. Try again later.") -> None:
        super().__init__(message)


class Repeatable(DatabaseUnavailable):
    """The transaction was rolled back; the same transaction may succeed when it is tried again."""


class ConnectionLost(Repeatable):
    """The connection was lost before the transaction was committed."""


class UserIdUnusable(IdUnreadable):
    """The id of a user is blank, or several users have it."""

    def __init__(self) -> None:
        super().__init__("UM_USER_ID", _BAD_ID)


class NotStorable(BadRequest):
    """The database cannot store or compare a text."""

    def __init__(self) -> None:
        super().__init__("The name is not allowed: the database cannot store it.", "name")


class Duplicate(Conflict):
    """A unique index or a foreign key refused the change."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise every error of SQLAlchemy and of a driver in the block as one of `mi_ldap.errors`."""
    try:
        yield
    except SQLAlchemyError as error:
        raise translation(error) from error


def translation(error: SQLAlchemyError) -> Exception:
    """Return the error of the service for an error of SQLAlchemy."""
    if isinstance(error, NoSuchTableError):
        return DatabaseUnavailable(_NO_TABLES)
    if not isinstance(error, DBAPIError):
        return NotStorable() if _is_encoding(error) else _unavailable(error)
    if error.connection_invalidated:
        _log(error)
        return ConnectionLost()
    if isinstance(error, IntegrityError):
        return Duplicate()
    return _by_code(error)


def _by_code(error: DBAPIError) -> Exception:
    code = code_of(error)
    if code in _REPEATABLE or code in _STANDBY:  # the next attempt is on another host
        return Repeatable()
    if code in _NOT_STORABLE or isinstance(error, DataError):
        return NotStorable()
    if code in _NO_TABLE or "no such table" in str(error.orig):
        return DatabaseUnavailable(_NO_TABLES)
    if code not in _DENIED:
        return _unavailable(error)
    _log(error)
    return ReadOnlyStore()


def is_standby(error: BaseException | None) -> bool:
    """Whether the database refused a change because it is a standby or read-only."""
    return isinstance(error, DBAPIError) and code_of(error) in _STANDBY


def code_of(error: DBAPIError) -> str | int | None:
    """Return PostgreSQL's SQLSTATE, the number of MariaDB and MySQL, or SQLite's name."""
    original = error.orig
    arguments = getattr(original, "args", ())
    # PyMySQL's errors have an SQLSTATE, too, but several numbers share one.
    if arguments and isinstance(arguments[0], int):
        return arguments[0]
    code = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    return str(code) if code else None


def _is_encoding(error: SQLAlchemyError) -> bool:
    return isinstance(error, StatementError) and isinstance(error.orig, UnicodeError)


def _unavailable(error: SQLAlchemyError) -> DatabaseUnavailable:
    _log(error)
    return DatabaseUnavailable()


def _log(error: SQLAlchemyError) -> None:
    # Without the SQL and its parameters, which contain names and digests of passwords.
    code = code_of(error) if isinstance(error, DBAPIError) else None
    original = getattr(error, "orig", None) or error
    text = str(original).splitlines()[0][:300] if str(original) else ""
    log.warning("database_error", kind=type(original).__name__, code=code, error=text)
