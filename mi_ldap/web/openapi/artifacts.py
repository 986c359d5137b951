"""The operations on integration artifacts, of which there are none here."""

from __future__ import annotations

from mi_ldap.web.api import response_schemas as answers
from mi_ldap.web.api.artifacts import NAMING_KEYS, NO_SUCH_ARTIFACT
from mi_ldap.web.api.operation import Answer, Operation, together
from mi_ldap.web.openapi import common_errors as problems

_NONE = {
    "totalCount": 0,
    "activeCount": 0,
    "activeList": [],
    "faultyCount": 0,
    "faultyList": [],
}

_ABOUT = f"404 if the query names an artifact: {', '.join(f'`{key}`' for key in NAMING_KEYS)}."

OPERATIONS = (
    Operation(
        method="get",
        path="/management/{artifacts}",
        tag="Artifacts",
        summary="List integration artifacts",
        about=_ABOUT,
        answer=Answer("None.", answers.NoArtifacts(), {"none": {"count": 0, "list": []}}),
        problems=together(
            problems.NO_TOKEN, {404: (NO_SUCH_ARTIFACT, "Requested resource not found.")}
        ),
    ),
    Operation(
        method="get",
        path="/management/applications",
        tag="Artifacts",
        summary="List applications",
        about=_ABOUT,
        answer=Answer("None.", answers.NoApplications(), {"none": _NONE}),
        problems=together(problems.NO_TOKEN, {404: (NO_SUCH_ARTIFACT,)}),
    ),
)
