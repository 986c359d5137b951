"""The operations on roles."""

from __future__ import annotations

from mi_ldap.errors import (
    DomainNotFound,
    Forbidden,
    RoleExists,
    RoleNotFound,
    UserNotFound,
)
from mi_ldap.model import role_name_warning
from mi_ldap.web.api import response_schemas as answers
from mi_ldap.web.api.operation import Answer, Operation, Problems, together
from mi_ldap.web.api.schemas import ListQuery, RoleBody, RoleChangeBody, missing
from mi_ldap.web.openapi import common_errors as problems

_WRONG = "Error processing the request. "
_ADMINS = together(problems.NO_TOKEN, problems.ADMINS_ONLY)
_NO_ROLE: Problems = {404: (RoleNotFound("developers"), DomainNotFound("FACTORY"))}

OPERATIONS = (
    Operation(
        method="get",
        path="/management/roles",
        tag="Roles",
        summary="List roles",
        about="Complete and sorted, `Internal/everyone` among them.",
        query=ListQuery(exclude=("role",)),
        answer=Answer(
            "The roles.",
            answers.RoleNames(),
            {
                "all": {"count": 2, "list": [{"role": "admin"}, {"role": "Internal/everyone"}]},
                "page": {"count": 1, "list": [{"role": "admin"}], "total": 2},
            },
            may_be_cut=True,
        ),
        problems=together(_ADMINS, problems.QUERY),
    ),
    Operation(
        method="post",
        path="/management/roles",
        tag="Roles",
        summary="Create a role",
        about="It has no members yet. Its name may begin with `Internal/` or `Application/`. The "
        "answer has a `warning` if the dashboard fails because of the name.",
        body=RoleBody(),
        sent={"role": {"role": "developers"}, "hybrid": {"role": "testers", "domain": "Internal"}},
        answer=Answer(
            "Role created.",
            answers.RoleWritten(),
            {
                "added": {"role": "developers", "status": "Added"},
                "warning": {
                    "role": "release managers",
                    "status": "Added",
                    "warning": role_name_warning("release managers"),
                },
            },
        ),
        problems=together(
            _ADMINS,
            problems.BODY,
            {
                400: (
                    missing("role"),
                    RoleExists("developers"),
                    f"{_WRONG}The role name is not allowed: it is empty.",
                )
            },
            problems.NO_DOMAIN,
            problems.WRITING,
        ),
    ),
    Operation(
        method="put",
        path="/management/roles",
        tag="Roles",
        summary="Assign and revoke roles",
        about="All of it or nothing. What is held already, or not held, is no error. One of the "
        "two lists at least must be there.",
        body=RoleChangeBody(),
        sent={
            "give": {"userId": "bob", "addedRoles": ["developers"]},
            "take": {"userId": "bob", "addedRoles": None, "removedRoles": ["developers"]},
        },
        answer=Answer(
            "Roles updated.",
            answers.UserWritten(),
            {"changed": {"userId": "bob", "status": "Added/removed the roles"}},
        ),
        problems=together(
            _ADMINS,
            problems.BODY,
            problems.TWO_USERS,
            problems.TWO_ROLES,
            {
                400: (
                    missing("userId"),
                    missing("addedRoles", "removedRoles"),
                    f"{_WRONG}A role is both added and removed.",
                    f"{_WRONG}Send at most 200 roles.",
                ),
                403: (
                    *problems.by_custody("remove it"),
                    Forbidden("Every user has the role Internal/everyone; it cannot be changed."),
                ),
                404: (UserNotFound("bob"), *_NO_ROLE[404]),
            },
            problems.WRITING,
        ),
    ),
    Operation(
        method="get",
        path="/management/roles/{role}",
        tag="Roles",
        summary="Show a role",
        about="`Internal/everyone` is held by all users.",
        in_domain=True,
        answer=Answer(
            "The role.",
            answers.Role(),
            {"role": {"role": "developers", "users": ["alice", "bob"]}},
            may_be_cut=True,
        ),
        problems=together(_ADMINS, problems.TWO_ROLES, _NO_ROLE),
    ),
    Operation(
        method="delete",
        path="/management/roles/{role}",
        tag="Roles",
        summary="Delete a role",
        about="Not the admin role, nor `Internal/everyone`.",
        in_domain=True,
        answer=Answer(
            "Role deleted.",
            answers.RoleWritten(),
            {"deleted": {"role": "developers", "status": "Deleted"}},
        ),
        problems=together(
            _ADMINS,
            problems.TWO_ROLES,
            {403: (Forbidden("The admin role admin cannot be deleted."),)},
            _NO_ROLE,
            problems.WRITING,
        ),
    ),
)
