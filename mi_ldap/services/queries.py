"""Conditions on lists of names: patterns, substrings, RE2 expressions, pages."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, islice

import re2

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import BadRequest
from mi_ldap.model import BETWEEN, MAX_TYPED, Names, in_order

MAX_REGEX = 500
MAX_CONDITION = MAX_TYPED
"""Characters of a pattern, a part of a name or a role."""

_PLAIN = re.compile(r"[A-Za-z0-9._@-]+")
_LAST = re.compile(r"[A-Za-z]\Z")
_SHARP_S = re.compile(r"ss", re.IGNORECASE)


Condition = Callable[[Names, Sequence[int]], Sequence[int]]
"""Which of the names at some places meet it, by their places; both are in order."""

Test = Callable[[Sequence[str]], Iterable[bool]]
"""Whether each of the texts meets a condition."""

_FEW = 16
"""Where at most one name in so many is wanted, it is found sooner in the text of all."""

_TRIED = 3
"""So many parts of a pattern are looked for, the longest ones: one may be in few names."""


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
        places: Sequence[int] = range(len(listed.names))
        for condition in filter(None, (self._by_pattern(), self._by_part(), self._by_regex())):
            places = condition(listed, places)
        start = self.offset or 0
        end = None if self.limit is None else start + self.limit
        return Selection(_at(places[start:end], listed.names), len(places), names.complete)

    @property
    def like(self) -> str | None:
        """A wildcard that every matching name meets too, for the directory; None: ask for all.

        Only letters that Python and every directory match in the same way are used. The last letter
        of a part is left out: in the name a combining accent may follow it (a decomposed `é`), and
        directories match the two as one character. So is `ss`: Python folds `ß` to it, directories
        do not.
        """
        parts = [self.search_key] if self.search_key else re.split(r"[*?]+", self.pattern)
        plain = [part for part in parts if _PLAIN.fullmatch(part)]
        sure = [each.strip("sS") for part in plain for each in _SHARP_S.split(_LAST.sub("", part))]
        longest = max(sure, key=len, default="")
        return f"*{longest}*" if longest else None

    @property
    def is_paged(self) -> bool:
        return self.limit is not None or self.offset is not None

    def _by_pattern(self) -> Condition | None:
        wanted = re.sub(r"\*+", "*", self.pattern.casefold())
        if wanted in ("", "*"):
            return None
        quick = _without_expression(wanted.split("*")) if "?" not in wanted else None
        return quick or _by_expression(wanted)

    def _by_part(self) -> Condition | None:
        return _with_part(self.search_key.casefold()) if self.search_key else None

    def _by_regex(self) -> Condition | None:
        if not self.regex:
            return None
        if len(self.regex) > MAX_REGEX:
            raise BadRequest(f"Error processing the request. 'regex' is longer than {MAX_REGEX}.")
        matches = _searching(self.regex, "regex")
        return lambda names, places: _meeting(matches, places, names.names)


def _at(places: Sequence[int], names: tuple[str, ...]) -> tuple[str, ...]:
    """The names there; no copy where that is all of them."""
    if isinstance(places, range):
        return names[places.start : places.stop]
    return tuple(names[at] for at in places)


def _meeting(test: Test, places: Sequence[int], texts: tuple[str, ...]) -> Sequence[int]:
    return [*compress(places, test(_at(places, texts)))]


def _without_expression(pieces: list[str]) -> Condition | None:
    """What is mostly asked for: a whole name, a beginning, an end, a part."""
    match pieces:
        case [whole]:
            return _sorted_as(whole, lambda fold: fold)
        case [first, ""]:
            return _sorted_as(first, lambda fold: fold[: len(first)])
        case ["", last]:
            return _holding(
                [last.encode() + BETWEEN], lambda folds: [fold.endswith(last) for fold in folds]
            )
        case ["", part, ""]:
            return _with_part(part)
    return None


def _by_expression(wanted: str) -> Condition:
    pieces = re.split(r"(\*|\?)", wanted)
    meaning = "".join(_PIECES.get(piece, re2.escape(piece)) for piece in pieces if piece)
    bounded = BETWEEN + wanted.encode() + BETWEEN
    needles = {*re.split(rb"[*?]", bounded)} - {b"", BETWEEN}
    return _holding(
        sorted(needles, key=len)[-_TRIED:], _searching(rf"(?s)\A{meaning}\z", "pattern")
    )


def _with_part(part: str) -> Condition:
    return _holding([part.encode()], lambda folds: [part in fold for fold in folds])


def _sorted_as(text: str, key: Callable[[str], str]) -> Condition:
    """Names whose casefolds have the text for their key, by which they are in order too."""

    def condition(names: Names, places: Sequence[int]) -> Sequence[int]:
        folded = names.folded or ()
        start = bisect_left(folded, text, key=key)
        stop = bisect_right(folded, text, start, key=key)
        return places[bisect_left(places, start) : bisect_left(places, stop)]

    return condition


def _holding(needles: list[bytes], test: Test) -> Condition:
    """Names whose casefolds meet a test; where one does, all needles are in the text there."""

    def condition(names: Names, places: Sequence[int]) -> Sequence[int]:
        folded = names.folded or ()
        for needle in needles:
            if len(places) == len(folded):
                places = _found(needle, names, places)
        return _meeting(test, places, folded)

    return condition


def _found(needle: bytes, names: Names, places: Sequence[int]) -> Sequence[int]:
    """Where the names are that hold the needle; all the places where there are many of them."""
    few = len(places) // _FEW
    found = [*islice(_places_of(needle, names), few + 1)]
    return found if len(found) <= few else places


def _places_of(needle: bytes, names: Names) -> Iterator[int]:
    """Where the names are in whose text the needle begins, or just before it."""
    text, at, line, counted = names.text, 0, -1, 0
    while (at := text.find(needle, at)) >= 0:
        line += text.count(BETWEEN, counted, at + 1)
        yield line
        at = counted = text.find(BETWEEN, at + 1)


def _searching(expression: str, what: str) -> Test:
    """Whether each matches; that is asked as long as the request may last."""
    search = _compiled(expression).search

    def matches(text: str) -> bool:
        if remaining_s() <= 0:
            raise BadRequest(f"Error processing the request. '{what}' takes too long.")
        return search(text) is not None

    return lambda texts: map(matches, texts)


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
