"""Query, body and errors of what a Micro Integrator (MI) answers, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mi_ldap.errors import AuditUnavailable, BadRequest, MiLdapError, NodeFailed, NodeUnavailable
from mi_ldap.micro_integrators.forward import CANNOT_FORWARD
from mi_ldap.micro_integrators.resources import Body

Json = dict[str, Any]

_KEYS: Final = {
    "apiName": ("The name of an API.", "hello"),
    "carbonAppName": ("The name of an application.", "HelloCompositeExporter"),
    "configName": ("The name of a configuration.", "correlation"),
    "dataServiceName": ("The name of a data service.", "books"),
    "end": ("The last month.", "2026-12"),
    "endpointName": ("The name of an endpoint.", "backend"),
    "expand": ("Whether the folders below are included.", "true"),
    "file": ("The name of a log file.", "wso2carbon.log"),
    "inboundEndpointName": ("The name of an inbound endpoint.", "files"),
    "loggerName": ("The name of a logger.", "org-apache-synapse"),
    "mediaType": ("The type of the content.", "application/json"),
    "month": ("The month.", "12"),
    "name": ("The name of what is read or changed.", "orders"),
    "path": ("A path in the registry.", "registry/config/a.json"),
    "proxyServiceName": ("The name of a proxy service.", "orders"),
    "searchKey": ("A part of the name.", "order"),
    "sequenceName": ("The name of a sequence.", "main"),
    "start": ("The first month.", "2026-01"),
    "taskName": ("The name of a task.", "nightly"),
    "type": ("The type of a template.", "endpoint"),
    "year": ("The year.", "2026"),
}
"""Description and example of each query key."""

_JSON_BODY: Final[Json] = {"name": "orders", "status": "inactive"}
_PAYLOADS: Final = {
    Body.JSON: ("application/json", {"type": "object"}, _JSON_BODY),
    Body.STREAMED: ("application/octet-stream", {"type": "string"}, "content"),
}

FAILURES: Final[tuple[MiLdapError, ...]] = (
    NodeUnavailable(CANNOT_FORWARD),
    NodeUnavailable("The Micro Integrator mi-1 cannot be used at the moment. Try again later."),
    NodeFailed("The Micro Integrator mi-1 gave no valid answer."),
)
"""Errors that every forwarded request may get."""


def errors_of_request(method: str, body: Body, query: Sequence[str]) -> tuple[MiLdapError, ...]:
    """Return the errors of a request that is forwarded, by what is in it."""
    of_json = (
        BadRequest("The payload must be a JSON object."),
        BadRequest("The payload has a key twice."),
    )
    return (
        *FAILURES,
        *((BadRequest("'name' is given more than once."),) if query else ()),
        *(of_json if body is Body.JSON else ()),
        *((AuditUnavailable(),) if method != "get" else ()),
    )


def query_parameters(query: Sequence[str]) -> list[Json]:
    """Return the query keys as parameters."""
    return [
        {
            "in": "query",
            "name": key,
            "description": _KEYS[key][0],
            "schema": {"type": "string", "examples": [_KEYS[key][1]]},
        }
        for key in query
    ]


def request_body(body: Body) -> Json | None:
    """Return the description of the body; None if there is none."""
    if body is Body.NONE:
        return None
    media, schema, example = _PAYLOADS[body]
    content = {"schema": schema, "examples": {"body": {"value": example}}}
    return {"required": body is Body.JSON, "content": {media: content}}
