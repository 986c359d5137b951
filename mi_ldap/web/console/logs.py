"""Pages of a log file: its end, lines added later, download: `/console/nodes/mi-1/logs/file`."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response, current_app, g, jsonify, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from mi_ldap.errors import BadRequest, NodeUnavailable
from mi_ldap.micro_integrators.forward import CAN_FORWARD, CANNOT_FORWARD, FORWARD, Forward
from mi_ldap.web.access import Access, allow
from mi_ldap.web.artifact_audit import ArtifactRecord, AuditedRequest
from mi_ldap.web.artifact_names import check_name, check_query
from mi_ldap.web.console.address import requested_name
from mi_ldap.web.console.artifact_kinds import LOGS, reading_of
from mi_ldap.web.console.blueprint import bp
from mi_ldap.web.console.log_reads import LogBytes, read_end, read_on
from mi_ldap.web.console.responses import render_page
from mi_ldap.web.console.visible_text import log_part
from mi_ldap.web.context import current_performer, services, user_of_request
from mi_ldap.web.nodes import ensure_node

END_BYTES = 65_536
"""How many bytes of the end of a file its page shows, and each later part has, at most."""
FOLLOWED_S = 3600
"""Seconds for which a page may be followed without a new audit line."""
_PAUSE_S = 2
# A node that ignores `Range` sends the whole file for each part.
_LONG_PAUSE_S = 10

_KIND = {"kind": LOGS.name}


@bp.get("/nodes/<node>/logs/file", defaults=_KIND)
@allow(Access.READER)
def show_log(node: str, kind: str) -> Response:
    """Show the end of a log file."""
    ensure_node(node)
    name = requested_name()
    found = read_end(node, name, END_BYTES)
    part = log_part(found.content, found.start, is_cut=found.start > 0)
    return render_page(
        "log.html",
        node=node,
        kind=LOGS,
        name=name,
        text=part.text,
        is_cut=found.start > 0,
        offset=part.end,
        pause_s=_pause_s(found),
        follow=_signer().dumps(_permission(node, name)),
    )


@bp.get("/nodes/<node>/logs/file/part", defaults=_KIND)
@allow(Access.READER)
def follow_log(node: str, kind: str) -> Response:
    """Return what was added to a log file, as JSON for the script of its page.

    Keys: `text` to append, the `offset` of the next request, the seconds `pause_s` before it, and
    `was_replaced` if the text is from a new file of that name.
    """
    ensure_node(node)
    name, offset = requested_name(), request.args.get("offset", -1, type=int)
    _ensure_followed(node, name)
    if not 0 <= offset < 10**15:
        raise BadRequest("The offset is not valid.")
    found = read_on(node, name, offset, END_BYTES)
    # After a gap, or in a new file, the first line may be cut.
    is_cut = found.start > 0 and (found.was_replaced or found.start > offset)
    part = log_part(found.content, found.start, is_cut=is_cut)
    return jsonify(
        text=part.text,
        offset=part.end,
        pause_s=_pause_s(found),
        was_replaced=found.was_replaced,
    )


@bp.get("/nodes/<node>/logs/file/download", defaults=_KIND)
@allow(Access.READER)
def download_log(node: str, kind: str) -> Response:
    """Leave a `Forward` for the server, which streams the file from the node."""
    ensure_node(node)
    name = requested_name()
    check_query({"file": name})
    check_name(name)
    if not request.environ.get(CAN_FORWARD):
        raise NodeUnavailable(CANNOT_FORWARD)
    operation = reading_of(LOGS.resource)
    record = ArtifactRecord(AuditedRequest(node, LOGS.resource, operation, name, {}))
    record.begin()
    request.environ[FORWARD] = Forward(
        node=node,
        method=operation.method,
        target=LOGS.resource.target({}, {"file": name}.items()),
        fields=(("x-request-id", g.request_id),),
        body=b"",
        is_write=False,
        finished=record.finish,
        refused=record.refuse,
        user=user_of_request(),
    )
    response = Response()
    response.headers.remove("Content-Type")  # that of the node's answer is sent
    # An attachment (RFC 6266), so that the browser never shows the file as a page of this origin.
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return response


def _pause_s(found: LogBytes) -> int:
    return _LONG_PAUSE_S if found.was_whole_read else _PAUSE_S


def _ensure_followed(node: str, name: str) -> None:
    """Raise `BadRequest` unless the performer opened the page of the file in the last hour."""
    # Opening the page is audited. Without this check files could be read without an audit line.
    try:
        permission = _signer().loads(request.args.get("follow", ""), max_age=FOLLOWED_S)
    except BadSignature:
        permission = None
    if permission != _permission(node, name):
        raise BadRequest("Reload the page to continue reading.")


def _permission(node: str, name: str) -> list[str]:
    return [current_performer().user.id, node, name]


def _signer() -> URLSafeTimedSerializer:
    name = current_app.config["JWT_ACCESS_COOKIE_NAME"]
    return URLSafeTimedSerializer(services().keys.signing_key, salt=f"console:follow:{name}")
