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
from mi_ldap.model import BETWEEN, Names, in_order
from mi_ldap.name_folding import MAX_TYPED
from mi_ldap.name_rules import PRIMARY, split_domain

MAX_REGEX = 500
MAX_CONDITION = MAX_TYPED
"""Characters of a pattern, a part of a name or a role."""

# Characters that Python and every directory match in the same way.
_LITERAL = re.compile(r"[A-Za-z0-9._@-]+")
# In the name a combining accent may follow the last letter of a part (a decomposed `é`), and
# directories match the two as one character.
_LAST_LETTER = re.compile(r"[A-Za-z]\Z")
# Python folds `ß` to `ss`, directories do not.
_SHARP_S = re.compile(r"ss", re.IGNORECASE)


Condition = Callable[[Names, Sequence[int]], Sequence[int]]
"""Maps positions of names, ascending, to those of the names that meet the condition."""

Test = Callable[[Sequence[str]], Iterable[bool]]
"""Returns for each text whether it meets a condition."""

# If at most one of so many names can match, searching the joined text of all is faster.
_SPARSE = 16

_MAX_NEEDLES = 3
"""Number of the longest literal parts of a pattern that are searched for in the joined text."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The result of a query.

    Attributes:
        names: one page of names, sorted.
        total: the number of names on all pages.
        complete: False if the directory returned only a part of its names.
    """

    names: tuple[str, ...]
    total: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Query:
    """The conditions of a list; empty ones are ignored, and all others must be met.

    Attributes:
        pattern: matches the whole name, ignoring case; `*` is any number of characters, `?` one.
        search_key: a part of the name, ignoring case.
        regex: an RE2 expression (linear time), unanchored, case-sensitive.
        role: the name of a role that the users have.
        limit: the maximum number of names.
        offset: the number of names to skip.
        domains: the domains of the secondary user stores, in capitals. A pattern without a domain
            is compared with the names without theirs.
    """

    pattern: str = ""
    search_key: str = ""
    regex: str = ""
    role: str = ""
    limit: int | None = None
    offset: int | None = None
    domains: tuple[str, ...] = ()

    def select(self, names: Names) -> Selection:
        """Return the page of the names that meet the conditions.

        Raises:
            BadRequest: `regex` is not a valid expression.
        """
        sorted_names = names if names.folded is not None else in_order(names.names)
        positions: Sequence[int] = range(len(sorted_names.names))
        for condition in filter(None, (self._by_pattern(), self._by_part(), self._by_regex())):
            positions = condition(sorted_names, positions)
        start = self.offset or 0
        end = None if self.limit is None else start + self.limit
        return Selection(
            _names_at(positions[start:end], sorted_names.names), len(positions), names.complete
        )

    @property
    def like(self) -> str | None:
        """A pattern that matches at least the selected names in a directory; None for all names.

        If `pattern` has a domain, it is a pattern of that domain, `"WSO2.COM/*ob*"`. With no
        secondary stores no domain leads it.
        """
        domain = split_domain(self.pattern, (PRIMARY, *self.domains))[0] if self.domains else ""
        return f"{domain}/{self._literal_part or '*'}" if domain else self._literal_part

    @property
    def _literal_part(self) -> str | None:
        parts = [self.search_key] if self.search_key else re.split(r"[*?]+", self.pattern)
        plain = [part for part in parts if _LITERAL.fullmatch(part)]
        literals = [
            each.strip("sS")
            for part in plain
            for each in _SHARP_S.split(_LAST_LETTER.sub("", part))
        ]
        longest = max(literals, key=len, default="")
        if not longest:
            return None
        # Where the names begin with it, a database can use its index.
        begins = not self.search_key and self.pattern.startswith(longest)
        return f"{longest}*" if begins else f"*{longest}*"

    @property
    def is_paged(self) -> bool:
        return self.limit is not None or self.offset is not None

    def _by_pattern(self) -> Condition | None:
        # Several `*` in a row match the same as one, but make the expression slower.
        wanted = re.sub(r"\*+", "*", self.pattern.casefold())
        domain, rest = split_domain(wanted, (PRIMARY, *self.domains))
        of_primary = domain == PRIMARY
        if of_primary or (self.domains and not domain and wanted not in ("", "*")):
            return _without_domains(rest, self.domains, of_primary=of_primary)
        return _pattern_condition(wanted)

    def _by_part(self) -> Condition | None:
        return _containing_part(self.search_key.casefold()) if self.search_key else None

    def _by_regex(self) -> Condition | None:
        if not self.regex:
            return None
        if len(self.regex) > MAX_REGEX:
            raise BadRequest(f"'regex' is longer than {MAX_REGEX}.")
        matches = _regex_test(self.regex, "regex")
        return lambda names, positions: _filter(matches, positions, names.names)


def _names_at(positions: Sequence[int], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names at the positions; without a copy if these are all positions."""
    if isinstance(positions, range):
        return names[positions.start : positions.stop]
    return tuple(names[at] for at in positions)


def _filter(test: Test, positions: Sequence[int], texts: tuple[str, ...]) -> Sequence[int]:
    return [*compress(positions, test(_names_at(positions, texts)))]


def _simple_condition(pieces: list[str]) -> Condition | None:
    """Return a condition without a regular expression for the frequent patterns, else None.

    Args:
        pieces: the parts between the `*`: `["bob"]`, `["b", ""]`, `["", "b"]` or `["", "o", ""]`.
    """
    match pieces:
        case [whole]:
            # The names are sorted by their casefolds, so a bisection finds equal ones and prefixes.
            return _by_sort_key(whole, lambda fold: fold)
        case [first, ""]:
            return _by_sort_key(first, lambda fold: fold[: len(first)])
        case ["", last]:
            return _containing(
                [last.encode() + BETWEEN], lambda folds: [fold.endswith(last) for fold in folds]
            )
        case ["", part, ""]:
            return _containing_part(part)
    return None


def _without_domains(wanted: str, domains: Iterable[str], *, of_primary: bool) -> Condition:
    """Return the condition, for all positions, that names match once their domains are removed.

    Args:
        wanted: the pattern, a casefold.
        domains: of the secondary stores.
        of_primary: whether only names of the primary store meet the condition.
    """
    prefixes = [f"{domain}/".casefold() for domain in domains]
    matches = _pattern_condition(wanted) if wanted else _no_names

    def condition(names: Names, positions: Sequence[int]) -> Sequence[int]:
        # The names are sorted, so those of a domain are consecutive.
        ranges = [_range_of(prefix, names.folded or ()) for prefix in prefixes]
        found = matches(names, positions) if matches else positions
        found = [at for at in found if not any(at in each for each in ranges)]
        for each, prefix in zip(ranges, prefixes, strict=True):
            if not of_primary and matches:
                bare = _without_prefix(names, each, len(prefix))
                found += [each.start + at for at in matches(bare, range(len(each)))]
        return sorted(found)

    return condition


def _range_of(prefix: str, folded: Sequence[str]) -> range:
    """Return the positions of the texts that begin with the prefix; the texts are sorted."""
    return range(
        bisect_left(folded, prefix), bisect_right(folded, prefix, key=lambda f: f[: len(prefix)])
    )


def _without_prefix(names: Names, wanted: range, size: int) -> Names:
    part = slice(wanted.start, wanted.stop)
    folded = tuple(fold[size:] for fold in (names.folded or ())[part])
    return Names(tuple(name[size:] for name in names.names[part]), folded=folded)


def _no_names(names: Names, positions: Sequence[int]) -> Sequence[int]:
    return ()


def _pattern_condition(wanted: str) -> Condition | None:
    """Return the condition that the whole casefold matches the pattern; None if all do."""
    if wanted in ("", "*"):
        return None
    simple = _simple_condition(wanted.split("*")) if "?" not in wanted else None
    return simple or _glob_condition(wanted)


def _glob_test(wanted: str) -> Test:
    """Return the test whether a pattern matches a whole text."""
    pieces = re.split(r"(\*|\?)", wanted)
    meaning = "".join(_PIECES.get(piece, re2.escape(piece)) for piece in pieces if piece)
    return _regex_test(rf"(?s)\A{meaning}\z", "pattern")


def _glob_condition(wanted: str) -> Condition:
    # With the separators, the first and last part also match only at the ends of a name.
    bounded = BETWEEN + wanted.encode() + BETWEEN
    needles = {*re.split(rb"[*?]", bounded)} - {b"", BETWEEN}
    return _containing(sorted(needles, key=len)[-_MAX_NEEDLES:], _glob_test(wanted))


def _containing_part(part: str) -> Condition:
    return _containing([part.encode()], lambda folds: [part in fold for fold in folds])


def _by_sort_key(text: str, key: Callable[[str], str]) -> Condition:
    """Return the condition that the key of the casefold equals `text`; keys must be sorted."""

    def condition(names: Names, positions: Sequence[int]) -> Sequence[int]:
        folded = names.folded or ()
        start = bisect_left(folded, text, key=key)
        stop = bisect_right(folded, text, start, key=key)
        return positions[bisect_left(positions, start) : bisect_left(positions, stop)]

    return condition


def _containing(needles: list[bytes], test: Test) -> Condition:
    """Return the condition that a casefold passes a test that implies that it has all needles."""

    def condition(names: Names, positions: Sequence[int]) -> Sequence[int]:
        folded = names.folded or ()
        for needle in needles:
            # The joined text has all names, so it helps only while no condition has excluded any.
            if len(positions) == len(folded):
                positions = _narrow(needle, names, positions)
        return _filter(test, positions, folded)

    return condition


def _narrow(needle: bytes, names: Names, positions: Sequence[int]) -> Sequence[int]:
    """Return the positions of names that contain the needle; `positions` if there are many."""
    at_most = len(positions) // _SPARSE
    # Stops at the limit: with many matches, testing each name is faster.
    found = [*islice(_find_positions(needle, names), at_most + 1)]
    return found if len(found) <= at_most else positions


def _find_positions(needle: bytes, names: Names) -> Iterator[int]:
    """Yield the positions of names in whose casefold, or just before it, the needle begins."""
    text, at, line, counted = names.text, 0, -1, 0
    while (at := text.find(needle, at)) >= 0:
        line += text.count(BETWEEN, counted, at + 1)
        yield line
        at = counted = text.find(BETWEEN, at + 1)


def _regex_test(expression: str, what: str) -> Test:
    """Return a test by an RE2 expression, which ends with the request's deadline."""
    search = _compiled(expression).search

    def matches(text: str) -> bool:
        if remaining_s() <= 0:
            raise BadRequest(f"'{what}' takes too long.")
        return search(text) is not None

    return lambda texts: map(matches, texts)


_PIECES = {"*": ".*", "?": "."}


def _compiled(expression: str) -> re2._Regexp[str]:
    options = re2.Options()
    # RE2 would print each invalid expression of a client on stderr.
    options.log_errors = False
    # RE2 rejects expressions that need more bytes than this when they are compiled.
    options.max_mem = 1 << 20
    try:
        return re2.compile(expression, options)
    except re2.error:
        raise BadRequest("'regex' is not a valid RE2 expression.") from None
