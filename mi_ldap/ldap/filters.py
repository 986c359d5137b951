"""Search filters (RFC 4515) as trees of conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

_ESCAPED: Final = re.compile(rb"\\([0-9A-Fa-f]{2})")
_ITEM: Final = re.compile(
    r"(?P<attribute>[^=~<>:()]*)(?P<dn>:dn)?(?::(?P<rule>[^:=()]+))?"
    r"(?P<operator>:=|~=|>=|<=|=)(?P<value>[^()]*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One condition, such as `(memberOf=cn=x,dc=y)`.

    Attributes:
        attribute: in lower case, without options.
        rule: the matching rule of an extensible match, `""` for none.
        value: as written, with its escapes; `*` stands for any text.
        text: the whole condition as written.
    """

    attribute: str
    operator: str
    value: str
    rule: str = ""
    text: str = field(default="", compare=False)

    @property
    def unescaped_value(self) -> str:
        """The value without its escapes."""
        return unescape(self.value).decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Combination:
    """Conditions joined by AND or OR, or one that is negated."""

    operator: Literal["&", "|", "!"]
    parts: tuple[Filter, ...]


Filter = Item | Combination


def parse(text: str) -> Filter:
    """Parse a filter.

    Raises:
        ValueError: the text is not a filter.
    """
    found, end = _parse_at(text, _skip_space(text, 0))
    if _skip_space(text, end) != len(text):
        raise ValueError(f"not a search filter: {text}")
    return found


def unescape(text: str) -> bytes:
    """Return a value, or a part of one, without its escapes (RFC 4515 §3)."""
    return _ESCAPED.sub(lambda code: bytes([int(code[1], 16)]), text.encode())


def text_of(tree: Filter) -> str:
    """Return the filter as a text, its conditions as they were written."""
    if isinstance(tree, Item):
        return tree.text
    return f"({tree.operator}{''.join(map(text_of, tree.parts))})"


def items(tree: Filter) -> tuple[Item, ...]:
    """Return all conditions of the filter, each once."""
    return tuple(dict.fromkeys(_items(tree)))


def evaluate(tree: Filter, is_true: Callable[[Item], bool]) -> bool:
    """Whether the filter is true, given the result of each condition."""
    if isinstance(tree, Item):
        return is_true(tree)
    truths = (evaluate(part, is_true) for part in tree.parts)
    match tree.operator:
        case "&":
            return all(truths)
        case "|":
            return any(truths)
        case "!":
            return not next(truths)


def _items(tree: Filter) -> Iterator[Item]:
    if isinstance(tree, Item):
        yield tree
        return
    for part in tree.parts:
        yield from _items(part)


def _parse_at(text: str, at: int) -> tuple[Filter, int]:
    """Parse the filter that begins at an index; return it and the index behind it."""
    if text[at : at + 1] != "(":
        raise ValueError(f"not a search filter: {text}")
    at = _skip_space(text, at + 1)
    operator = text[at : at + 1]
    if operator not in ("&", "|", "!"):
        return _item_at(text, at)
    parts = []
    at = _skip_space(text, at + 1)
    while text[at : at + 1] == "(":
        part, at = _parse_at(text, at)
        parts.append(part)
        at = _skip_space(text, at)
    if text[at : at + 1] != ")" or (operator == "!" and len(parts) != 1):
        raise ValueError(f"not a search filter: {text}")
    return Combination(operator, tuple(parts)), at + 1  # type: ignore[arg-type]


def _item_at(text: str, at: int) -> tuple[Item, int]:
    found = _ITEM.match(text, at)
    if not found or text[found.end() : found.end() + 1] != ")":
        raise ValueError(f"not a search filter: {text}")
    attribute = found["attribute"].strip().partition(";")[0].lower()
    rule = (found["rule"] or "").strip()
    item = Item(attribute, found["operator"], found["value"], rule, f"({found[0]})")
    return item, found.end() + 1


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
