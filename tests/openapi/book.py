"""The document, in a form to hold answers against."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from flask import Flask
from openapi_schema_validator import OAS31Validator
from werkzeug.test import TestResponse

from mi_ldap.web.api import BLUEPRINTS
from mi_ldap.web.openapi.document import document
from mi_ldap.web.openapi.endpoints import endpoints

Json = dict[str, Any]

_NAMES = {"/users/": "{id}", "/roles/": "{role}"}

ENDPOINTS = tuple(endpoints(BLUEPRINTS))
BOOK: Json = json.loads(json.dumps(document(BLUEPRINTS)))


def operations() -> Iterator[tuple[str, str, Json]]:
    """Every `(method, path, operation)`."""
    for path, methods in BOOK["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def media() -> Iterator[tuple[str, Json]]:
    """Everything that has a schema and examples, with the place where it stands."""
    for method, path, operation in operations():
        place = f"{method} {path}"
        if "requestBody" in operation:
            for content in operation["requestBody"]["content"].values():
                yield f"{place} body", content
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                yield f"{place} {status}", content


def faults(schema: Json, value: object) -> list[str]:
    """What is wrong with the value by a schema of the document."""
    whole = {**schema, "components": BOOK["components"]}
    found = cast("Iterator[Any]", OAS31Validator(whole).iter_errors(value))
    return [error.message for error in found]


def path_of(app: Flask, path: str, method: str) -> str:
    """The document's path for a request's: `/management/users/{id}`."""
    rule, _ = app.url_map.bind("").match(path, method, return_rule=True)
    return templated(rule.rule)


def templated(rule: str) -> str:
    """Flask's rule as the document writes it."""
    name = next((name for part, name in _NAMES.items() if part in rule), "{name}")
    return re.sub(r"<[^>]+>", name, rule)


def assert_by_the_book(app: Flask, method: str, path: str, answer: TestResponse) -> None:
    """The answer has a status, the headers and a body that the document promises."""
    template = path_of(app, path.partition("?")[0], method)
    responses = BOOK["paths"][template][method.lower()]["responses"]
    assert str(answer.status_code) in responses, f"{method} {template}: {answer.status}"
    promised = responses[str(answer.status_code)]
    for name in promised["headers"]:
        required = BOOK["components"]["headers"][name].get("required")
        assert not required or name in answer.headers, f"{method} {template}: {name}"
    if "content" in promised:
        schema = promised["content"][answer.content_type]["schema"]
        assert faults(schema, answer.json) == []
    else:
        assert answer.data == b""
