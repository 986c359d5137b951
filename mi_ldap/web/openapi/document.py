"""The endpoints of the API -> an OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Blueprint
from marshmallow import fields

from mi_ldap import __version__
from mi_ldap.web.access import Access
from mi_ldap.web.api.operation import Success
from mi_ldap.web.api.schemas import needed_keys
from mi_ldap.web.openapi.endpoints import Endpoint, endpoints
from mi_ldap.web.openapi.forwarded import query_parameters, request_body
from mi_ldap.web.openapi.responses import HEADERS, responses, without_bodies

Json = dict[str, Any]

ABOUT = """\
Users and roles of an LDAP directory or a database, through WSO2 Micro Integrator's management API.

Log in with a name and a password (`GET /management/login`, Basic), and send the token with every
other request (`Authorization: Bearer …`).

* The body of every error is `{"Error": "<sentence>"}`. Programs decide by the header
  `X-Error-Code`, because the sentence may change. The reason phrase of a failed DELETE or PUT
  contains the sentence, too, unless the status is 401, 404, or 403 because the admin role is
  missing.
* The checks are made in this order: 401, 403 because the admin role is missing, 404 for the path
  **and for a method that the path does not have (never 405)**, 400, 404 for the user or role that
  the request names, then all others.
* Unknown keys in bodies and queries are ignored. A slash at the end of a path is ignored. A slash
  in a name is escaped: `%2F`.
* HEAD is GET without a body. OPTIONS is answered with 200 for every path, without authentication.
"""

TAGS = {
    "Sessions": "Log in and log out.",
    "Users": "For admins, except changing a password.",
    "Roles": "For admins.",
    "Artifacts": "Artifacts and logs of the Micro Integrators behind this service; without one all "
    "lists are empty. Every path exists below `/nodes/{id}`, too, for the one of that id.",
    "Service": "Version, rules and health.",
    "HEAD and OPTIONS": "Available on every path.",
}

_PARAMETERS: dict[str, tuple[str, Json]] = {
    "id": ("The name of a user.", {"minLength": 1, "examples": ["bob"]}),
    "role": (
        "The name of a role; `Internal/x` as `Internal%2Fx`.",
        {"minLength": 1, "examples": ["developers"]},
    ),
    "name": (
        "The name of an application or a data service.",
        {"minLength": 1, "examples": ["HelloCompositeExporter"]},
    ),
}


_EMPTY = Success("Done. The body is empty.")


def document(blueprints: Iterable[Blueprint]) -> Json:
    """Return the document of the API that the blueprints make up, ready for JSON."""
    documented = tuple(endpoints(blueprints))
    plugin = MarshmallowPlugin(schema_name_resolver=_name_of)
    spec = APISpec(
        "mi_ldap",
        __version__,
        "3.1.0",
        plugins=[plugin],
        info={"description": ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        servers=[{"url": "/"}],
        tags=[{"name": name, "description": about} for name, about in TAGS.items()],
    )
    converter: Any = plugin.converter
    converter.add_attribute_function(_as_sent)
    _add_components(spec)
    # `dict.fromkeys` keeps the order of the routes, which Swagger UI shows.
    for path in dict.fromkeys(endpoint.path for endpoint in documented):
        here = [endpoint for endpoint in documented if endpoint.path == path]
        spec.path(path, operations=dict(_methods(path, here)))
    return _with_needed_keys(spec.to_dict(), documented)


def _add_components(spec: APISpec) -> None:
    spec.components.security_scheme(
        "password", {"type": "http", "scheme": "basic", "description": "A name and a password."}
    )
    spec.components.security_scheme(
        "token",
        {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `AccessToken` of a login.",
        },
    )
    for name, header in HEADERS.items():
        spec.components.header(name, header)


def _methods(path: str, here: Sequence[Endpoint]) -> Iterator[tuple[str, Json]]:
    for endpoint in here:
        yield endpoint.method, _operation(endpoint)
    for endpoint in here:
        if endpoint.method == "get":
            yield "head", _head(endpoint)
    yield "options", _options(path)


def _operation(endpoint: Endpoint) -> Json:
    operation = endpoint.operation
    described: Json = {
        "operationId": _id(endpoint.method, endpoint.path),
        "tags": [endpoint.tag],
        "summary": operation.summary,
        "security": _security(endpoint),
        "parameters": _parameters(endpoint),
        "responses": responses(operation.success, endpoint.errors),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.forwarded and (payload := request_body(operation.forwarded.body)):
        described["requestBody"] = payload
    if operation.body:
        content = {"schema": operation.body, "examples": _examples(operation.body)}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _head(endpoint: Endpoint) -> Json:
    operation = endpoint.operation
    return {
        "operationId": _id("head", endpoint.path),
        "tags": ["HEAD and OPTIONS"],
        "summary": f"{operation.summary}, without a body",
        "security": _security(endpoint),
        "parameters": _parameters(endpoint),
        "responses": without_bodies(responses(operation.success, endpoint.errors)),
    }


def _options(path: str) -> Json:
    return {
        "operationId": _id("options", path),
        "tags": ["HEAD and OPTIONS"],
        "summary": "Answered with 200 without authentication",
        "security": [],
        "parameters": _path_parameters(path),
        "responses": without_bodies(responses(_EMPTY, {})),
    }


def _security(endpoint: Endpoint) -> list[Json]:
    if endpoint.operation.takes_password:
        return [{"password": []}]
    return [] if endpoint.access is Access.ANYBODY else [{"token": []}]


def _parameters(endpoint: Endpoint) -> list[Json]:
    found = _path_parameters(endpoint.path)
    if endpoint.operation.query:
        found.append({"in": "query", "schema": endpoint.operation.query})
    if endpoint.operation.forwarded:
        found += query_parameters(endpoint.operation.forwarded.query)
    if endpoint.operation.has_domain:
        domain = {"type": "string", "examples": ["primary"]}
        about = "The user store: empty or `primary` for the main one, or a secondary one's domain."
        if "{role}" in endpoint.path:
            about += " `Internal` or `Application` for hybrid roles."
        found.append({"in": "query", "name": "domain", "description": about, "schema": domain})
    return found


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "in": "path",
            "name": name,
            "required": True,
            "description": _PARAMETERS[name][0],
            "schema": {"type": "string", **_PARAMETERS[name][1]},
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _examples(schema: Any) -> Json:
    return {name: {"value": body} for name, body in schema.examples.items()}


def _id(method: str, path: str) -> str:
    words = re.findall(r"\w+", path.removeprefix("/management")) or ["management"]
    return "_".join([method, *words])


def _name_of(schema: Any) -> str:
    cls: Any = resolve_schema_cls(schema)
    return str(cls.__name__)


def _as_sent(_converter: Any, field: fields.Field[Any], ret: Json, **_: Any) -> Json:
    """Describe a field by what a client should send, which is stricter than what is accepted."""
    ret.pop("default", None)  # `load_default` stands for an absent key
    if field.metadata.get("needed"):
        ret["type"] = "string"
    return dict(field.metadata.get("as_sent", {}))


def _with_needed_keys(found: Json, documented: Sequence[Endpoint]) -> Json:
    """Add the `required` of the bodies."""
    # `body_of` checks them and not marshmallow, because MI's sentence names all of them at once.
    for body in (endpoint.operation.body for endpoint in documented):
        if body:
            schema = found["components"]["schemas"][_name_of(body)]
            schema["required"] = [*needed_keys(body).values()]
    return found
