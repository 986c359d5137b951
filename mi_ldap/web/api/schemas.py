"""The schemas of requests: types and lengths, but no rules of names or passwords.

Unknown keys are ignored. A key that is absent, null or, where the contract says so, empty means
the same. The metadata of a field are for the OpenAPI document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Request
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from mi_ldap.errors import BadRequest
from mi_ldap.services.queries import MAX_CONDITION, MAX_REGEX, Query
from mi_ldap.services.roles import MAX_ROLES, too_many_roles
from mi_ldap.web.errors import missing_keys

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
        word = value.lower() if isinstance(value, str) and len(value) < 10 else None
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


class Roles(fields.List[Any]):
    """A list of roles, counted before any of them is looked at."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list) and len(value) > MAX_ROLES:
            raise too_many_roles()
        return super()._deserialize(value, *args, **kwargs)


class _Lenient(Schema):
    """Unknown keys are ignored."""

    examples: ClassVar[Mapping[str, object]] = {}
    """Bodies by name, for the OpenAPI document."""

    class Meta:
        unknown = EXCLUDE


def _word(
    key: str, about: str, example: str, *, needed: bool = False, secret: bool = False
) -> Words:
    """A text that may be left out or null; `body_of` checks that it is there if `needed`."""
    described = {"description": about, "examples": [example], "needed": needed}
    if secret:
        described["format"] = "password"
    return Words(
        data_key=key, load_default=None, allow_none=True, load_only=secret, metadata=described
    )


def _roles(key: str, about: str, *examples: str) -> Roles:
    """Roles, or null for none; a key that is absent is no key of what was loaded."""
    described = {"description": about, "examples": [list(examples)]}
    return Roles(Words(), data_key=key, allow_none=True, metadata=described)


def _domain() -> Words:
    return _word("domain", "The user store: empty or `primary` for the main one.", "primary")


def _condition(
    about: str, example: str, key: str | None = None, longest: int = MAX_CONDITION, **more: str
) -> fields.String:
    described = {"description": about, "examples": [example], **more}
    bounded = validate.Length(max=longest, error="is longer than {max}.")
    return fields.String(data_key=key, load_default="", validate=bounded, metadata=described)


def _number(about: str, *, low: int) -> fields.Integer:
    number_or_empty = {"type": ["integer", "string"], "maxLength": 0}
    described = {"description": about, "examples": [low], "as_sent": number_or_empty}
    within = validate.Range(min=low)
    return fields.Integer(load_default=None, validate=within, metadata=described)


class UserBody(_Lenient):
    """`POST /users`."""

    examples: ClassVar = {
        "user": {"userId": "bob", "password": "the builder"},
        "admin": {"userId": "alice", "password": "wonderland", "isAdmin": "true", "domain": ""},
    }

    name = _word("userId", "The name of the new user.", "bob", needed=True)
    password = _word("password", "Its password.", "the builder", needed=True, secret=True)
    is_admin = Flag(
        data_key="isAdmin",
        load_default=False,
        metadata={
            "description": "Whether it becomes an admin, whose custodian you are. Also as a word.",
            "examples": [False],
            "as_sent": {
                "type": ["boolean", "string", "null"],
                "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])?$",
            },
        },
    )
    domain = _domain()


class PasswordBody(_Lenient):
    """`PATCH /users/{id}`."""

    examples: ClassVar = {
        "own": {
            "oldPassword": "the builder",
            "newPassword": "two builders",
            "confirmPassword": "two builders",
        },
        "reset": {"newPassword": "two builders", "confirmPassword": "two builders"},
    }

    new = _word("newPassword", "The new password.", "two builders", needed=True, secret=True)
    confirmed = _word(
        "confirmPassword", "The new password again.", "two builders", needed=True, secret=True
    )
    old = _word(
        "oldPassword", "The present one; an admin may do without.", "the builder", secret=True
    )


class RoleBody(_Lenient):
    """`POST /roles`."""

    examples: ClassVar = {
        "role": {"role": "developers"},
        "hybrid": {"role": "testers", "domain": "Internal"},
    }

    name = _word("role", "The name of the new role.", "developers", needed=True)
    domain = _domain()


class RoleChangeBody(_Lenient):
    """`PUT /roles`."""

    examples: ClassVar = {
        "give": {"userId": "bob", "addedRoles": ["developers"]},
        "take": {"userId": "bob", "addedRoles": None, "removedRoles": ["developers"]},
    }

    name = _word("userId", "Whose roles are changed.", "bob", needed=True)
    added = _roles("addedRoles", "Roles to give.", "developers")
    removed = _roles("removedRoles", "Roles to take.", "Internal/testers")
    domain = _domain()


class ListQuery(_Lenient):
    """The query of a list."""

    pattern = _condition("Over the whole name: `*` is any run of characters, `?` one.", "*b*")
    search_key = _condition("A part of the name.", "bo", "searchKey")
    regex = _condition(
        "An RE2 expression, unanchored, with case.", "^b.b$", longest=MAX_REGEX, format="re2"
    )
    role = _condition("Users who hold this role.", "Internal/everyone")
    limit = _number("At most so many; the answer then has `total`.", low=1)
    offset = _number("From this one on, counted from 0.", low=0)


def body_of(request: Request, schema: Schema) -> dict[str, Any]:
    """Return the request's body as the schema loads it.

    Raises:
        BadRequest: the body is not a JSON object, a needed key is missing, or a value is wrong.
    """
    try:
        content = json.loads(_text(request.get_data(cache=False)))
    except (ValueError, RecursionError):  # json 3.11 recurses into nested lists
        raise BadRequest("The payload must be a JSON object.") from None
    if not isinstance(content, dict):
        raise BadRequest("The payload must be a JSON object.")
    loaded = _loaded(schema, content)
    needed = needed_keys(schema)
    if any(loaded[name] is None for name in needed):
        raise missing_keys(*needed.values())
    return loaded


def needed_keys(schema: Schema) -> dict[str, str]:
    """Return the keys that a body must have, by the names of their fields."""
    return {
        name: field.data_key or name
        for name, field in schema.fields.items()
        if field.metadata.get("needed")
    }


def query_of(request: Request, schema: Schema) -> Query:
    """Return the conditions and the page that the request's query asks for."""
    sent = {key: value for key, value in request.args.items() if value != ""}
    return Query(**_loaded(schema, sent))


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
        raise BadRequest(_first_sentence(error.messages_dict)) from None
    return loaded


def _first_sentence(messages: Mapping[str, Any]) -> str:
    name, found = next(iter(messages.items()))
    while isinstance(found, dict):
        found = next(iter(found.values()))
    return f"'{name}' {found[0][:1].lower()}{found[0][1:]}"
