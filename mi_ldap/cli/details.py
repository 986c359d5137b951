"""Output of what a Micro Integrator answers: any JSON, because its versions differ."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from mi_ldap.cli import output
from mi_ldap.cli.options import Options

_LABELS: Final = {"url": "URL", "wsdl1_1": "WSDL 1.1", "wsdl2_0": "WSDL 2.0"}


def label_of(key: str) -> str:
    """Return the key as words: `isActive` as `Is active`."""
    return _LABELS.get(key) or re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", key).capitalize()


def lines_of(value: Any) -> list[str]:
    """Return a value as lines: a list has one for each item, an object one for each key."""
    if isinstance(value, list):
        return [_line(each) for each in value]
    if isinstance(value, dict):
        return [f"{key}: {text_of(each)}" for key, each in value.items()]
    return text_of(value).replace("\r\n", "\n").split("\n")


def text_of(value: Any) -> str:
    """Return a value on one line, unless it is a text of several lines."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(csv_value(value))


def csv_value(value: Any) -> object:
    """Return a value for a cell of CSV; lists of texts as the other commands write them."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ";".join(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


def _line(value: Any) -> str:
    return ", ".join(lines_of(value)) if isinstance(value, dict) else text_of(value)


def show_entries(
    options: Options, content: Any, columns: tuple[str, ...], entries: list[dict[str, Any]]
) -> None:
    """Print a list; the table has no columns for keys that all entries lack."""
    known = [key for key in columns if not entries or any(key in each for each in entries)]
    options.show(
        content,
        columns,
        ([csv_value(each.get(key)) for key in columns] for each in entries),
        lambda: output.show_table(
            [label_of(key).upper() for key in known],
            ([text_of(each.get(key)) for key in known] for each in entries),
        ),
    )


def show_details(options: Options, details: dict[str, Any]) -> None:
    """Print an object: a label and the lines of its value for each key."""
    lines: dict[str, list[str]] = {}
    for key, value in details.items():
        # Two keys may have the same label, such as `Status` and `status`.
        lines.setdefault(label_of(key), []).extend(lines_of(value))
    options.show(
        details,
        list(details),
        [[csv_value(each) for each in details.values()]],
        lambda: output.show_details(lines),
    )
