"""Names in the order in which they are listed, with what is searched in them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from mi_ldap.model import Names, casefolded, in_order, shared


class SortedNames:
    """Each name once, sorted without case, ties by code point.

    What comes and goes is put in its place when they are asked for.
    """

    def __init__(self) -> None:
        self._shown = Names((), folded=())
        self._changed: dict[str, bool] = {}

    def fill(self, names: Iterable[str]) -> None:
        """Hold these names and no others; quicker than one by one."""
        self._shown = in_order(names)
        self._changed.clear()

    def add(self, name: str) -> None:
        """Hold the name too."""
        self._changed[name] = True

    def discard(self, name: str) -> None:
        """Hold the name no more."""
        self._changed[name] = False

    def shown(self) -> Names:
        """All of them; the same object until one is added or goes."""
        if self._changed:
            self._shown = _changed(self._shown, self._changed)
            self._changed.clear()
        return self._shown


def _changed(before: Names, changed: dict[str, bool]) -> Names:
    """The names before, with those that came (True) and without those that went (False)."""
    names: list[str] = []
    folded: list[str] = []
    done = 0
    for name in in_order(changed).names:
        at, is_there = _place(before, name)
        came = [name] if changed[name] else []
        names += (*before.names[done:at], *came)
        folded += (*(before.folded or ())[done:at], *map(casefolded, came))
        done = at + is_there
    names += before.names[done:]
    folded += (before.folded or ())[done:]
    listed = tuple(names)
    return Names(listed, folded=shared(tuple(folded), listed))


def _place(names: Names, name: str) -> tuple[int, bool]:
    """Where the name belongs, and whether it is there."""
    folded, fold = names.folded or (), casefolded(name)
    at = bisect_left(folded, fold)
    while at < len(folded) and folded[at] == fold and names.names[at] < name:
        at += 1
    return at, at < len(folded) and names.names[at] == name
