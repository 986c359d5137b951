"""The header fields of an answer that a Micro Integrator gave."""

from __future__ import annotations

from typing import Final

from mi_ldap.micro_integrators.connection import AnswerHead

Fields = list[tuple[str, str]]

# All other fields are dropped, above all cookies and those of the connection. Also Location: MI
# sends none, and a false node could point an admin's client at users of this service.
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
# A file of the node must not run scripts in the origin of the console.
_POLICY: Final = ("Content-Security-Policy", "sandbox; default-src 'none'")
_OF_THE_BODY: Final = frozenset(
    (*_PASSED, "content-length", "transfer-encoding", "location", "content-security-policy")
)
_OF_THE_CONNECTION: Final = frozenset(("connection", "keep-alive", "upgrade", "trailer"))


def merged_fields(application: Fields, answer: AnswerHead) -> Fields:
    """Return the header fields for the client.

    Args:
        application: the fields that the application gave, such as `X-Request-Id`.
        answer: the answer of the node.
    """
    theirs = dict(reversed(answer.fields))  # the first of each name
    fields = application_fields(application)
    # The console's own value takes precedence, so that a browser always saves the file.
    own = [each for each in application if each[0].lower() == "content-disposition"]
    if own:
        theirs["content-disposition"] = own[0][1]
    fields += [(_titled(name), theirs[name]) for name in _PASSED if name in theirs]
    if answer.length is not None and answer.status != 204:  # RFC 9110 §8.6
        fields.append(("Content-Length", str(answer.length)))
    return [*fields, _POLICY]


def application_fields(given: Fields) -> Fields:
    """Return the fields that the application gave, without those that describe its body."""
    dropped = _OF_THE_BODY | _OF_THE_CONNECTION
    return [(name, value) for name, value in given if name.lower() not in dropped]


def _titled(name: str) -> str:
    return "ETag" if name == "etag" else name.title()
