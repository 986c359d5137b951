"""Reading and checking of requests about artifacts, before a Micro Integrator (MI) gets them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from flask import request

from mi_ldap.errors import BadRequest
from mi_ldap.micro_integrators.forward import BODY_FOLLOWS, Fields
from mi_ldap.micro_integrators.resources import Body, Operation, Resource
from mi_ldap.web.api.schemas import json_object
from mi_ldap.web.artifact_names import check_name, check_names, check_path, check_query

# The client's token, cookies, addresses and method overrides are not forwarded.
_FIELDS: Final = ("accept", "traceparent", "tracestate")
_FIELDS_OF_READS: Final = ("range", "if-range", "if-none-match", "if-modified-since")
_FIELD_VALUE: Final = re.compile(r"[\t -~]+")  # RFC 9110 §5.5, without obsolete bytes

_RECORDED: Final = ("status", "trace", "statistics", "type", "loggingLevel")
"""Keys of bodies whose values are audited; values of other keys may be secrets."""

_NOT_RECORDED: Final = ("searchKey", "expand")


@dataclass(frozen=True, slots=True)
class ArtifactRequest:
    """A request to an MI.

    Attributes:
        target: path and query below the MI's management URL, percent-encoded.
        fields: header fields.
        body: None if the client's is streamed.
        name: the name of the artifact, file or path; `""` if it names nothing.
        details: the values that it sets, for the audit log.
    """

    target: str
    fields: Fields
    body: bytes | None
    name: str
    details: Mapping[str, str]


def read_request(
    resource: Resource, operation: Operation, arguments: Mapping[str, str], request_id: str
) -> ArtifactRequest:
    """Return the request to the MI for the current request.

    Args:
        resource: its row in the table.
        operation: its method.
        arguments: the parameters of its path.
        request_id: for the MI's log.

    Raises:
        BadRequest: a query key is given twice, a value is not allowed, or the body is no JSON
            object where it must be one.
        NotFound: the path is not written as in the table, or no artifact can have the name in it.
    """
    check_path(_path())
    check_names(arguments)
    # With a body the query is ignored: MI could use a name of the query that was not audited.
    query = {} if operation.body is Body.JSON else _query(resource)
    check_query(query)
    body, content = _body(operation)
    value = {**query, **arguments, **content}.get(operation.name_key, "")
    if isinstance(value, dict | list):  # MI takes `["a"]` for the name `a`
        raise BadRequest(f"'{operation.name_key}' must be a string.")
    name = _text(value)
    check_name(name)
    return ArtifactRequest(
        target=resource.target(arguments, query.items()),
        fields=(*_fields(operation), ("x-request-id", request_id)),
        body=body,
        name=name,
        details=dict(_details(operation, query, content)),
    )


def _path() -> str:
    """Return the path as sent, percent-encoded."""
    target: str = request.environ.get("RAW_URI") or quote(request.path)
    return target.partition("?")[0]


def is_audited(operation: Operation) -> bool:
    """Whether the current request has lines in the audit log; reads of lists have none."""
    return operation.is_audited and (operation.is_write or operation.name_key in request.args)


def _query(resource: Resource) -> dict[str, str]:
    """Return the pairs that are forwarded."""
    found = {}
    for key in resource.query:
        texts = request.args.getlist(key)
        # Otherwise this service could check one of the values, and MI use the other one.
        if len(texts) > 1:
            raise BadRequest(f"'{key}' is given more than once.")
        if texts:
            found[key] = texts[0]
    return found


def _body(operation: Operation) -> tuple[bytes | None, Mapping[str, Any]]:
    """Return the body to forward, None to stream it, and the JSON object in it, if any."""
    if operation.body is Body.STREAMED:
        return None if request.environ.get(BODY_FOLLOWS) else request.get_data(cache=False), {}
    if operation.body is Body.NONE:
        return b"", {}
    sent = request.get_data(cache=False)
    return sent, json_object(sent, unique_keys=True)


def _fields(operation: Operation) -> Iterator[tuple[str, str]]:
    if operation.body is Body.JSON:
        # Not the client's field: with another charset MI could read another name than the audited
        # one.
        yield "content-type", "application/json"
    names = [*_FIELDS]
    if operation.body is Body.STREAMED:
        names.append("content-type")
    if not operation.is_write:
        names += _FIELDS_OF_READS
    for name in names:
        value = request.headers.get(name, "")
        if _FIELD_VALUE.fullmatch(value):
            yield name, value


def _details(
    operation: Operation, query: Mapping[str, str], content: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for key in _RECORDED:
        if key in content:
            yield key, _text(content[key])
    for key, text in query.items():
        if key != operation.name_key and key not in _NOT_RECORDED:
            yield "property" if key == "name" else key, text


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
