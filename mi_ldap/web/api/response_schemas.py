"""The shapes of what is answered: for the document, and for the tests that hold answers to it."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema, fields, validate


class _Closed(Schema):
    """A key that is not named here is never sent."""

    class Meta:
        unknown = RAISE


def _text(about: str, key: str | None = None, *, needed: bool = True) -> fields.String:
    return fields.String(data_key=key, required=needed, metadata={"description": about})


def _word(*words: str) -> fields.String:
    return fields.String(required=True, validate=validate.OneOf(words))


def _count(about: str, key: str | None = None, *, needed: bool = True) -> fields.Integer:
    described = {"description": about}
    at_least = validate.Range(min=0)
    return fields.Integer(data_key=key, required=needed, validate=at_least, metadata=described)


def _texts(about: str, key: str | None = None) -> fields.List[Any]:
    described = {"description": about}
    return fields.List(fields.String(), data_key=key, required=True, metadata=described)


class Problem(_Closed):
    """Every answer that is not 200."""

    error = _text("One sentence for the person who reads it.", "Error")


class Token(_Closed):
    """`GET /management/login`."""

    token = _text("A signed JWT.", "AccessToken")
    warning = _text("What the directory's policy wants you to know.", "Warning", needed=False)


class Active(_Closed):
    """`GET /management`."""

    version = _text("The version of this service.", "WSO2 Micro Integrator")
    state = fields.String(
        data_key="ManagementApi", required=True, validate=validate.OneOf(("Active",))
    )


class Server(_Closed):
    """`GET /management/server`; the names are MI's."""

    product = _text("What this is.", "productName")
    version = _text("Its version.", "productVersion")
    repository = _text("Not applicable.", "repositoryLocation")
    work = _text("Not applicable.", "workDirectory")
    home = _text("Not applicable.", "carbonHome")
    java_home = _text("Not applicable.", "javaHome")
    java_version = _text("What it runs on.", "javaVersion")
    java_vendor = _text("Not applicable.", "javaVendor")
    os = _text("The operating system.", "osName")
    os_version = _text("Its version.", "osVersion")


class Rules(_Closed):
    """`GET /management/rules`."""

    admin_role = _text("The role whose members are the admins.", "adminRole")
    allow_any_name = fields.Boolean(required=True, data_key="allowAnyName")
    min_length = _count("Minimum length of a password.", "passwordMinLength", needed=False)
    user_name = _text("RE2 that new user names must match.", "userNameRegex", needed=False)
    role_name = _text("RE2 that new role names must match.", "roleNameRegex", needed=False)
    password = _text("RE2 that new passwords must match.", "passwordRegex", needed=False)


class UserName(_Closed):
    name = _text("The name.", "userId")


class RoleName(_Closed):
    name = _text("The name.", "role")


class _Names(_Closed):
    count = _count("How many are in this list.")
    total = _count("How many there are on all pages.", needed=False)


class UserNames(_Names):
    """`GET /management/users`."""

    names = fields.List(fields.Nested(UserName), required=True, data_key="list")


class RoleNames(_Names):
    """`GET /management/roles`."""

    names = fields.List(fields.Nested(RoleName), required=True, data_key="list")


class User(_Closed):
    """`GET /management/users/{id}`."""

    name = _text("The name as the directory has it.", "userId")
    is_admin = fields.Boolean(required=True, data_key="isAdmin")
    roles = _texts("`Internal/everyone` first, the others sorted.")
    created_by = _text("An admin's custodian, by its present name.", "createdBy", needed=False)


class Role(_Closed):
    """`GET /management/roles/{role}`."""

    name = _text("The name as the directory has it.", "role")
    users = _texts("Who holds it, sorted.")


class UserWritten(_Closed):
    name = _text("Whom it was about.", "userId")
    status = _word(
        "Added", "Deleted", "User password updated successfully.", "Added/removed the roles"
    )


class RoleWritten(_Closed):
    name = _text("Which it was about.", "role")
    status = _word("Added", "Deleted")
    warning = _text("Why clients may fail because of the role's name.", needed=False)


class Up(_Closed):
    """`GET /health`."""

    status = _word("up")


class Ready(_Closed):
    """`GET /ready`."""

    status = _word("ready")
    reads = _word("memory", "directory")
    why = _text("Why they are not answered from memory.", needed=False)
    disk = _text("`low`: less than `server.min_free_mb` is free.", needed=False)
    account = _text("Why the service's account will soon be unable to log in.", needed=False)


class NoArtifacts(_Closed):
    """An artifact resource: there are none."""

    count = _count("None.")
    names = _texts("None.", "list")


class NoApplications(_Closed):
    """`GET /management/applications`."""

    total = _count("None.", "totalCount")
    active = _count("None.", "activeCount")
    active_names = _texts("None.", "activeList")
    faulty = _count("None.", "faultyCount")
    faulty_names = _texts("None.", "faultyList")
