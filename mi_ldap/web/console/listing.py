"""Lists of names: what the address asks for, and the page of it that is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from flask import request, url_for

from mi_ldap.services.queries import MAX_CONDITION, Query, Selection

SIZES = (25, 50, 100)


@dataclass(frozen=True, slots=True)
class View:
    """What a list shows, as its address says it.

    Attributes:
        endpoint: the list's page.
        name: whose list it is, `""` where there is one of its kind.
        q: a part of the names.
        role: which the users hold.
        page: counted from 1.
    """

    endpoint: str
    name: str = ""
    q: str = ""
    role: str = ""
    descending: bool = False
    page: int = 1
    size: int = SIZES[0]

    @classmethod
    def of_request(cls, endpoint: str, name: str = "") -> Self:
        """What the address asks for; what it says wrongly is left out."""
        sent = request.args
        size = sent.get("size", SIZES[0], type=int)
        return cls(
            endpoint=endpoint,
            name=name,
            q=sent.get("q", "")[:MAX_CONDITION].strip(),
            role=sent.get("role", "")[:MAX_CONDITION],
            descending=sent.get("sort") == "-name",
            page=max(1, sent.get("page", 1, type=int)),
            size=size if size in SIZES else SIZES[0],
        )

    @property
    def query(self) -> Query:
        return Query(search_key=self.q, role=self.role)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.q or self.role)

    def address(self, **changes: object) -> str:
        """This list with something changed; what is as usual is left out."""
        other = replace(self, **changes)  # type: ignore[arg-type]
        said: dict[str, Any] = {
            "name": other.name,
            "q": other.q,
            "role": other.role,
            "sort": "-name" if other.descending else "",
            "page": other.page if other.page > 1 else "",
            "size": other.size if other.size != SIZES[0] else "",
        }
        return url_for(f"console.{self.endpoint}", **{key: v for key, v in said.items() if v})

    def sorted_otherwise(self) -> str:
        return self.address(descending=not self.descending, page=1)

    def everything(self) -> str:
        """This list without its conditions."""
        return self.address(q="", role="", page=1)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: its names, and where it lies among all."""

    names: tuple[str, ...]
    number: int
    last: int
    first_shown: int
    total: int
    complete: bool


def page_of(view: View, selection: Selection) -> Page:
    """The page that is wanted, or the last one there is."""
    last = max(1, -(-selection.total // view.size))
    number = min(view.page, last)
    names = selection.names[::-1] if view.descending else selection.names
    start = (number - 1) * view.size
    shown = names[start : start + view.size]
    first = start + 1 if shown else 0
    return Page(shown, number, last, first, selection.total, selection.complete)
