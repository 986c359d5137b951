"""What the lists and the names in paths of all resources have in common."""

from __future__ import annotations

import gzip
import json
from typing import Final

from flask import Response, request

from mi_ldap import model
from mi_ldap.errors import DomainNotFound
from mi_ldap.services.queries import Selection

WORTH_COMPRESSING: Final = 4096
"""Bytes; less goes in as many packets either way."""


def listing(selection: Selection, key: str, *, paged: bool) -> Response:
    """`{"count": N, "list": [{key: name}, …]}`, with `total` where a page was asked for."""
    names, total = selection.names, f',"total":{selection.total}' if paged else ""
    # A hundred thousand objects for the encoder would take ten times as long as their names.
    between = f'}},{{"{key}":'
    listed = f"[{between[2:]}{json.dumps(names, separators=(between, ':'))[1:-1]}}}]"
    answer = f'{{"count":{len(names)},"list":{listed if names else "[]"}{total}}}\n'
    response = Response(answer, mimetype="application/json")
    return completeness(compressed(response), complete=selection.complete)


def compressed(response: Response) -> Response:
    """The answer with gzip where the client takes it and it is long; never what holds a secret."""
    body = response.get_data()
    if len(body) < WORTH_COMPRESSING:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(body, compresslevel=1, mtime=0))
        response.content_encoding = "gzip"
    return response


def completeness(response: Response, *, complete: bool) -> Response:
    """Say in a header when the directory would not give everything."""
    if not complete:
        response.headers["X-Result-Truncated"] = "true"
    return response


def must_be_primary(domain: str | None) -> None:
    """Raises `DomainNotFound`: there are no secondary stores."""
    if not model.is_primary(domain):
        raise DomainNotFound((domain or "").strip())


def without_slash(name: str) -> str:
    """A path's name without the one slash that may end it."""
    return name.removesuffix("/")
