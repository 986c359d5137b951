"""The operations on users."""

from __future__ import annotations

from mi_ldap.errors import (
    DomainNotFound,
    Forbidden,
    TooManyFailures,
    UserExists,
    UserNotFound,
)
from mi_ldap.model import DIFFER
from mi_ldap.web.api import response_schemas as answers
from mi_ldap.web.api.operation import Answer, Operation, Problems, together
from mi_ldap.web.api.schemas import ListQuery, PasswordBody, UserBody, missing
from mi_ldap.web.openapi import common_errors as problems

_WRONG = "Error processing the request. "
_ADMINS = together(problems.NO_TOKEN, problems.ADMINS_ONLY)
_NO_USER: Problems = {404: (UserNotFound("bob"), DomainNotFound("FACTORY"))}
_PASSWORD_REFUSED = f"{_WRONG}The password is not allowed: it is empty."

OPERATIONS = (
    Operation(
        method="get",
        path="/management/users",
        tag="Users",
        summary="List users",
        about="Complete and sorted. Of the conditions, all that are given must hold; an empty one "
        "is none. An unknown role gives an empty list.",
        query=ListQuery(),
        answer=Answer(
            "The users.",
            answers.UserNames(),
            {
                "all": {"count": 2, "list": [{"userId": "alice"}, {"userId": "bob"}]},
                "page": {"count": 1, "list": [{"userId": "alice"}], "total": 2},
                "none": {"count": 0, "list": []},
            },
            may_be_cut=True,
        ),
        problems=together(_ADMINS, problems.QUERY),
    ),
    Operation(
        method="post",
        path="/management/users",
        tag="Users",
        summary="Create a user",
        about="With `isAdmin` you become its custodian: only you can remove it.",
        body=UserBody(),
        sent={
            "user": {"userId": "bob", "password": "the builder"},
            "admin": {"userId": "alice", "password": "wonderland", "isAdmin": "true", "domain": ""},
        },
        answer=Answer(
            "User created.", answers.UserWritten(), {"added": {"userId": "bob", "status": "Added"}}
        ),
        problems=together(
            _ADMINS,
            problems.BODY,
            {
                400: (
                    missing("userId", "password"),
                    UserExists("bob"),
                    f"{_WRONG}'userId' must be a string.",
                    f"{_WRONG}'isAdmin' must be true or false.",
                    f"{_WRONG}The user name is not allowed: it is empty.",
                    _PASSWORD_REFUSED,
                )
            },
            problems.NO_DOMAIN,
            problems.WRITING,
        ),
    ),
    Operation(
        method="get",
        path="/management/users/{id}",
        tag="Users",
        summary="Show a user",
        in_domain=True,
        answer=Answer(
            "The user.",
            answers.User(),
            {
                "user": {"userId": "bob", "isAdmin": False, "roles": ["Internal/everyone", "dev"]},
                "admin": {
                    "userId": "alice",
                    "isAdmin": True,
                    "roles": ["Internal/everyone", "admin"],
                    "createdBy": "admin",
                },
            },
        ),
        problems=together(_ADMINS, problems.TWO_USERS, _NO_USER),
    ),
    Operation(
        method="delete",
        path="/management/users/{id}",
        tag="Users",
        summary="Delete a user",
        about="An admin only as its custodian; oneself never.",
        in_domain=True,
        answer=Answer(
            "User deleted.",
            answers.UserWritten(),
            {"deleted": {"userId": "bob", "status": "Deleted"}},
        ),
        problems=together(
            _ADMINS,
            problems.TWO_USERS,
            {
                403: (
                    *problems.by_custody("remove it"),
                    Forbidden(
                        "Attempt to delete the logged in user. Operation not allowed. "
                        "Please login from another user."
                    ),
                )
            },
            _NO_USER,
            problems.WRITING,
        ),
    ),
    Operation(
        method="patch",
        path="/management/users/{id}",
        tag="Users",
        summary="Change a password",
        about="Open to everybody who is logged in and gives the old one, above all for one's own. "
        "An admin may set that of a user who is no admin without it, and that of an admin only as "
        "its custodian.",
        in_domain=True,
        body=PasswordBody(),
        sent={
            "own": {
                "oldPassword": "the builder",
                "newPassword": "two builders",
                "confirmPassword": "two builders",
            },
            "reset": {"newPassword": "two builders", "confirmPassword": "two builders"},
        },
        answer=Answer(
            "It was changed.",
            answers.UserWritten(),
            {"changed": {"userId": "bob", "status": "User password updated successfully."}},
        ),
        problems=together(
            problems.NO_TOKEN,
            problems.ADMINS_ONLY,
            problems.BODY,
            problems.TWO_USERS,
            {
                400: (
                    missing("newPassword", "confirmPassword"),
                    f"{_WRONG}{DIFFER}",
                    _PASSWORD_REFUSED,
                ),
                403: problems.by_custody("change its password"),
                429: (TooManyFailures(42),),
            },
            _NO_USER,
            problems.WRITING,
        ),
    ),
)
