"""Lists of names: the view that a URL asks for, and the page that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from flask import request, url_for

from mi_ldap.services.queries import MAX_CONDITION, Query, Selection

SIZES = (25, 50, 100)


@dataclass(frozen=True, slots=True)
class ListView:
    """The parameters of a list, as its URL has them.

    Attributes:
        endpoint: the endpoint of the list's page.
        name: the role whose members are listed; `""` for all users or all roles.
        q: a part of the names.
        role: only users who have this role.
        page: counted from 1.
        size: rows of a page.
        where: the parameters of the endpoint's path.
    """

    endpoint: str
    name: str = ""
    q: str = ""
    role: str = ""
    descending: bool = False
    page: int = 1
    size: int = SIZES[0]
    where: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_request(cls, endpoint: str, name: str = "") -> Self:
        """Return the parameters of this request's URL; wrong values are ignored."""
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
            where=request.view_args or {},
        )

    @property
    def query(self) -> Query:
        return Query(search_key=self.q, role=self.role)

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.role)

    def url(self, **changes: object) -> str:
        """Return the URL of this list with some parameters changed; defaults are left out."""
        other = replace(self, **changes)  # type: ignore[arg-type]
        parameters: dict[str, Any] = {
            "name": other.name,
            "q": other.q,
            "role": other.role,
            "sort": "-name" if other.descending else "",
            "page": other.page if other.page > 1 else "",
            "size": other.size if other.size != SIZES[0] else "",
            **other.where,
        }
        return url_for(f"console.{self.endpoint}", **{key: v for key, v in parameters.items() if v})

    def url_in_reverse_order(self) -> str:
        return self.url(descending=not self.descending, page=1)

    def url_without_conditions(self) -> str:
        """Return the URL of this list without its conditions."""
        return self.url(q="", role="", page=1)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list.

    Attributes:
        names: those of the page, in the order of the list.
        number: of the page, counted from 1.
        last: the number of the last page.
        first_shown: the place of the first name in the whole list, from 1; 0 for an empty page.
        total: names on all pages.
        complete: False if the directory refused to return all names.
    """

    names: tuple[str, ...]
    number: int
    last: int
    first_shown: int
    total: int
    complete: bool


def page_of(view: ListView, selection: Selection) -> Page:
    """Return the page that the view asks for, or the last one if there are fewer."""
    last = max(1, -(-selection.total // view.size))  # rounded up
    number = min(view.page, last)
    # Names are sorted already, so the other order costs no comparisons.
    names = selection.names[::-1] if view.descending else selection.names
    start = (number - 1) * view.size
    shown = names[start : start + view.size]
    first = start + 1 if shown else 0
    return Page(shown, number, last, first, selection.total, selection.complete)
