"""The decorator that describes a view for the OpenAPI document, and parses its requests.

Method, path and access come from the route, summary and description from the docstring.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response, request
from marshmallow import Schema

from mi_ldap.errors import CustodyRefused, MiLdapError
from mi_ldap.micro_integrators.resources import Body
from mi_ldap.services.admins import NO_CREATOR
from mi_ldap.web.api.response_schemas import ResponseSchema
from mi_ldap.web.api.schemas import ListQuery, body_of, query_of

View = Callable[..., Response]

_ATTRIBUTE = "mi_ldap_operation"


@dataclass(frozen=True, slots=True)
class Success:
    """The response with status 200.

    Attributes:
        description: one line.
        schema: of the body; None if it is empty.
        examples: bodies by name; empty for those of the schema.
        text: an example of a body that is plain text instead.
        is_truncatable: whether the directory may refuse to return all of it.
    """

    description: str
    schema: ResponseSchema | None = None
    examples: Mapping[str, object] = field(default_factory=dict)
    text: str = ""
    is_truncatable: bool = False

    @property
    def bodies(self) -> Mapping[str, object]:
        """The examples of this view, else those of the schema."""
        return self.examples or (self.schema.examples if self.schema else {})


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What a Micro Integrator gets of a request.

    Attributes:
        body: what the body of the request is.
        query: the query keys that are forwarded.
    """

    body: Body
    query: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """The description of a view.

    Attributes:
        summary: the first line of the view's docstring.
        description: the rest of the docstring, Markdown; may be empty.
        success: the response with status 200.
        body: the schema of the request's body.
        query: the schema of the request's query.
        has_domain: whether the query's `domain` names the user store.
        takes_password: whether the request has Basic credentials instead of a token.
        errors: examples of the errors that are not common to all views of its kind.
        forwarded: set if a Micro Integrator answers the request.
    """

    summary: str
    description: str
    success: Success
    body: Schema | None
    query: Schema | None
    has_domain: bool
    takes_password: bool
    errors: tuple[MiLdapError, ...]
    forwarded: Forwarded | None


def operation(
    success: Success,
    *,
    body: Schema | None = None,
    query: Schema | None = None,
    has_domain: bool = False,
    takes_password: bool = False,
    errors: tuple[MiLdapError, ...] = (),
    forwarded: Forwarded | None = None,
) -> Callable[[View], View]:
    """Return a decorator that describes a view.

    With `body`, the view's first argument is the loaded body; with `query`, the `Query`. See
    `Operation` for the other arguments.
    """

    def describe(view: View) -> View:
        lines = inspect.cleandoc(view.__doc__ or "").partition("\n")
        described = Operation(
            lines[0].removesuffix("."),
            " ".join(lines[2].split()),
            success,
            body,
            query,
            has_domain,
            takes_password,
            errors,
            forwarded,
        )
        decorated = _with_argument(view, described)
        setattr(decorated, _ATTRIBUTE, described)
        return decorated

    return describe


def operation_of(view: Callable[..., Any]) -> Operation:
    """Return the description of a view of the API."""
    described: Operation = getattr(view, _ATTRIBUTE)
    return described


def custody_errors(action: str) -> tuple[CustodyRefused, ...]:
    """Return examples of the refusals that protect an admin from all but its custodian."""
    return tuple(CustodyRefused("alice", action, hint) for hint in ("That is bob.", NO_CREATOR))


def _with_argument(view: View, described: Operation) -> View:
    """Return the view, called with the body or the query that its schema has loaded."""
    body, query = described.body, described.query
    if body is None and query is None:
        return view

    # The schema of the document validates the request, so the two cannot differ.
    @functools.wraps(view)
    def with_argument(**path: str) -> Response:
        loaded = body_of(request, body) if body else query_of(request, query or ListQuery())
        return view(loaded, **path)

    return with_argument
