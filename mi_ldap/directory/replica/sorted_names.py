"""Names in the order of lists, with the text that searches run on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from mi_ldap.model import Names, casefolded, in_order, shared


class SortedNames:
    """A set of names, sorted without case, ties by code point.

    Additions and removals are applied when the names are read.
    """

    def __init__(self) -> None:
        self._shown = Names((), folded=())
        self._changed: dict[str, bool] = {}

    def fill(self, names: Iterable[str]) -> None:
        """Replace all names; faster than adding them one by one."""
        self._shown = in_order(names)
        self._changed.clear()

    def add(self, name: str) -> None:
        """Add a name."""
        self._changed[name] = True

    def discard(self, name: str) -> None:
        """Remove a name."""
        self._changed[name] = False

    def shown(self) -> Names:
        """Return all names; the same object until a name is added or removed."""
        if self._changed:
            self._shown = _with_changes(self._shown, self._changed)
            self._changed.clear()
        return self._shown


def _with_changes(before: Names, changed: dict[str, bool]) -> Names:
    """Return the names with the changes applied: True adds a name, False removes it."""
    names: list[str] = []
    folded: list[str] = []
    done = 0
    for name in in_order(changed).names:
        at, is_there = _position(before, name)
        added = [name] if changed[name] else []
        names += (*before.names[done:at], *added)
        folded += (*(before.folded or ())[done:at], *map(casefolded, added))
        done = at + is_there
    names += before.names[done:]
    folded += (before.folded or ())[done:]
    listed = tuple(names)
    return Names(listed, folded=shared(tuple(folded), listed))


def _position(names: Names, name: str) -> tuple[int, bool]:
    """Return the position of the name, and whether it is in the list."""
    folded, fold = names.folded or (), casefolded(name)
    at = bisect_left(folded, fold)
    while at < len(folded) and folded[at] == fold and names.names[at] < name:
        at += 1
    return at, at < len(folded) and names.names[at] == name
