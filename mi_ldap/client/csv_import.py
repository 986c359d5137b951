"""CSV files of new users: `user,password,admin,roles`, roles separated by `;`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from mi_ldap.client.errors import FileError
from mi_ldap.client.text import csv_line, unescape_formula
from mi_ldap.name_folding import folded
from mi_ldap.name_rules import EVERYONE, full_role_name, without_primary

_COLUMNS: Final = ("user", "password", "admin", "roles")
_NEEDED: Final = ("user", "password")
_REPORT: Final = ("line", "user", "error")
_YES: Final = {"true", "yes", "y", "1"}
_NO: Final = {"false", "no", "n", "0", ""}


@dataclass(frozen=True, slots=True)
class Person:
    """A valid line: a user to create."""

    line: int
    user: str
    password: str = field(repr=False)
    is_admin: bool
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a line.

    Attributes:
        line: its number, from 1.
        user: its name, as in the file.
        outcome: `"new"`, `"added"`, `"exists"`, `"completed"` or `"failed"`.
        error: the sentence if it failed, else `""`.
    """

    line: int
    user: str
    outcome: str
    error: str = ""


def read_lines(path: Path) -> list[Person | Result]:
    """Return the lines of the file in order; invalid ones as `Result`.

    Raises:
        FileError: the file cannot be read, or is not such a CSV file.
    """
    try:
        # Spreadsheets write a byte order mark at the beginning.
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_without_duplicates(_lines(file, path)))
    except OSError as error:
        raise FileError(f"{path} can't be read: {(error.strerror or 'error').lower()}.") from None
    except UnicodeDecodeError:
        raise FileError(f"{path} is not valid UTF-8: save it in UTF-8.") from None


def write_failed_lines(path: Path, failed: Iterable[Result]) -> None:
    """Write the failed lines and their errors, without passwords, with mode 0600.

    Raises:
        OSError: the file cannot be written.
    """
    from mi_ldap.files import write_private

    rows = ([str(each.line), each.user, each.error] for each in failed)
    write_private(path, "".join(map(csv_line, [_REPORT, *rows])).encode())


def remove_failed_lines(path: Path) -> bool:
    """Delete the file that an earlier run wrote; return whether there was one.

    Raises:
        OSError: the file cannot be read or deleted.
    """
    heading = csv_line(_REPORT).encode()
    if not path.is_file() or not path.read_bytes().startswith(heading):
        return False
    path.unlink()
    return True


def _lines(file: IO[str], path: Path) -> Iterator[Person | Result]:
    # Without `strict` an unbalanced quote would join lines silently.
    reader = csv.reader(file, strict=True)
    # A quoted cell may span several lines; errors name the first one.
    line = 1
    try:
        columns = _columns(next(reader, []), path)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _person(line, columns, cells)
            line = reader.line_num + 1
    except csv.Error:
        raise FileError(f"{path}: line {line} is not valid CSV: check its quotes.") from None


def _columns(heading: list[str], path: Path) -> list[str]:
    columns = [name.strip().lower() for name in heading]
    unknown = [name for name in columns if name not in _COLUMNS]
    missing = [name for name in _NEEDED if name not in columns]
    if unknown or missing or len(set(columns)) < len(columns):
        raise FileError(
            f"{path}: the first line must name the columns, separated by commas: "
            f"{','.join(_COLUMNS)}; the last two may be left out."
        )
    return columns


def _person(line: int, columns: list[str], cells: list[str]) -> Person | Result:
    row = dict(zip(columns, cells, strict=False))
    user = unescape_formula(row.get("user", "").strip())
    if len(cells) > len(columns):
        return Result(line, user, "failed", "The line has more cells than there are columns.")
    if not user or not row.get("password"):
        return Result(line, user, "failed", "The user or the password is missing.")
    admin = row.get("admin", "").strip().lower()
    if admin not in _YES | _NO:
        return Result(line, user, "failed", "The column admin is neither true nor false.")
    return Person(line, user, row["password"], admin in _YES, tuple(_roles(row.get("roles", ""))))


def _roles(cell: str) -> Iterator[str]:
    """Yield the roles of a cell, except `Internal/everyone`, which every user has."""
    for role in unescape_formula(cell).split(";"):
        if role.strip() and full_role_name(role) != EVERYONE:
            yield role.strip()


def _without_duplicates(lines: Iterator[Person | Result]) -> Iterator[Person | Result]:
    """Reject further lines for a user."""
    # They may have another password: the order of the requests would decide which one is set.
    seen: dict[str, int] = {}
    for each in lines:
        first = seen.setdefault(folded(without_primary(each.user)), each.line)
        if isinstance(each, Person) and first != each.line:
            yield Result(each.line, each.user, "failed", f"The same user is on line {first}.")
        else:
            yield each
