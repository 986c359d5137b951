"""Conditions on lists of names: patterns, substrings, RE2 expressions, pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import compress

import re2

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import BadRequest
from mi_ldap.model import Names, in_order

MAX_REGEX = 500

_PLAIN = re.compile(r"[A-Za-z0-9._@-]+")


Test = Callable[[Names], list[bool]]
"""Which of the names, which are in order, meet a condition."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a query selected: the page of names, how many there are on all pages."""

    names: tuple[str, ...]
    total: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What a client asked for; an empty condition is none, all others must hold.

    Attributes:
        pattern: over the whole name, without case; `*` any run, `?` one character.
        search_key: a part of the name, without case.
        regex: an RE2 expression (linear time), unanchored, case-sensitive.
        role: users who hold it.
        limit: at most so many names, from `offset` on.
    """

    pattern: str = ""
    search_key: str = ""
    regex: str = ""
    role: str = ""
    limit: int | None = None
    offset: int | None = None

    def select(self, names: Names) -> Selection:
        """The names that meet the conditions, sorted, and the page of them that is wanted.

        Raises:
            BadRequest: the expression is none.
        """
        listed = names if names.folded is not None else in_order(names.names)
        chosen = listed.names
        tests = [test for test in (self._by_pattern(), self._by_part(), self._by_regex()) if test]
        if tests:
            fits = [test(listed) for test in tests]
            all_fit = fits[0] if len(fits) == 1 else map(all, zip(*fits, strict=True))
            chosen = tuple(compress(chosen, all_fit))
        start = self.offset or 0
        end = None if self.limit is None else start + self.limit
        return Selection(chosen[start:end], len(chosen), names.complete)

    @property
    def like(self) -> str | None:
        """A wildcard that every matching name meets too, for the directory; None: ask for all.

        Only letters on which directory and Python surely agree are handed on.
        """
        parts = [self.search_key] if self.search_key else re.split(r"[*?]+", self.pattern)
        longest = max(parts, key=len, default="")
        return f"*{longest}*" if _PLAIN.fullmatch(longest) else None

    @property
    def is_paged(self) -> bool:
        return self.limit is not None or self.offset is not None

    def _by_pattern(self) -> Test | None:
        wanted = re.sub(r"\*+", "*", self.pattern.casefold())
        if wanted in ("", "*"):
            return None
        quick = _without_expression(wanted.split("*")) if "?" not in wanted else None
        return quick or _by_expression(wanted)

    def _by_part(self) -> Test | None:
        return _with_part(self.search_key.casefold()) if self.search_key else None

    def _by_regex(self) -> Test | None:
        if not self.regex:
            return None
        if len(self.regex) > MAX_REGEX:
            raise BadRequest(f"Error processing the request. 'regex' is longer than {MAX_REGEX}.")
        search = _compiled(self.regex).search

        def matches(name: str) -> bool:
            if remaining_s() <= 0:
                raise BadRequest("Error processing the request. 'regex' takes too long.")
            return search(name) is not None

        return lambda names: [matches(name) for name in names.names]


def _without_expression(pieces: list[str]) -> Test | None:
    """What is mostly asked for: a whole name, a beginning, an end, a part."""
    match pieces:
        case [whole]:
            return lambda names: [fold == whole for fold in _folded(names)]
        case [first, ""]:
            return lambda names: [fold.startswith(first) for fold in _folded(names)]
        case ["", last]:
            return lambda names: [fold.endswith(last) for fold in _folded(names)]
        case ["", part, ""]:
            return _with_part(part)
    return None


def _by_expression(wanted: str) -> Test:
    pieces = re.split(r"(\*|\?)", wanted)
    meaning = "".join(_PIECES.get(piece, re2.escape(piece)) for piece in pieces if piece)
    matches = _compiled(rf"(?s)\A{meaning}\z").search
    return lambda names: [matches(fold) is not None for fold in _folded(names)]


def _with_part(part: str) -> Test:
    return lambda names: [part in fold for fold in _folded(names)]


def _folded(names: Names) -> tuple[str, ...]:
    return names.folded or ()


_PIECES = {"*": ".*", "?": "."}


def _compiled(expression: str) -> re2._Regexp[str]:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(expression, options)
    except re2.error:
        raise BadRequest(
            "Error processing the request. 'regex' is not a valid RE2 expression."
        ) from None
