"""The operations of logging in and out, and of what is running here."""

from __future__ import annotations

from mi_ldap import __version__
from mi_ldap.web.api import response_schemas as answers
from mi_ldap.web.api.operation import Answer, Operation, together
from mi_ldap.web.openapi import common_errors as problems

_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"  # noqa: S105 - an example
_NONE = "not applicable"

OPERATIONS = (
    Operation(
        method="get",
        path="/management/login",
        tag="Sessions",
        summary="Log in",
        about="While there is no admin, the first login that succeeds makes one. Too many failures "
        "from one address are answered with 429. A token of scope `change-password` opens nothing "
        "but `PATCH /management/users/{id}` on its own user, and logout.",
        security="password",
        answer=Answer(
            "A token.",
            answers.Token(),
            {
                "token": {"AccessToken": _TOKEN},
                "warning": {"AccessToken": _TOKEN, "Warning": "Change your password first."},
            },
        ),
        problems=problems.LOGIN,
    ),
    Operation(
        method="get",
        path="/management/logout",
        tag="Sessions",
        summary="Log out",
        about="The token is invalid at once, in every worker. An authentic token that has expired "
        "is answered with 200 too.",
        answer=Answer("Done; the body is empty."),
        problems=together(problems.NO_TOKEN, {503: problems.WRITING[503]}),
    ),
    Operation(
        method="get",
        path="/management",
        tag="Service",
        summary="Version of the API",
        security="none",
        answer=Answer(
            "It is there.",
            answers.Active(),
            {"active": {"WSO2 Micro Integrator": __version__, "ManagementApi": "Active"}},
        ),
    ),
    Operation(
        method="get",
        path="/management/server",
        tag="Service",
        summary="What is running here",
        answer=Answer(
            "Under the names that MI has for it.",
            answers.Server(),
            {
                "server": {
                    "productName": "mi_ldap, a user store for WSO2 Micro Integrator",
                    "productVersion": __version__,
                    "repositoryLocation": _NONE,
                    "workDirectory": _NONE,
                    "carbonHome": _NONE,
                    "javaHome": _NONE,
                    "javaVersion": "Python 3.11.2",
                    "javaVendor": _NONE,
                    "osName": "Linux",
                    "osVersion": "6.1.0-18-amd64",
                }
            },
        ),
        problems=problems.NO_TOKEN,
    ),
    Operation(
        method="get",
        path="/management/rules",
        tag="Service",
        summary="Rules of new names and passwords",
        about="`passwordMinLength` is missing where the service cannot read it in the directory.",
        answer=Answer(
            "The rules.",
            answers.Rules(),
            {"rules": {"adminRole": "admin", "allowAnyName": False, "passwordMinLength": 5}},
        ),
        problems=problems.NO_TOKEN,
    ),
    Operation(
        method="get",
        path="/health",
        tag="Service",
        summary="Does the process live?",
        security="none",
        answer=Answer("OK.", answers.Up(), {"up": {"status": "up"}}),
    ),
    Operation(
        method="get",
        path="/ready",
        tag="Service",
        summary="Does the directory answer?",
        security="none",
        answer=Answer(
            "It answers, and this is what answers reads.",
            answers.Ready(),
            {
                "memory": {"status": "ready", "reads": "memory"},
                "directory": {
                    "status": "ready",
                    "reads": "directory",
                    "why": "it is being filled",
                },
            },
        ),
        problems=problems.UNREADABLE,
    ),
)
