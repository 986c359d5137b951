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
from mi_ldap.services.role_changes import MAX_ROLES, too_many_roles
from mi_ldap.web.errors import missing_keys

_FLAGS = {"true": True, "false": False, "": False}


_NO_OBJECT = "The payload must be a JSON object."


class Flag(fields.Field[bool]):
    """A Boolean, or its word in any case; null and `""` are false."""

    # marshmallow 4's Boolean accepts `on`, `1` and `y`, and refuses `TrUe`, null and "".

    default_error_messages = {"invalid": "must be true or false."}  # noqa: RUF012 - marshmallow's

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if value is None:
            return False
        return super().deserialize(value, *args, **kwargs) or False

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = value.lower() if isinstance(value, str) and len(value) < 10 else None
        if word not in _FLAGS:
            raise self.make_error("invalid")
        return _FLAGS[word]


class Text(fields.String):
    """A string that can be encoded in UTF-8."""

    default_error_messages = {"invalid": "must be a string."}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            # JSON may contain half of a surrogate pair, `"\ud800"`, which no directory takes.
            str(text).encode()
        except UnicodeEncodeError:
            raise ValidationError("contains an invalid character.") from None
        return str(text)


class Roles(fields.List[Any]):
    """A list of roles with a maximum length."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        # Before the items are loaded: a body of 1 MB has room for 250,000.
        if isinstance(value, list) and len(value) > MAX_ROLES:
            raise too_many_roles()
        return super()._deserialize(value, *args, **kwargs)


class _RequestSchema(Schema):
    """The base of all requests; unknown keys are ignored."""

    examples: ClassVar[Mapping[str, object]] = {}
    """Bodies by name, for the OpenAPI document."""

    class Meta:
        unknown = EXCLUDE


def _string(
    key: str, about: str, example: str, *, needed: bool = False, secret: bool = False
) -> Text:
    """Return a field for a text that may be left out or null; `body_of` checks `needed`."""
    described = {"description": about, "examples": [example], "needed": needed}
    if secret:
        described["format"] = "password"
    return Text(
        data_key=key, load_default=None, allow_none=True, load_only=secret, metadata=described
    )


def _roles(key: str, about: str, *examples: str) -> Roles:
    """Return a field for roles, or null for none; an absent key is not in the loaded body."""
    described = {"description": about, "examples": [list(examples)]}
    return Roles(Text(), data_key=key, allow_none=True, metadata=described)


def _domain(about: str = "") -> Text:
    store = "The user store: empty or `primary` for the main one, or a secondary one's domain."
    return _string("domain", f"{store} {about}".rstrip(), "primary")


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


class UserBody(_RequestSchema):
    """`POST /users`."""

    examples: ClassVar = {
        "user": {"userId": "bob", "password": "the builder"},
        "admin": {"userId": "alice", "password": "wonderland", "isAdmin": "true", "domain": ""},
    }

    name = _string("userId", "The name of the new user.", "bob", needed=True)
    password = _string(
        "password", "The password of the new user.", "the builder", needed=True, secret=True
    )
    is_admin = Flag(
        data_key="isAdmin",
        load_default=False,
        metadata={
            "description": "Whether the user becomes an admin, with you as custodian. A Boolean, "
            "or its word.",
            "examples": [False],
            "as_sent": {
                "type": ["boolean", "string", "null"],
                "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])?$",
            },
        },
    )
    domain = _domain()


class PasswordBody(_RequestSchema):
    """`PATCH /users/{id}`."""

    examples: ClassVar = {
        "own": {
            "oldPassword": "the builder",
            "newPassword": "two builders",
            "confirmPassword": "two builders",
        },
        "reset": {"newPassword": "two builders", "confirmPassword": "two builders"},
    }

    new = _string("newPassword", "The new password.", "two builders", needed=True, secret=True)
    confirmed = _string(
        "confirmPassword", "The new password again.", "two builders", needed=True, secret=True
    )
    old = _string(
        "oldPassword",
        "The current password; an admin may omit it for other users.",
        "the builder",
        secret=True,
    )


class RoleBody(_RequestSchema):
    """`POST /roles`."""

    examples: ClassVar = {
        "role": {"role": "developers"},
        "hybrid": {"role": "testers", "domain": "Internal"},
    }

    name = _string("role", "The name of the new role.", "developers", needed=True)
    domain = _domain("`Internal` or `Application` for a hybrid role.")


class RoleChangeBody(_RequestSchema):
    """`PUT /roles`."""

    examples: ClassVar = {
        "assign": {"userId": "bob", "addedRoles": ["developers"]},
        "revoke": {"userId": "bob", "addedRoles": None, "removedRoles": ["developers"]},
        "hybrid": {"userId": "bob", "addedRoles": ["Internal/testers"]},
    }

    name = _string("userId", "The user whose roles are changed.", "bob", needed=True)
    added = _roles("addedRoles", "Roles to assign.", "developers")
    removed = _roles("removedRoles", "Roles to revoke.", "Internal/testers")
    domain = _domain()


class ListQuery(_RequestSchema):
    """The query of a list."""

    pattern = _condition(
        "Matches the whole name, without case: `*` is any run of characters, `?` is one.", "*b*"
    )
    search_key = _condition("A part of the name, without case.", "bo", "searchKey")
    regex = _condition(
        "An RE2 expression, unanchored and case-sensitive.",
        "^b.b$",
        longest=MAX_REGEX,
        format="re2",
    )
    role = _condition("Only users who have this role.", "Internal/everyone")
    limit = _number("The maximum number of names; the response then has `total`.", low=1)
    offset = _number("The place of the first name, counted from 0.", low=0)


def body_of(request: Request, schema: Schema) -> dict[str, Any]:
    """Return the request's body as the schema loads it.

    Raises:
        BadRequest: the body is not a JSON object, a needed key is missing, or a value is wrong.
    """
    loaded = _loaded(schema, json_object(request.get_data(cache=False)))
    needed = needed_keys(schema)
    if any(loaded[name] is None for name in needed):
        raise missing_keys(*needed.values())
    return loaded


def json_object(body: bytes, *, unique_keys: bool = False) -> dict[str, Any]:
    """Return the object in a body, in UTF-8 or else in ISO-8859-1.

    Args:
        body: the body.
        unique_keys: whether to refuse an object with two equal keys, of which another parser may
            take the other one.

    Raises:
        BadRequest: the body is not a JSON object.
    """
    try:
        content = json.loads(_text(body), object_pairs_hook=_unique if unique_keys else None)
    except (ValueError, RecursionError):  # json 3.11 recurses into nested lists
        raise BadRequest(_NO_OBJECT) from None
    if not isinstance(content, dict):
        raise BadRequest(_NO_OBJECT)
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("The payload has a key twice.")
    return found


def needed_keys(schema: Schema) -> dict[str, str]:
    """Return the keys that a body must have, by the names of their fields."""
    return {
        name: field.data_key or name
        for name, field in schema.fields.items()
        if field.metadata.get("needed")
    }


def query_of(request: Request, schema: Schema) -> Query:
    """Return the conditions and the page that the request's query asks for."""
    # By the contract an empty value is no condition, and not the empty string.
    sent = {key: value for key, value in request.args.items() if value != ""}
    return Query(**_loaded(schema, sent))


def _text(body: bytes) -> str:
    """Return the body as text, in UTF-8 or else in ISO-8859-1."""
    # The dashboard's POST sends ISO-8859-1 under the type of JSON.
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
