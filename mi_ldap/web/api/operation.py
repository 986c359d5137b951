"""What the tables of operations are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from marshmallow import Schema

Problems = Mapping[int, tuple[Exception | str, ...]]
"""By status the errors, or their sentences, that are examples of it."""

Security = Literal["none", "password", "token"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes with 200.

    Attributes:
        about: one line.
        schema: of the body; None where it is empty.
        examples: bodies by their name.
        may_be_cut: whether the directory may refuse to give everything.
    """

    about: str
    schema: Schema | None = None
    examples: Mapping[str, object] = field(default_factory=dict)
    may_be_cut: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path.

    Attributes:
        path: with its parameters in braces, `"/management/users/{id}"`.
        about: what the summary can't say; Markdown.
        security: what it takes to call it.
        body, query: the schemas that validate what is sent.
        sent: bodies that are examples, by their name.
        in_domain: whether `?domain=` names the user store.
        problems: what may go wrong besides what goes wrong everywhere.
    """

    method: str
    path: str
    tag: str
    summary: str
    answer: Answer
    about: str = ""
    security: Security = "token"
    body: Schema | None = None
    sent: Mapping[str, object] = field(default_factory=dict)
    query: Schema | None = None
    in_domain: bool = False
    problems: Problems = field(default_factory=dict)


def together(*several: Problems) -> Problems:
    """All of them, each once."""
    statuses = sorted({status for problems in several for status in problems})
    return {
        status: tuple(
            {str(each): each for problems in several for each in problems.get(status, ())}.values()
        )
        for status in statuses
    }
