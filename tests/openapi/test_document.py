"""The document is OpenAPI, has everything, and says what is so."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from mi_ldap.serving.errors import (
    body_too_large,
    head_too_large,
    invalid,
    line_too_long,
    too_busy,
    too_slow,
)
from mi_ldap.web.api.schemas import PasswordBody, RoleBody, RoleChangeBody, UserBody
from mi_ldap.web.openapi.common_errors import EVERYWHERE as EVERYWHERE_SAID
from tests.api.client import Api
from tests.openapi.book import BOOK, ENDPOINTS, Json, faults, media, operations, templated

MEDIA = list(media())
EVERYWHERE = {"400", "408", "413", "414", "431", "501", "503"}


def test_the_document_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(BOOK).validate()
    assert BOOK["openapi"] == "3.1.0"


def test_the_document_has_every_route_and_no_other(light_api: Api) -> None:
    rules = light_api.client.application.url_map.iter_rules()
    served = {
        (method.lower(), templated(rule.rule))
        for rule in rules
        if rule.rule.startswith(("/management", "/health", "/ready", "/metrics"))
        for method in rule.methods or ()
    }
    assert {(method, path) for method, path, _ in operations()} == served


@pytest.mark.parametrize(("place", "content"), MEDIA, ids=[place for place, _ in MEDIA])
def test_every_example_matches_its_schema(place: str, content: Json) -> None:
    assert content["examples"], place
    for example in content["examples"].values():
        assert faults(content["schema"], example["value"]) == []


def test_every_parameter_and_key_is_described_and_has_an_example() -> None:
    for method, path, operation in operations():
        for parameter in operation["parameters"]:
            assert parameter["description"], (method, path)
            assert_has_good_examples(parameter["schema"])
    for name, schema in BOOK["components"]["schemas"].items():
        if name.endswith("Body"):
            for key in schema["properties"].values():
                assert key["description"]
                assert_has_good_examples(key)
    for header in BOOK["components"]["headers"].values():
        assert header["description"]


def assert_has_good_examples(schema: Json) -> None:
    assert schema["examples"]
    for example in schema["examples"]:
        assert faults(schema, example) == []


def test_every_operation_has_the_common_responses() -> None:
    for method, path, operation in operations():
        statuses = set(operation["responses"])
        assert statuses >= EVERYWHERE | {"200"}, (method, path)
        assert "405" not in statuses
        if operation["security"] == [{"token": []}]:
            assert statuses >= {"401", "403"}
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in response["headers"]
            assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))
            assert ("WWW-Authenticate" in response["headers"]) == (status == "401")


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_tags_are_described() -> None:
    described = {tag["name"] for tag in BOOK["tags"]}
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == described
    assert all(endpoint.tag in described for endpoint in ENDPOINTS)


BODIES: list[tuple[str, str, Any]] = [
    ("POST", "/users", UserBody()),
    ("PATCH", "/users/admin", PasswordBody()),
    ("POST", "/roles", RoleBody()),
    ("PUT", "/roles", RoleChangeBody()),
]


@pytest.mark.parametrize(("method", "path", "schema"), BODIES, ids=[str(b[:2]) for b in BODIES])
def test_required_keys_of_bodies_are_required(
    light_admin: Api, method: str, path: str, schema: Any
) -> None:
    described = BOOK["components"]["schemas"][type(schema).__name__]
    good = {
        name: key["examples"][0]
        for name, key in described["properties"].items()
        if name != "domain"
    }
    assert described["required"]
    for name in described["required"]:
        for lacking in ({**good, name: None}, {k: v for k, v in good.items() if k != name}):
            answer = light_admin(method, path, lacking)
            assert answer.status_code == 400
            assert "Missing one or more of the fields" in answer.text


def test_errors_of_the_http_parser_are_examples() -> None:
    """What is refused before the application sees it has examples in its own words."""
    for error in (
        body_too_large(),
        too_slow("head"),
        too_busy(),
        line_too_long(),
        head_too_large(),
        invalid(),
    ):
        assert error.sentence in EVERYWHERE_SAID[error.status.value]
