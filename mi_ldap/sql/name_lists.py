"""Long lists of names, read as one text.

A driver makes objects of each row: of 100,000 rows that takes longer than the query itself. So the
database joins the names, and Python splits them.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

_SEPARATOR: Final = "\x1f"  # ASCII's unit separator


def fetch_names(connection: Connection, query: Select[Any]) -> tuple[str, ...]:
    """Return the values of a query of one column of texts, unsorted."""
    names = query.subquery()
    (column,) = names.c
    length = func.length if connection.dialect.name == "sqlite" else func.char_length
    joined = select(
        func.aggregate_strings(column, _SEPARATOR), func.count(), func.sum(length(column))
    )
    text, count, length_of_all = connection.execute(joined).one()
    if not count:
        return ()
    found = tuple((text or "").split(_SEPARATOR))
    # A name may contain the separator, and a database may cut the text (MySQL's
    # max_allowed_packet). Then the rows are read one by one.
    if len(found) == count and len(text or "") == length_of_all + count - 1:
        return found
    return tuple(connection.scalars(query))
