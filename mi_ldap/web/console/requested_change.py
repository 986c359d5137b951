"""The kind of artifact, and the change, that the address of a page names."""

from __future__ import annotations

from flask import request

from mi_ldap.errors import BadRequest, MiLdapError, NotFound
from mi_ldap.web.artifact_audit import AuditedRequest, audit_refused
from mi_ldap.web.console.address import requested_name, requested_type
from mi_ldap.web.console.artifact_kinds import (
    KINDS,
    LEVEL,
    LEVELS,
    Change,
    Kind,
    changes_of,
    operation_of,
)
from mi_ldap.web.nodes import ensure_node

_CHANGE = "console.change_artifact"


def kind_of(node: str, kind: str) -> Kind:
    """Return the kind of a path.

    Raises:
        NotFound: there is no such node, or no such kind.
    """
    ensure_node(node)
    if kind not in KINDS:
        raise NotFound("There is no such kind of artifacts.")
    return KINDS[kind]


def requested_change(kind: Kind) -> Change:
    """Return the change that the address names.

    Raises:
        NotFound: there is no such change of artifacts of the kind.
    """
    wanted = request.args.get("change")
    for change in changes_of(kind):
        if change.id == wanted:
            return change
    raise NotFound("There is no such change.")


def audited_change(node: str, kind: Kind, change: Change) -> AuditedRequest:
    """Return the requested change, as its audit lines describe it."""
    resource, operation = operation_of(kind, change)
    details = {} if change.is_deletion else {change.key: value_of(change)}
    if kind.name == "templates":
        details["type"] = requested_type()
    return AuditedRequest(node, resource, operation, requested_name(), details)


def value_of(change: Change) -> str:
    """Return the value that the change sets; of a level, the one that the address names.

    Raises:
        BadRequest: the address names no level that exists.
    """
    if change is not LEVEL:
        return change.value
    level = request.args.get("level", "")
    if level not in LEVELS:
        raise BadRequest(f"Choose one of the levels {', '.join(LEVELS)}.")
    return level


def audit_refused_change(error: MiLdapError) -> None:
    """Write the audit line if this refused request was a change of an artifact."""
    arguments = request.view_args or {}
    if request.endpoint != _CHANGE or arguments["kind"] not in KINDS:
        return
    kind = KINDS[arguments["kind"]]
    try:
        ensure_node(arguments["node"])  # otherwise the line could contain any text of any size
        change = requested_change(kind)
        wanted = audited_change(arguments["node"], kind, change)
    except MiLdapError:  # there is no such node or change
        return
    audit_refused(wanted, error)
