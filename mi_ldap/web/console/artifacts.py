"""Lists of artifacts, log files and loggers, and the details of one: `/console/nodes/mi-1/apis`."""

from __future__ import annotations

from flask import Response

from mi_ldap.services.queries import Selection
from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.address import requested_name, requested_type
from mi_ldap.web.console.artifact_answers import Artifact, rows_of
from mi_ldap.web.console.artifact_kinds import (
    DELETION,
    LEVEL,
    LEVELS,
    LOGS,
    TRIGGER,
    Change,
    Kind,
    changes_of,
)
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import refused_form
from mi_ldap.web.console.listing import ListView, page_of
from mi_ldap.web.console.node_reads import read_artifact, read_list
from mi_ldap.web.console.requested_change import kind_of
from mi_ldap.web.console.responses import render_list, render_page
from mi_ldap.web.context import current_performer
from mi_ldap.web.guards import configured, is_operator


@bp.get("/nodes/<node>/<kind>")
@allow(Access.READER)
def list_artifacts(node: str, kind: str) -> Response:
    """Show a page of the artifacts of a kind."""
    found = kind_of(node, kind)
    view = ListView.of_request("list_artifacts")
    artifacts = read_list(node, found, view.q)
    names = tuple(each.name for each in artifacts)
    shown = page_of(view, Selection(names, len(names), complete=True))
    ordered = artifacts[::-1] if view.descending else artifacts
    start = max(0, shown.first_shown - 1)
    on_page = ordered[start : start + len(shown.names)]
    return render_list(
        "artifacts.html",
        view,
        node=node,
        kind=found,
        shown=shown,
        artifacts=on_page,
        has_state=any(each.has_state for each in on_page),
    )


@bp.get("/nodes/<node>/<kind>/details")
@allow(Access.READER)
def show_artifact(node: str, kind: str) -> Response:
    """Show the details of an artifact, and the changes that the performer may make."""
    found, name, type_ = kind_of(node, kind), requested_name(), requested_type()
    if found is LOGS:
        return redirect_to("show_log", node=node, name=name)
    answer = read_artifact(node, found, name, type_)
    artifact = Artifact.of(found, answer, name, type_)
    return render_page(
        "artifact.html",
        node=node,
        kind=found,
        artifact=artifact,
        rows=rows_of(answer),
        changes=offered_changes(found, artifact),
        level=LEVEL,
        levels=LEVELS,
        may_operate=may_operate(found),
        refused=refused_form(),
    )


def may_operate(kind: Kind) -> bool:
    """Whether the performer may change artifacts of the kind."""
    match configured(Access.OPERATOR, f"/{kind.name}"):
        case Access.OPERATOR:
            return is_operator(current_performer())
        case Access.ADMIN:
            return current_performer().admin_role is not None
    return True


def offered_changes(kind: Kind, artifact: Artifact) -> list[Change]:
    """Return the changes that would have an effect on the artifact in its present state."""
    # MI answers `enabled` and `disabled`, but a change is sent as `enable` or `disable`.
    done = {
        ("status", artifact.state),
        ("trace", artifact.tracing.removesuffix("d")),
        ("statistics", artifact.statistics.removesuffix("d")),
    }
    return [
        change
        for change in changes_of(kind)
        if change is TRIGGER
        or (change is DELETION and artifact.type != "faulty")
        or (change.key in kind.switches and (change.key, change.value) not in done)
    ]
