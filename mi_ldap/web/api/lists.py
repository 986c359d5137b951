"""Responses with lists, and names in paths, of all resources."""

from __future__ import annotations

import gzip
import json
from typing import Final

from flask import Response, request

from mi_ldap import name_rules
from mi_ldap.errors import DomainNotFound
from mi_ldap.services.queries import Selection

WORTH_COMPRESSING: Final = 4096
"""Bytes of a body; a shorter one takes as many packets with gzip as without."""


def listing(selection: Selection, key: str, *, paged: bool) -> Response:
    """Return `{"count": N, "list": [{key: name}, …]}`, with `total` for a page."""
    names, total = selection.names, f',"total":{selection.total}' if paged else ""
    # Encoding 100,000 objects takes ten times as long as encoding their names, so the names are
    # encoded as one list whose separator closes an object and opens the next.
    between = f'}},{{"{key}":'
    listed = f"[{between[2:]}{json.dumps(names, separators=(between, ':'))[1:-1]}}}]"
    # With the line end that `jsonify` adds, too.
    answer = f'{{"count":{len(names)},"list":{listed if names else "[]"}{total}}}\n'
    response = Response(answer, mimetype="application/json")
    return completeness(compressed(response), complete=selection.complete)


def compressed(response: Response) -> Response:
    """Return a long response compressed with gzip if the client accepts that.

    Never call it for a response with a secret: its length would tell of the content (BREACH).
    """
    body = response.get_data()
    if len(body) < WORTH_COMPRESSING:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(body, compresslevel=1, mtime=0))
        response.content_encoding = "gzip"
    return response


def completeness(response: Response, *, complete: bool) -> Response:
    """Return the response, with a header if the directory refused to return everything."""
    if not complete:
        response.headers["X-Result-Truncated"] = "true"
    return response


def must_be_primary(domain: str | None) -> None:
    """Raise `DomainNotFound` for any other domain: there are no secondary stores."""
    if not name_rules.is_primary(domain):
        raise DomainNotFound((domain or "").strip())


def without_slash(name: str) -> str:
    """Return a path's name without the one slash that may end it."""
    # `strict_slashes` does not help here: the converter takes slashes as part of the name.
    return name.removesuffix("/")
