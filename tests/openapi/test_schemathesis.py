"""schemathesis reads the document, sends what it says and what it forbids, and finds nothing.

Switched off, because the contract wants it otherwise:

* `unsupported_method` wants 405 for a method that an address does not have. The contract: "404
  unknown path or method, never 405". `no_405` stands in its place.
* `positive_data_acceptance`, for requests with a body, wants every body of the right shape to be
  accepted. The contract: 400 also for a user or role that exists already, for two passwords that
  differ, for a wrong old one, and for names and passwords that a rule or the directory refuses.
* `negative_data_rejection`, for OPTIONS, wants a wrong address to be refused. The contract: OPTIONS
  is answered with 200 before anything is looked at.

Looked at otherwise than schemathesis would by itself: keys that are not known are ignored, so the
schemas of requests do not forbid them; and `regex` is RE2, of which schemathesis knows nothing.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import load_all_checks
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from mi_ldap.web.api import BLUEPRINTS
from mi_ldap.web.openapi.document import document
from tests.clients.wire import basic
from tests.openapi.conftest import PASSWORD, Stage

AnyCase = Case[Any]

load_all_checks()
schemathesis.openapi.format("re2", st.sampled_from(["^b.b$", "(?i)B", "a|b", "[[:alpha:]]+", "é"]))


ARTIFACTS = "Artifacts"


def _schema(methods: list[str], examples: int) -> BaseSchema:
    made = schemathesis.openapi.from_dict(document(BLUEPRINTS))
    made.config.generation.update(
        max_examples=examples, deterministic=True, with_security_parameters=False
    )
    return made.include(method=methods)


VIEWS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
views = _schema(VIEWS, examples=25).exclude(tag=ARTIFACTS)
# Fewer: the routes are made from one table, and here, without a Micro Integrator, all are empty.
artifacts = _schema(VIEWS, examples=3).include(tag=ARTIFACTS)
shadows = _schema(["HEAD", "OPTIONS"], examples=3)


def no_405(_context: CheckContext, response: Response, _case: AnyCase) -> bool | None:
    assert response.status_code != 405
    return None


@views.parametrize()
def test_generated_requests_are_answered_as_documented(case: AnyCase, stage: Stage) -> None:
    send(case, stage)


@artifacts.parametrize()
def test_generated_requests_for_artifacts_are_answered_as_documented(
    case: AnyCase, stage: Stage
) -> None:
    send(case, stage)


@shadows.parametrize()
def test_generated_head_and_options_are_answered_as_documented(case: AnyCase, stage: Stage) -> None:
    send(case, stage)


def rejection_of_negative_data(ctx: CheckContext, response: Response, case: AnyCase) -> bool | None:
    """The check of Schemathesis, which does not take 414 and 431 for a refusal."""
    return response.status_code in {414, 431} or negative_data_rejection(ctx, response, case)


def send(case: AnyCase, stage: Stage) -> None:
    switched_off = [unsupported_method, negative_data_rejection]
    is_options = case.method == "OPTIONS"
    if "requestBody" in case.operation.definition.raw:
        switched_off.append(positive_data_acceptance)
    case.call_and_validate(
        base_url=stage.url,
        headers=authorization(case, stage),
        verify=stage.ca_file,
        additional_checks=[no_405] if is_options else [no_405, rejection_of_negative_data],
        excluded_checks=switched_off,
    )


def authorization(case: AnyCase, stage: Stage) -> dict[str, str]:
    """What the operation asks for; a logout ends a token of its own."""
    wanted = case.operation.definition.raw["security"]
    if wanted == [{"password": []}]:
        return {"Authorization": f"Basic {basic('root', PASSWORD)}"}
    token = stage.login() if case.path == "/management/logout" else stage.token
    return {"Authorization": f"Bearer {token}"} if wanted else {}
