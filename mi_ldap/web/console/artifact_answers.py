"""Parsing of the answers of Micro Integrators, which are not trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mi_ldap.errors import NodeFailed, NotFound
from mi_ldap.web.console.artifact_kinds import Kind
from mi_ldap.web.console.visible_text import visible_line

Json = Mapping[str, Any]

_MOST_TEXT: Final = 100_000
_MOST_ROWS: Final = 1_000
_MOST_DEPTH: Final = 6
_COUNT: Final = re.compile(rb'\s*\{\s*"count"\s*:\s*(\d{1,9})\s*[,}]')

# The key of the state, and of the property in lists, differs between kinds of artifacts.
_STATES: Final = ("status", "isActive", "isRunning")
_TYPES: Final = ("type", "protocol", "Size", "version", "componentName", "url", "container")


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact in a list.

    Attributes:
        name: as the Micro Integrator has it.
        type: of a template `"sequence"` or `"endpoint"`, without which its name is ambiguous; of a
            faulty application `"faulty"`; else `""`.
        about: a further property that the list shows, `""` for none.
        state: `"active"`, `"inactive"` or another word of the Micro Integrator, `""` if unknown.
        tracing: `"enabled"`, `"disabled"`, or `""` if unknown.
        statistics: the same values.
        level: the level of a logger; else `""`.
    """

    name: str
    type: str = ""
    about: str = ""
    state: str = ""
    tracing: str = ""
    statistics: str = ""
    level: str = ""

    @property
    def has_state(self) -> bool:
        """Whether its state, tracing, statistics or level is known."""
        return bool(
            self.state or self.tracing or self.statistics or self.level or self.type == "faulty"
        )

    @classmethod
    def of(cls, kind: Kind, item: Json, name: str, type_: str = "") -> Artifact:
        """Return the artifact that an item of a list, or the answer with its details, describes."""
        return cls(
            name,
            type_,
            about=next((_word(item[key]) for key in _TYPES if item.get(key) not in (None, "")), ""),
            state=next((_state(item[key]) for key in _STATES if item.get(key) is not None), ""),
            tracing=_word(item.get("tracing", "")),
            statistics=_word(item.get("stats", item.get("statistics", ""))),
            level=_word(item.get("level", "")) if kind.name == "logging" else "",
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the details: a key with a text, or a heading for the rows below it.

    Attributes:
        depth: 0 for a key of the artifact itself.
        key: as the Micro Integrator has it.
        text: the value; `""` for a heading.
        is_long: whether it is shown as a block.
    """

    depth: int
    key: str
    text: str
    is_long: bool = False


def parse_object(node: str, body: bytes) -> Json:
    """Return the JSON object of an answer.

    Raises:
        NodeFailed: the body is not a JSON object.
    """
    try:
        found = json.loads(body.decode())  # `loads` would accept surrogates in bytes
        if b"\\u" in body:
            # A lone surrogate is valid JSON, but cannot be encoded as UTF-8 for a page.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise invalid_answer(node) from None
    if not isinstance(found, dict):
        raise invalid_answer(node)
    return found


def artifacts_of(node: str, kind: Kind, answer: Json) -> list[Artifact]:
    """Return the artifacts of a list.

    Raises:
        NodeFailed: the answer is no list of artifacts.
    """
    found = []
    for type_, item in items_of(node, kind, answer):
        name = item.get(kind.name_key)
        if not isinstance(name, str):
            raise invalid_answer(node)
        found.append(Artifact.of(kind, item, name, type_))
    return found


def items_of(node: str, kind: Kind, answer: Json) -> Iterator[tuple[str, Json]]:
    """Yield the items of a list, each with its type: of a template, or `"faulty"`.

    Raises:
        NodeFailed: the answer is no list of artifacts.
    """
    for key, type_ in _LISTS.get(kind.name, (("list", ""),)):
        items = answer.get(key)
        if not isinstance(items, list):
            raise invalid_answer(node)
        for item in items:
            if not isinstance(item, dict):
                raise invalid_answer(node)
            yield type_, item


_LISTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "applications": (("activeList", ""), ("faultyList", "faulty")),
    "templates": (("sequenceTemplateList", "sequence"), ("endpointTemplateList", "endpoint")),
}


def count_of(node: str, kind: Kind, start: bytes) -> int | None:
    """Return the number of artifacts; None if the first bytes of the answer do not have it."""
    if found := _COUNT.match(start):
        return int(found[1])
    try:
        return sum(1 for _ in items_of(node, kind, parse_object(node, start)))
    except NodeFailed:  # the answer is longer than these bytes, or not a list
        return None


def error_of(body: bytes) -> str:
    """Return the message of an error answer, `""` if it has none."""
    try:
        found = json.loads(body)
        sentence = found.get("Error") if isinstance(found, dict) else None
        if not isinstance(sentence, str):
            return ""
        return visible_line(sentence[:500]).encode().decode()  # no lone surrogates
    except (ValueError, RecursionError):
        return ""


def refused_by_node(node: str, status: int, body: bytes) -> NodeFailed:
    """Return the error for an answer with an error status, with the node's message."""
    said = error_of(body)
    return NodeFailed(f"The Micro Integrator {node} answered {status}. {said}".strip())


def missing_artifact(node: str, kind: Kind, name: str) -> NotFound:
    """Return the error for an artifact that the node does not have."""
    return NotFound(f"The Micro Integrator {node} has no {kind.one} {name[:240]}.")


def rows_of(answer: Json) -> list[Row]:
    """Return the details of an artifact, nested objects below their keys; at most 1,000 rows."""
    rows: list[Row] = []
    for row in _rows(answer, 0):
        if len(rows) == _MOST_ROWS:
            rows.append(Row(0, "…", "The Micro Integrator sent more, which is not shown."))
            break
        rows.append(row)
    return rows


def _rows(value: Json, depth: int) -> Iterator[Row]:
    for key, each in value.items():
        yield from _rows_of_value(str(key), each, depth)


def _rows_of_value(key: str, value: object, depth: int) -> Iterator[Row]:
    if depth < _MOST_DEPTH and isinstance(value, dict) and value:
        yield Row(depth, key, "")
        yield from _rows(value, depth + 1)
    elif isinstance(value, list) and value and all(_is_plain(each) for each in value):
        yield _row(depth, key, ", ".join(map(_word, value)))
    elif depth < _MOST_DEPTH and isinstance(value, list) and value:
        yield Row(depth, key, "")
        for number, each in enumerate(value, 1):
            yield from _rows_of_value(str(number), each, depth + 1)
    else:
        yield _row(depth, key, _word(value))


def _row(depth: int, key: str, text: str) -> Row:
    return Row(depth, key, text or "–", is_long=key == "configuration" or "\n" in text.strip())


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict | list)


def _word(value: object) -> str:
    if value in (None, [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else _dumped(value)
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"


def _dumped(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"


def _state(value: object) -> str:
    if isinstance(value, bool):
        return "active" if value else "inactive"
    return _word(value).lower()


def invalid_answer(node: str) -> NodeFailed:
    """Return the error for an answer that is not valid."""
    return NodeFailed(f"The Micro Integrator {node} gave no valid answer.")


def matching(artifacts: Sequence[Artifact], searched: str) -> list[Artifact]:
    """Return the artifacts whose name contains the text, sorted by name."""
    wanted = searched.casefold()
    found = [each for each in artifacts if wanted in each.name.casefold()]
    return sorted(found, key=lambda each: (each.name.casefold(), each.name, each.type))
