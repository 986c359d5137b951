"""Checks of names, so that none makes a Micro Integrator (MI) use another file, folder or path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from mi_ldap.errors import BadRequest, NotFound
from mi_ldap.state.audit import MAX_TEXT_BYTES

_NO_FILE = "'file' must be the name of a log file, without a folder."
_NO_PATH = "'path' must be a path in the registry without '.', '..', '\\', '//' and a scheme."


def check_query(query: Mapping[str, str]) -> None:
    """Raise `BadRequest` for a `file` or `path` in a query that may be outside of its folder."""
    # MI appends both to the path of a folder.
    if any(set(text) & {"/", "\\"} or ".." in text for text in _decoded(query.get("file", ""))):
        raise BadRequest(_NO_FILE)
    if any(map(_leaves_the_registry, _decoded(query.get("path", "")))):
        raise BadRequest(_NO_PATH)
    for key in ("file", "path"):
        if any(not char.isprintable() for char in query.get(key, "")):
            raise BadRequest(f"'{key}' contains a control character.")


def _leaves_the_registry(path: str) -> bool:
    is_url = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path) is not None
    return is_url or "\\" in path or "//" in path or bool({".", ".."} & {*path.split("/")})


def _decoded(text: str) -> Iterator[str]:
    """Yield the text, and the results of decoding it once and twice more, as a server may do."""
    for _ in range(3):
        yield text
        text = unquote(text)


def check_names(arguments: Mapping[str, str]) -> None:
    """Raise `NotFound` if no artifact can have one of these names, which are sent in the path."""
    for name in arguments.values():
        # A segment `..` would be another path at the MI.
        if any(text in (".", "..") or set(text) & {"/", "\\"} for text in _decoded(name)):
            raise NotFound("There is no artifact of that name.")


def ensure_recordable(name: str) -> None:
    """Raise `BadRequest` for a name that is too long for the audit log."""
    # A lone surrogate, which JSON can contain, cannot be encoded otherwise.
    if len(name.encode(errors="surrogatepass")) > MAX_TEXT_BYTES:
        raise BadRequest(f"A name must not have more than {MAX_TEXT_BYTES} bytes.")
