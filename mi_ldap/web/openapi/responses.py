"""The responses of an endpoint, by status."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from mi_ldap.errors import MiLdapError
from mi_ldap.web.api.operation import Success
from mi_ldap.web.api.response_schemas import Problem
from mi_ldap.web.errors import sentence_of
from mi_ldap.web.openapi.common_errors import EVERYWHERE, Errors, merge

Json = dict[str, Any]

HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "The id of the request in the service's logs.",
        "required": True,
        "schema": {"type": "string", "examples": ["5f0c4f3f6a1e4bb0a5e3f7d1b0c9a8e7"]},
    },
    "X-Error-Code": {
        "description": "The kind of the error, for programs: the sentence may change, this does "
        "not. Missing where the HTTP server refused the request.",
        "schema": {"type": "string", "examples": ["user_exists"]},
    },
    "WWW-Authenticate": {
        "description": "The authentication scheme to use.",
        "required": True,
        "schema": {"type": "string", "examples": ['Bearer realm="mi_ldap"']},
    },
    "Retry-After": {
        "description": "Seconds to wait before the request is repeated.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "examples": [5]},
    },
    "X-Result-Truncated": {
        "description": "`true` if the directory refused to return everything; missing otherwise.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}

_MEANINGS = {
    400: "The request is wrong, or cannot be carried out as it stands.",
    401: "The token or the password is missing or not valid.",
    403: "The user may not do this.",
    404: "The path, or the user, role or domain that it names, does not exist.",
    408: "The request did not arrive in time.",
    409: "Other requests kept changing the same entries; nothing was changed.",
    413: "The request is too large.",
    414: "The path or the query is too long.",
    429: "Too many failed logins.",
    431: "The header fields are too large.",
    501: "The transfer coding of the request is not supported.",
    502: "A Micro Integrator gave no valid answer; after a write it may have been done.",
    503: "The user store, the service's state or the Micro Integrator is not available; nothing "
    "was changed.",
}
_HEADERS_OF = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}


def responses(success: Success, errors: Errors) -> Json:
    """Return all responses of an endpoint by status, with the errors that any request may get."""
    merged = merge(errors, EVERYWHERE)
    return {"200": _success(success)} | {
        str(status): _failure(status, merged[status]) for status in merged
    }


def without_bodies(found: Json) -> Json:
    """Return the same responses for HEAD and OPTIONS."""
    return {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in found.items()
    }


def _success(success: Success) -> Json:
    more = ("X-Result-Truncated",) if success.is_truncatable else ()
    response: Json = {"description": success.description, "headers": _headers(more)}
    if success.schema is not None:
        examples = {name: {"value": body} for name, body in success.bodies.items()}
        content = {"schema": success.schema, "examples": examples}
        response["content"] = {"application/json": content}
    if success.text:
        content = {"schema": {"type": "string"}, "examples": {"text": {"value": success.text}}}
        response["content"] = {"text/plain": content}
    return response


def _failure(status: int, errors: tuple[MiLdapError | str, ...]) -> Json:
    examples = {
        f"{HTTPStatus(status).name.lower()}_{number}": {
            "summary": sentence,
            "value": {"Error": sentence},
        }
        for number, sentence in enumerate(map(sentence_of, errors), 1)
    }
    content = {"schema": Problem(), "examples": examples}
    return {
        "description": _MEANINGS[status],
        "headers": _headers(("X-Error-Code", *_HEADERS_OF.get(status, ()))),
        "content": {"application/json": content},
    }


def _headers(more: tuple[str, ...]) -> Json:
    names = ("X-Request-Id", *more)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
