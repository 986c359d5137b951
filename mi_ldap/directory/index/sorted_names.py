"""Names in the order in which they are listed, with what is searched in them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from mi_ldap.model import Names, casefolded, in_order


class SortedNames:
    """Each name once, sorted without case, ties by code point."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._folded: list[str] = []
        self._shown: Names | None = None

    def fill(self, names: Iterable[str]) -> None:
        """Hold these names and no others; quicker than one by one."""
        self._shown = in_order(names)
        self._names, self._folded = list(self._shown.names), list(self._shown.folded or ())

    def add(self, name: str) -> None:
        """Hold the name too."""
        at, is_there = self._place(name)
        if not is_there:
            self._names.insert(at, name)
            self._folded.insert(at, casefolded(name))
            self._shown = None

    def discard(self, name: str) -> None:
        """Hold the name no more."""
        at, is_there = self._place(name)
        if is_there:
            del self._names[at]
            del self._folded[at]
            self._shown = None

    def shown(self) -> Names:
        """All of them; the same object until one is added or goes."""
        if self._shown is None:
            self._shown = Names(tuple(self._names), folded=tuple(self._folded))
        return self._shown

    def _place(self, name: str) -> tuple[int, bool]:
        fold = casefolded(name)
        at = bisect_left(self._folded, fold)
        while at < len(self._folded) and self._folded[at] == fold and self._names[at] < name:
            at += 1
        return at, at < len(self._names) and self._names[at] == name
