"""Changes of artifacts by operators, each confirmed: `/console/nodes/mi-1/apis/change`."""

from __future__ import annotations

from flask import Response

from mi_ldap.web.access import Access, allow
from mi_ldap.web.console.address import requested_name, requested_type
from mi_ldap.web.console.artifact_kinds import LEVEL, Change, Kind, operation_of
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.flash import redirect_to
from mi_ldap.web.console.forms import form_of
from mi_ldap.web.console.node_reads import send
from mi_ldap.web.console.requested_change import audited_change, kind_of, requested_change, value_of
from mi_ldap.web.console.responses import render_page
from mi_ldap.web.console.visible_text import visible_line


@bp.get("/nodes/<node>/<kind>/change")
@allow(Access.OPERATOR)
def confirm_change(node: str, kind: str) -> Response:
    """Show the page on which the performer confirms a change."""
    found = kind_of(node, kind)
    change = requested_change(found)
    return render_page(
        "change_artifact.html",
        node=node,
        kind=found,
        name=requested_name(),
        type=requested_type(),
        change=change,
        value=value_of(change),
    )


@bp.post("/nodes/<node>/<kind>/change")
@allow(Access.OPERATOR)
@form_of("show_artifact")
def change_artifact(node: str, kind: str) -> Response:
    """Send a change of an artifact to the node; then show the artifact again."""
    found, name = kind_of(node, kind), requested_name()
    change = requested_change(found)
    wanted = audited_change(node, found, change)
    send(wanted, {"name": name} if change.is_deletion else {}, _content(found, change))
    notice = f"{visible_line(name[:240])} {change.result}{_level_of(change)}."
    if change.is_deletion:
        return redirect_to("list_artifacts", notice, node=node, kind=kind)
    type_ = requested_type() or None
    return redirect_to("show_artifact", notice, node=node, kind=kind, name=name, type=type_)


def _content(kind: Kind, change: Change) -> dict[str, str] | None:
    """Return the body of the request to the node."""
    if change.is_deletion:
        return None
    _, operation = operation_of(kind, change)
    content = {operation.name_key: requested_name(), change.key: value_of(change)}
    return {**content, "type": requested_type()} if kind.name == "templates" else content


def _level_of(change: Change) -> str:
    return f" {value_of(change)}" if change is LEVEL else ""
