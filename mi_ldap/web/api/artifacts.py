"""The integration artifacts and logs of the Micro Integrators.

Without a Micro Integrator all lists are empty. The routes are created from the table in
`mi_ldap.micro_integrators.resources`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Blueprint, Response, jsonify, request

from mi_ldap.errors import AuditUnavailable, Forbidden, NotFound
from mi_ldap.micro_integrators.resources import RESOURCES, Audience, Operation, Resource
from mi_ldap.web.access import Access, allow
from mi_ldap.web.api.forwarded_requests import audit_refusal, forward_request
from mi_ldap.web.api.operation import Forwarded, Success
from mi_ldap.web.api.operation import operation as described
from mi_ldap.web.api.response_schemas import Applications, Artifacts
from mi_ldap.web.errors import handle_error
from mi_ldap.web.nodes import has_nodes

NO_SUCH_ARTIFACT = "This service has no artifacts: no Micro Integrator is configured behind it."

NAMING_KEYS = frozenset(
    # Not `path`: a path in the registry may name a folder, whose list is empty.
    each.name_key
    for resource in RESOURCES
    for each in resource.operations
    if resource.is_list and not each.is_write and each.name_key != "path"
) - {""}
"""The query keys that name a single artifact, of all kinds."""

_ACCESS = {
    Audience.READERS: Access.READER,
    Audience.OPERATORS: Access.OPERATOR,
    Audience.ADMINS: Access.ADMIN,
}
_ANSWER = "The answer of the Micro Integrator."
_VERBS = {"GET": "Read", "POST": "Change", "PUT": "Replace", "PATCH": "Change", "DELETE": "Delete"}

bp = Blueprint("artifacts", __name__, url_prefix="/management")


def _operations() -> Iterator[tuple[Resource, Operation]]:
    """Yield the rows whose views are in this module."""
    for resource in RESOURCES:
        for each in resource.operations:
            if resource.path != "/server" or each.is_write:
                yield resource, each


def _endpoint(resource: Resource, operation: Operation) -> str:
    return f"{operation.method.lower()} {resource.path}"


def _view(resource: Resource, operation: Operation) -> Callable[..., Response]:
    """Return the view of an operation, with its access and its description."""

    def view(**arguments: str) -> Response:
        if has_nodes():
            return forward_request(resource, operation, arguments)
        return _without_node(resource, operation)

    view.__doc__ = _docstring(resource, operation)
    describe = described(
        _success(resource, operation),
        errors=(NotFound(NO_SUCH_ARTIFACT), NotFound()),
        forwarded=Forwarded(operation.body, resource.query),
    )
    return allow(_ACCESS[operation.audience])(describe(view))


def _without_node(resource: Resource, operation: Operation) -> Response:
    """Return an empty list.

    Raises:
        NotFound: the request is not for a list, or names an artifact, even with an empty name.
    """
    # The CLIs take 200 for "found": they print an empty record, and `get logs` overwrites a file.
    is_list = resource.is_list and not operation.is_write
    if not is_list or any(key in request.args for key in NAMING_KEYS):
        raise NotFound(NO_SUCH_ARTIFACT)
    if resource.path == "/applications":
        return jsonify(totalCount=0, activeCount=0, activeList=[], faultyCount=0, faultyList=[])
    return jsonify(count=0, list=[])


def _success(resource: Resource, operation: Operation) -> Success:
    if not resource.is_list or operation.is_write:
        return Success(_ANSWER)
    schema = Applications() if resource.path == "/applications" else Artifacts()
    return Success(f"{_ANSWER} Without one, an empty list.", schema)


def _docstring(resource: Resource, operation: Operation) -> str:
    key = operation.name_key if operation.name_key in resource.query else ""
    summary = f"{_VERBS[operation.method]} {resource.path.removeprefix('/').replace('-', ' ')}."
    if resource.is_list and key and not operation.is_write:
        return f"{summary}\n\nA list, or the one that `{key}` names."
    return summary


@bp.errorhandler(Forbidden)
def audit_forbidden(error: Forbidden) -> Response:
    """Write the audit line of a refused operation; return the response."""
    resource, operation = _ROWS[(request.endpoint or "").removeprefix(f"{bp.name}.")]
    if has_nodes():
        try:
            audit_refusal(resource, operation, request.view_args or {}, error)
        except AuditUnavailable as unavailable:
            return handle_error(unavailable)
    return handle_error(error)


_ROWS = {_endpoint(*row): row for row in _operations()}

for _name, (_resource, _operation) in _ROWS.items():
    bp.add_url_rule(
        _resource.path.replace("{", "<").replace("}", ">"),
        _name,
        _view(_resource, _operation),
        methods=[_operation.method],
    )
