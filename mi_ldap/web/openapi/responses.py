"""What an operation answers, status by status."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from mi_ldap.web.api import response_schemas as answers
from mi_ldap.web.api.operation import Answer, Operation, Problems, together
from mi_ldap.web.openapi.common_errors import EVERYWHERE

Json = dict[str, Any]

HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "The request, as the service's logs name it.",
        "required": True,
        "schema": {"type": "string", "examples": ["5f0c4f3f6a1e4bb0a5e3f7d1b0c9a8e7"]},
    },
    "WWW-Authenticate": {
        "description": "How to prove who you are.",
        "required": True,
        "schema": {"type": "string", "examples": ['Bearer realm="mi_ldap"']},
    },
    "Retry-After": {
        "description": "Seconds after which it is worth trying again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "examples": [5]},
    },
    "X-Result-Truncated": {
        "description": "There, and `true`, when the directory would not give everything.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}

_MEANINGS = {
    400: "It can't be carried out as it stands.",
    401: "Log in, again perhaps.",
    403: "Known, and not allowed.",
    404: "There is no such thing.",
    408: "It came too slowly.",
    409: "Others kept changing the same entries; nothing was done.",
    413: "It is too large.",
    414: "The address is too long.",
    429: "Too many failures.",
    431: "The head is too large.",
    501: "The transfer coding of the request is not supported.",
    503: "What is needed for an answer can't be used; nothing was done.",
}
_HEADERS_OF = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_DONE = Answer("Done; the body is empty.")


def responses(operation: Operation | None) -> Json:
    """By status everything that an operation answers; for None, what any does."""
    answer = operation.answer if operation else _DONE
    problems = together(operation.problems if operation else {}, EVERYWHERE)
    return {"200": _success(answer)} | {
        str(status): _failure(status, problems) for status in sorted(problems)
    }


def without_bodies(found: Json) -> Json:
    """The same for HEAD and OPTIONS."""
    return {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in found.items()
    }


def _success(answer: Answer) -> Json:
    more = ("X-Result-Truncated",) if answer.may_be_cut else ()
    response: Json = {"description": answer.about, "headers": _headers(more)}
    if answer.schema is not None:
        examples = {name: {"value": body} for name, body in answer.examples.items()}
        content = {"schema": answer.schema, "examples": examples}
        response["content"] = {"application/json": content}
    return response


def _failure(status: int, problems: Problems) -> Json:
    examples = {
        f"{HTTPStatus(status).name.lower()}_{number}": {
            "summary": str(problem),
            "value": {"Error": str(problem)},
        }
        for number, problem in enumerate(problems[status], 1)
    }
    content = {"schema": answers.Problem(), "examples": examples}
    return {
        "description": _MEANINGS[status],
        "headers": _headers(_HEADERS_OF.get(status, ())),
        "content": {"application/json": content},
    }


def _headers(more: tuple[str, ...]) -> Json:
    names = ("X-Request-Id", *more)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
