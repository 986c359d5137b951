"""Conditions on lists of names: patterns, substrings, RE2 expressions, pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import re2

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import BadRequest
from mi_ldap.model import Names, sorted_names

MAX_REGEX = 500

_PLAIN = re.compile(r"[A-Za-z0-9._@-]+")


Test = Callable[[str], bool]


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
        tests = [test for test in (self._by_pattern(), self._by_part(), self._by_regex()) if test]
        matching = {name for name in names.names if all(test(name) for test in tests)}
        ordered = sorted_names(matching)
        start = self.offset or 0
        end = None if self.limit is None else start + self.limit
        return Selection(ordered[start:end], len(ordered), names.complete)

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
        if not self.pattern:
            return None
        pieces = re.split(r"(\*+|\?)", self.pattern.casefold())
        meaning = "".join(_PIECES.get(piece[:1], re2.escape(piece)) for piece in pieces if piece)
        expression = _compiled(rf"(?s)\A{meaning}\z")
        return lambda name: expression.search(name.casefold()) is not None

    def _by_part(self) -> Test | None:
        part = self.search_key.casefold()
        return (lambda name: part in name.casefold()) if part else None

    def _by_regex(self) -> Test | None:
        if not self.regex:
            return None
        if len(self.regex) > MAX_REGEX:
            raise BadRequest(f"Error processing the request. 'regex' is longer than {MAX_REGEX}.")
        expression = _compiled(self.regex)

        def matches(name: str) -> bool:
            if remaining_s() <= 0:
                raise BadRequest("Error processing the request. 'regex' takes too long.")
            return expression.search(name) is not None

        return matches


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
