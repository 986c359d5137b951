"""The endpoints of the API, collected from the routes and the decorators of the views."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flask import Blueprint, Flask

from mi_ldap.web import names
from mi_ldap.web.access import Access, declared_access
from mi_ldap.web.api.operation import Operation, operation_of
from mi_ldap.web.openapi.common_errors import Errors, errors_of

_TAGS = {"sessions": "Sessions", "users": "Users", "roles": "Roles", "artifacts": "Artifacts"}
"""The tag of an operation, by its blueprint; all others are of the service."""

_PARAMETERS = {"users": "{id}", "roles": "{role}", "artifacts": "{name}"}
"""The path parameter of a blueprint, as the document calls it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path.

    Attributes:
        method: in lower case.
        path: with its parameters in braces, `"/management/users/{id}"`.
        access: who may call it.
        operation: what its view declares.
    """

    method: str
    path: str
    tag: str
    access: Access
    operation: Operation

    @property
    def errors(self) -> Errors:
        """Examples of all errors that only some endpoints have, by status."""
        return errors_of(self.method, self.path, self.access, self.operation)


def endpoints(blueprints: Iterable[Blueprint]) -> Iterator[Endpoint]:
    """Yield the endpoints of the blueprints, in the order of the document."""
    # A bare application: the routes are needed, and no services.
    app = Flask("openapi", static_folder=None)
    names.init_app(app)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    for rule in app.url_map.iter_rules():
        view, name = app.view_functions[rule.endpoint], rule.endpoint.partition(".")[0]
        path = re.sub(r"<[^>]+>", _PARAMETERS.get(name, ""), rule.rule)
        tag = _TAGS.get(name, "Service")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield Endpoint(method.lower(), path, tag, declared_access(view), operation_of(view))
