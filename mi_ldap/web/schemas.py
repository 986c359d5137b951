"""The shapes of what clients send: shape only, no rules and no I/O.

Unknown keys are ignored. A key that is absent, null or, where the contract says so, empty means
the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Request
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from mi_ldap.errors import BadRequest
from mi_ldap.queries import Query

_WORDS = {"true": True, "false": False, "": False}


class Flag(fields.Field[bool]):
    """true, false, and the same as words in any case; null and `""` are false."""

    default_error_messages = {"invalid": "must be true or false."}  # noqa: RUF012 - marshmallow's

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if value is None:
            return False
        return super().deserialize(value, *args, **kwargs) or False

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = value.lower() if isinstance(value, str) else None
        if word not in _WORDS:
            raise self.make_error("invalid")
        return _WORDS[word]


class Words(fields.String):
    """A string that can be said in UTF-8."""

    default_error_messages = {"invalid": "must be a string."}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            str(text).encode()
        except UnicodeEncodeError:
            raise ValidationError("holds a broken character.") from None
        return str(text)


class _Lenient(Schema):
    """Unknown keys are ignored."""

    class Meta:
        unknown = EXCLUDE


def _word(key: str, *, secret: bool = False) -> Words:
    return Words(data_key=key, load_default=None, allow_none=True, load_only=secret)


class UserBody(_Lenient):
    """`POST /users`."""

    name = _word("userId")
    password = _word("password", secret=True)
    is_admin = Flag(data_key="isAdmin", load_default=False)
    domain = _word("domain")


class PasswordBody(_Lenient):
    """`PATCH /users/{id}`."""

    new = _word("newPassword", secret=True)
    confirmed = _word("confirmPassword", secret=True)
    old = _word("oldPassword", secret=True)


class RoleBody(_Lenient):
    """`POST /roles`."""

    name = _word("role")
    domain = _word("domain")


class RoleChangeBody(_Lenient):
    """`PUT /roles`."""

    name = _word("userId")
    added = fields.List(Words(), data_key="addedRoles", load_default=None, allow_none=True)
    removed = fields.List(Words(), data_key="removedRoles", load_default=None, allow_none=True)
    domain = _word("domain")


class ListQuery(_Lenient):
    """The query of a list."""

    pattern = fields.String(load_default="")
    search_key = fields.String(data_key="searchKey", load_default="")
    regex = fields.String(load_default="")
    role = fields.String(load_default="")
    limit = fields.Integer(load_default=None, validate=validate.Range(min=1))
    offset = fields.Integer(load_default=None, validate=validate.Range(min=0))


def body_of(request: Request, schema: Schema) -> dict[str, Any]:
    """The request's body in the schema's shape.

    Raises:
        BadRequest: it is missing, no JSON object, or of another shape; says which.
    """
    try:
        content = json.loads(_text(request.get_data(cache=False)))
    except (ValueError, RecursionError):
        raise _bad("The payload must be a JSON object.") from None
    if not isinstance(content, dict):
        raise _bad("The payload must be a JSON object.")
    return _loaded(schema, content)


def query_of(request: Request) -> Query:
    """The conditions and the page that the request's query asks for."""
    sent = {key: value for key, value in request.args.items() if value != ""}
    return Query(**_loaded(ListQuery(), sent))


def missing(*names: str) -> BadRequest:
    """The error that names the fields of which one is missing, as MI words it."""
    listed = ", ".join(f"'{name}'" for name in names)
    return _bad(f"Missing one or more of the fields, {listed} in the payload.")


def _text(body: bytes) -> str:
    """UTF-8, else ISO-8859-1, which the dashboard sends under the JSON type."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _loaded(schema: Schema, content: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(content)
    except ValidationError as error:
        raise _bad(_first_sentence(error.messages_dict)) from None
    return loaded


def _first_sentence(messages: Mapping[str, Any]) -> str:
    name, found = next(iter(messages.items()))
    while isinstance(found, dict):
        found = next(iter(found.values()))
    return f"'{name}' {found[0][:1].lower()}{found[0][1:]}"


def _bad(sentence: str) -> BadRequest:
    return BadRequest(f"Error processing the request. {sentence}")
