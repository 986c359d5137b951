"""Values of an answer as text: any JSON, because versions of MI have other keys and types."""

from __future__ import annotations

import json
import re
from typing import Any, Final

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
