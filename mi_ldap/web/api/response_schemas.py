"""The schemas of responses, for the OpenAPI document; tests compare the responses with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import INCLUDE, RAISE, Schema, fields, validate

from mi_ldap import __version__

ADDED = "Added"
DELETED = "Deleted"
UPDATED = "User password updated successfully."
ROLES_CHANGED = "Added/removed the roles"
"""The values of `status`, in MI's words: its clients print them."""

_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"  # noqa: S105 - an example


class ResponseSchema(Schema):
    """The base of all responses; no other keys are sent."""

    examples: ClassVar[Mapping[str, object]] = {}
    """Bodies by name."""

    class Meta:
        """Options of marshmallow."""

        unknown = RAISE


def _string(about: str, key: str | None = None, *, needed: bool = True) -> fields.String:
    return fields.String(data_key=key, required=needed, metadata={"description": about})


def _choice(*words: str) -> fields.String:
    return fields.String(required=True, validate=validate.OneOf(words))


def _count(about: str, key: str | None = None, *, needed: bool = True) -> fields.Integer:
    described = {"description": about}
    at_least = validate.Range(min=0)
    return fields.Integer(data_key=key, required=needed, validate=at_least, metadata=described)


def _strings(about: str, key: str | None = None, *, needed: bool = True) -> fields.List[Any]:
    described = {"description": about}
    return fields.List(fields.String(), data_key=key, required=needed, metadata=described)


class Problem(ResponseSchema):
    """The body of every error."""

    error = _string("One sentence for people; programs read the header `X-Error-Code`.", "Error")


class Token(ResponseSchema):
    """`GET /management/login`."""

    examples: ClassVar = {
        "token": {"AccessToken": _TOKEN},
        "warning": {"AccessToken": _TOKEN, "Warning": "Change your password first."},
    }

    token = _string("A signed JWT.", "AccessToken")
    warning = _string("A warning of the directory's password policy.", "Warning", needed=False)


class Active(ResponseSchema):
    """`GET /management`."""

    examples: ClassVar = {
        "active": {"WSO2 Micro Integrator": __version__, "ManagementApi": "Active"}
    }

    version = _string("The version of this service.", "WSO2 Micro Integrator")
    state = fields.String(
        data_key="ManagementApi", required=True, validate=validate.OneOf(("Active",))
    )


class Server(ResponseSchema):
    """`GET /management/server`; the names are MI's."""

    examples: ClassVar = {
        "server": {
            "productName": "mi_ldap, a user store for WSO2 Micro Integrator",
            "productVersion": __version__,
            "repositoryLocation": "not applicable",
            "workDirectory": "not applicable",
            "carbonHome": "not applicable",
            "javaHome": "not applicable",
            "javaVersion": "Python 3.11.2",
            "javaVendor": "not applicable",
            "osName": "Linux",
            "osVersion": "6.1.0-18-amd64",
        }
    }

    product = _string("The product.", "productName")
    version = _string("Its version.", "productVersion")
    repository = _string("Not applicable.", "repositoryLocation")
    work = _string("Not applicable.", "workDirectory")
    home = _string("Not applicable.", "carbonHome")
    java_home = _string("Not applicable.", "javaHome")
    java_version = _string("The version of Python.", "javaVersion")
    java_vendor = _string("Not applicable.", "javaVendor")
    os = _string("The operating system.", "osName")
    os_version = _string("Its version.", "osVersion")


class Rules(ResponseSchema):
    """`GET /management/rules`."""

    examples: ClassVar = {
        "rules": {
            "adminRole": "admin",
            "allowAnyName": False,
            "passwordMinLength": 5,
        },
        "read-only": {
            "adminRole": "Internal/admin",
            "allowAnyName": False,
            "domains": ["WSO2.COM"],
            "readOnlyDomains": ["PRIMARY"],
        },
    }

    admin_role = _string("The role whose members are the admins.", "adminRole")
    allow_any_name = fields.Boolean(required=True, data_key="allowAnyName")
    min_length = _count("Minimum length of a password.", "passwordMinLength", needed=False)
    user_name = _string("RE2 that new user names must match.", "userNameRegex", needed=False)
    role_name = _string("RE2 that new role names must match.", "roleNameRegex", needed=False)
    password = _string("RE2 that new passwords must match.", "passwordRegex", needed=False)
    domains = _strings("Domains of the secondary user stores.", "domains", needed=False)
    read_only = _strings(
        "Domains of user stores whose users cannot be created, changed or deleted; `PRIMARY` for "
        "the primary one.",
        "readOnlyDomains",
        needed=False,
    )


class UserName(ResponseSchema):
    name = _string("The name.", "userId")


class RoleName(ResponseSchema):
    name = _string("The name.", "role")


class _Names(ResponseSchema):
    count = _count("The number of names in `list`.")
    total = _count("The number of names on all pages.", needed=False)


class UserNames(_Names):
    """`GET /management/users`."""

    examples: ClassVar = {
        "all": {"count": 2, "list": [{"userId": "alice"}, {"userId": "bob"}]},
        "page": {"count": 1, "list": [{"userId": "alice"}], "total": 2},
        "none": {"count": 0, "list": []},
    }

    names = fields.List(fields.Nested(UserName), required=True, data_key="list")


class RoleNames(_Names):
    """`GET /management/roles`."""

    examples: ClassVar = {
        "all": {"count": 2, "list": [{"role": "admin"}, {"role": "Internal/everyone"}]},
        "page": {"count": 1, "list": [{"role": "admin"}], "total": 2},
    }

    names = fields.List(fields.Nested(RoleName), required=True, data_key="list")


class User(ResponseSchema):
    """`GET /management/users/{id}`."""

    examples: ClassVar = {
        "user": {"userId": "bob", "isAdmin": False, "roles": ["Internal/everyone", "dev"]},
        "admin": {
            "userId": "alice",
            "isAdmin": True,
            "roles": ["Internal/everyone", "admin"],
            "createdBy": "admin",
        },
    }

    name = _string("The name as the directory has it.", "userId")
    is_admin = fields.Boolean(required=True, data_key="isAdmin")
    roles = _strings("`Internal/everyone` first, the others sorted.")
    created_by = _string("An admin's custodian, by its present name.", "createdBy", needed=False)


class Role(ResponseSchema):
    """`GET /management/roles/{role}`."""

    examples: ClassVar = {"role": {"role": "developers", "users": ["alice", "bob"]}}

    name = _string("The name as the directory has it.", "role")
    users = _strings("The users who have the role, sorted.")


class UserWritten(ResponseSchema):
    name = _string("The user.", "userId")
    status = _choice(ADDED, DELETED, UPDATED, ROLES_CHANGED)


class RoleWritten(ResponseSchema):
    name = _string("The role.", "role")
    status = _choice(ADDED, DELETED)
    warning = _string("Why clients may fail because of the name of the role.", needed=False)


class Up(ResponseSchema):
    """`GET /health`."""

    examples: ClassVar = {"up": {"status": "up"}}

    status = _choice("up")


class Ready(ResponseSchema):
    """`GET /ready`."""

    examples: ClassVar = {
        "memory": {"status": "ready", "reads": "memory"},
        "directory": {"status": "ready", "reads": "directory", "why": "it is being filled"},
        "database": {"status": "ready", "reads": "database"},
        "secondary": {"status": "ready", "reads": "memory", "unavailable": ["WSO2.COM"]},
        "hybrid": {"status": "ready", "reads": "memory", "unavailable": ["hybrid-roles"]},
    }

    status = _choice("ready")
    reads = _choice("memory", "directory", "database")
    why = _string("Why the directory is read and not the replica in memory.", needed=False)
    disk = _string("`low`: less than `server.min_free_mb` is free.", needed=False)
    account = _string("Why the service account will soon be unable to log in.", needed=False)
    unavailable = _strings(
        "Domains of secondary user stores that are down; `hybrid-roles` if these cannot be read.",
        needed=False,
    )
    nodes = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "The Micro Integrators by id, `up` or `down`."},
    )


class _Forwarded(ResponseSchema):
    """An answer of a Micro Integrator, which may have further keys."""

    class Meta:
        """Options of marshmallow."""

        unknown = INCLUDE


class Artifacts(_Forwarded):
    """A list of artifacts, or one of them."""

    examples: ClassVar = {
        "none": {"count": 0, "list": []},
        "list": {"count": 1, "list": [{"name": "orders"}]},
    }

    count = _count("The number of artifacts in `list`.", needed=False)
    artifacts = fields.List(
        fields.Raw(), data_key="list", metadata={"description": "The artifacts."}
    )


class Applications(_Forwarded):
    """`GET /management/applications`."""

    examples: ClassVar = {
        "none": {
            "totalCount": 0,
            "activeCount": 0,
            "activeList": [],
            "faultyCount": 0,
            "faultyList": [],
        }
    }

    total = _count("The number of all applications.", "totalCount", needed=False)
    active = _count("The number of those in `activeList`.", "activeCount", needed=False)
    active_list = fields.List(fields.Raw(), data_key="activeList")
    faulty = _count("The number of those in `faultyList`.", "faultyCount", needed=False)
    faulty_list = fields.List(fields.Raw(), data_key="faultyList")
