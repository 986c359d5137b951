"""Checks of paths and names: none may make a Micro Integrator (MI) use another file or path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from mi_ldap.errors import BadRequest, NotFound
from mi_ldap.state.audit import MAX_TEXT_BYTES

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # also line ends and NUL
_NO_FILE = "'file' must be the name of a log file, without a folder."
_NO_PATH = "'path' must be a path in the registry without '.', '..', '\\', '//' and a scheme."


def check_path(path: str) -> None:
    """Raise `NotFound` for a path that names a resource only if slashes are decoded or left out.

    Args:
        path: as sent, percent-encoded.
    """
    # RFC 3986 §2.2: an encoded slash is not equivalent to a slash. A proxy with rules for paths
    # would have judged another path than this service.
    if "//" in path or "%2f" in path.lower():
        raise NotFound


def check_query(query: Mapping[str, str]) -> None:
    """Raise `BadRequest` for control characters, and a file or path outside of its folder."""
    # MI appends both to the path of a folder.
    if any(set(text) & {"/", "\\"} or ".." in text for text in _decoded(query.get("file", ""))):
        raise BadRequest(_NO_FILE)
    if any(map(_leaves_the_registry, _decoded(query.get("path", "")))):
        raise BadRequest(_NO_PATH)
    for key, text in query.items():
        if _CONTROL.search(text) or (key in ("file", "path") and not text.isprintable()):
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
        is_path = any(text in (".", "..") or set(text) & {"/", "\\"} for text in _decoded(name))
        if is_path or _CONTROL.search(name):
            raise NotFound("There is no artifact of that name.")


def check_name(name: str) -> None:
    """Raise `BadRequest` for control characters, and a name too long for the audit log."""
    if _CONTROL.search(name):
        raise BadRequest("A name must not have control characters.")
    # A lone surrogate, which JSON can contain, cannot be encoded otherwise.
    if len(name.encode(errors="surrogatepass")) > MAX_TEXT_BYTES:
        raise BadRequest(f"A name must not have more than {MAX_TEXT_BYTES} bytes.")
