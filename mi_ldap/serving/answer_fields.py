"""The header fields of an answer that a Micro Integrator gave."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from mi_ldap.micro_integrators.connection import AnswerHead

Fields = list[tuple[str, str]]

# All others stay behind: cookies, the node's Server, and those of the connection above all.
_PASSED: Final = (
    "content-type",
    "content-disposition",
    "content-encoding",
    "content-range",
    "accept-ranges",
    "etag",
    "last-modified",
    "retry-after",
)
# A file or a log of the node must not run scripts in the origin of the console.
_POLICY: Final = ("Content-Security-Policy", "sandbox; default-src 'none'")
_OF_THE_BODY: Final = frozenset(
    (*_PASSED, "content-length", "transfer-encoding", "location", "content-security-policy")
)
_OF_THE_CONNECTION: Final = frozenset(("connection", "keep-alive", "upgrade", "trailer"))


def merged_fields(
    application: Fields, answer: AnswerHead, management_url: str, prefix: str
) -> Fields:
    """Return the fields for the client.

    Args:
        application: the fields that the application gave, such as `X-Request-Id`.
        answer: the answer of the node.
        management_url: the address of the node.
        prefix: the path that stands for that address here.
    """
    theirs = dict(reversed(answer.fields))  # the first of each name
    fields = application_fields(application)
    # The console names each file itself: it must be saved, whatever the node calls it.
    own = [each for each in application if each[0].lower() == "content-disposition"]
    if own:
        theirs["content-disposition"] = own[0][1]
    fields += [(_titled(name), theirs[name]) for name in _PASSED if name in theirs]
    if answer.length is not None:
        fields.append(("Content-Length", str(answer.length)))
    location = _location(theirs.get("location", ""), management_url, prefix)
    if location:
        fields.append(("Location", location))
    return [*fields, _POLICY]


def application_fields(given: Fields) -> Fields:
    """Return the fields that the application gave, without those that describe its body."""
    dropped = _OF_THE_BODY | _OF_THE_CONNECTION
    return [(name, value) for name, value in given if name.lower() not in dropped]


def _location(value: str, management_url: str, prefix: str) -> str | None:
    """Return a redirect within the node's management API as one of this service; else None."""
    base = urlsplit(management_url)
    path = f"{base.path.rstrip('/')}/"
    for start in (f"{base.scheme}://{base.netloc}{path}", path):
        rest = value.removeprefix(start)
        # A client resolves `..`, and takes a backslash for a slash: it would leave the prefix.
        if rest != value and ".." not in rest and "\\" not in rest and not rest.startswith("/"):
            return f"{prefix}/{rest}"
    return None


def _titled(name: str) -> str:
    return "ETag" if name == "etag" else name.title()
