"""Many users from a CSV file: `user,password,admin,roles`, roles separated by `;`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from mi_ldap.client.errors import FileError
from mi_ldap.client.text import csv_line, restored
from mi_ldap.model import EVERYONE, folded, full_role_name, without_primary

_COLUMNS: Final = ("user", "password", "admin", "roles")
_NEEDED: Final = ("user", "password")
_REPORT: Final = ("line", "user", "error")
_YES: Final = {"true", "yes", "y", "1"}
_NO: Final = {"false", "no", "n", "0", ""}


@dataclass(frozen=True, slots=True)
class Person:
    """A line that can be carried out."""

    line: int
    user: str
    password: str = field(repr=False)
    is_admin: bool
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a line: `outcome` is a word, `error` a sentence where it failed."""

    line: int
    user: str
    outcome: str
    error: str = ""


def read_people(path: Path) -> list[Person | Result]:
    """The file's lines in order; a `Result` for each that can't be carried out.

    Raises:
        FileError: it can't be read, or isn't such a file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_without_twins(_lines(file, path)))
    except OSError as error:
        raise FileError(f"{path} can't be read: {(error.strerror or 'error').lower()}.") from None
    except UnicodeDecodeError:
        raise FileError(f"{path} is not in UTF-8: save it as such.") from None


def write_failures(path: Path, failed: Iterable[Result]) -> None:
    """What failed and why, without the passwords; for its owner only.

    Raises:
        OSError: it can't be written.
    """
    from mi_ldap.files import write_private

    rows = ([str(each.line), each.user, each.error] for each in failed)
    write_private(path, "".join(map(csv_line, [_REPORT, *rows])).encode())


def remove_failures(path: Path) -> bool:
    """What an earlier run wrote, and nothing else; whether there was such a file.

    Raises:
        OSError: it can't be read or removed.
    """
    heading = csv_line(_REPORT).encode()
    if not path.is_file() or not path.read_bytes().startswith(heading):
        return False
    path.unlink()
    return True


def _lines(file: IO[str], path: Path) -> Iterator[Person | Result]:
    reader = csv.reader(file, strict=True)
    # A line may go on over several: the first one is named.
    line = 1
    try:
        columns = _columns(next(reader, []), path)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _person(line, columns, cells)
            line = reader.line_num + 1
    except csv.Error:
        raise FileError(f"{path}: line {line} is no CSV: mind its quotes.") from None


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
    user = restored(row.get("user", "").strip())
    if len(cells) > len(columns):
        return Result(line, user, "failed", "The line has more cells than there are columns.")
    if not user or not row.get("password"):
        return Result(line, user, "failed", "The user or the password is missing.")
    admin = row.get("admin", "").strip().lower()
    if admin not in _YES | _NO:
        return Result(line, user, "failed", "The column admin is neither true nor false.")
    return Person(line, user, row["password"], admin in _YES, tuple(_roles(row.get("roles", ""))))


def _roles(cell: str) -> Iterator[str]:
    """Those that can be given: one is everybody's."""
    for role in restored(cell).split(";"):
        if role.strip() and full_role_name(role) != EVERYONE:
            yield role.strip()


def _without_twins(lines: Iterator[Person | Result]) -> Iterator[Person | Result]:
    """Of two lines for one user, which password is meant?"""
    seen: dict[str, int] = {}
    for each in lines:
        first = seen.setdefault(folded(without_primary(each.user)), each.line)
        if isinstance(each, Person) and first != each.line:
            yield Result(each.line, each.user, "failed", f"The user stands on line {first} too.")
        else:
            yield each
