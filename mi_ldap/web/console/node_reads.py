"""Requests from the console's pages to Micro Integrators."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from flask import g

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import BadRequest, MiLdapError
from mi_ldap.micro_integrators.fetch import fetch, fetch_starts
from mi_ldap.micro_integrators.forward import Fields, Outcome
from mi_ldap.web.artifact_audit import ArtifactRecord, AuditedRequest, recorded
from mi_ldap.web.artifact_names import check_name, check_names
from mi_ldap.web.console import artifact_answers
from mi_ldap.web.console.artifact_answers import Artifact, Json
from mi_ldap.web.console.artifact_kinds import Kind, reading_of
from mi_ldap.web.nodes import reachable_nodes

# A list of 20,000 artifacts has 2 to 4 MB.
_LIST_BYTES: Final = 8 * 1024 * 1024
_COUNT_BYTES: Final = 64 * 1024
_OVERVIEW_S: Final = 3.0

Starts = list[tuple[int, bytes] | MiLdapError]


def read_starts(targets: Sequence[tuple[str, str]]) -> Starts:
    """Send several GETs at the same time; return status and first bytes, or the error, of each."""
    seconds = min(_OVERVIEW_S, remaining_s())
    return fetch_starts(reachable_nodes(), targets, keep=_COUNT_BYTES, seconds=seconds)


def read_list(node: str, kind: Kind, searched: str = "") -> list[Artifact]:
    """Return the artifacts of a kind whose name contains the text, sorted.

    Raises:
        NodeUnavailable: the node is down, slow or not trusted.
        NodeFailed: the node refused the request, or its answer is too large or not valid.
    """
    answer = _read(node, kind, {"searchKey": searched} if searched else {})
    return artifact_answers.matching(artifact_answers.artifacts_of(node, kind, answer), searched)


def read_artifact(node: str, kind: Kind, name: str, type_: str) -> Json:
    """Return the details of an artifact.

    Raises:
        NotFound: the node has no artifact of that name.
        NodeUnavailable: see `read_list`.
        NodeFailed: see `read_list`.
    """
    key = reading_of(kind.resource).name_key
    # A connector can only be listed, and MI does not find a faulty application by its name.
    if not key or type_ == "faulty":
        return _in_list(node, kind, name, type_)
    query = {key: name, "type": type_} if "type" in kind.resource.query else {key: name}
    return _read(node, kind, query)


def _in_list(node: str, kind: Kind, name: str, type_: str) -> Json:
    items = artifact_answers.items_of(node, kind, _read(node, kind, {}))
    for each_type, item in items:
        if (each_type, item.get(kind.name_key)) == (type_, name):
            return item
    raise artifact_answers.missing_artifact(node, kind, name)


def _read(node: str, kind: Kind, query: Mapping[str, str]) -> Json:
    target = kind.resource.target({}, query.items())
    found = fetch(reachable_nodes(), node, "GET", target, fields=_fields(), limit=_LIST_BYTES)
    status, _, body = found
    name = query.get(reading_of(kind.resource).name_key, "")
    # MI answers 400 for a logger that it does not know.
    if name and (status == 404 or (status == 400 and kind.name == "logging")):
        raise artifact_answers.missing_artifact(node, kind, name)
    if status != 200:
        raise artifact_answers.refused_by_node(node, status, body)
    return artifact_answers.parse_object(node, body)


def _fields() -> Fields:
    return (("accept", "application/json"), ("x-request-id", g.request_id))


def send(wanted: AuditedRequest, arguments: Mapping[str, str], content: Json | None) -> None:
    """Carry out an operation, with its audit lines.

    Args:
        wanted: the operation.
        arguments: the parameters of its path.
        content: its body; None for no body.

    Raises:
        NotFound: no artifact can have the name.
        BadRequest: the node refused the operation (400 to 499), or the name is too long.
        NodeUnavailable: the node is down, slow or not trusted; nothing was done.
        NodeFailed: the node gave no valid answer; the operation may have been carried out.
        AuditUnavailable: the audit line could not be written; nothing was done.
    """
    check_names(arguments)
    check_name(wanted.name)
    body, fields = b"", _fields()
    if content is not None:
        body = json.dumps(content, ensure_ascii=False).encode()
        fields = (*fields, ("content-type", "application/json"))
    method, target = wanted.operation.method, wanted.resource.target(arguments, ())
    record = ArtifactRecord(wanted)
    with recorded(record):
        status, _, answer = fetch(
            reachable_nodes(), wanted.node, method, target, body, fields=fields
        )
        record.finish(Outcome(status, len(body), len(answer), 0.0))
    if 400 <= status < 500:
        raise BadRequest(
            artifact_answers.error_of(answer) or f"The Micro Integrator answered {status}."
        )
    if status >= 300:
        raise artifact_answers.refused_by_node(wanted.node, status, answer)
