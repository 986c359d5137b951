"""`check-config --connect` says which attribute the account may not read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app_command import run_app
from tests.field.cases import case_01_cn_names_one_base, case_20_id_hidden_by_acl
from tests.field.place import Field, running


@pytest.fixture
def field(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Field]:
    with running(request.param, tmp_path) as made:
        yield made


def check_config(field: Field) -> tuple[int, str]:
    given = {**os.environ, **field.environment, "MI_LDAP_SERVER__LOG_LEVEL": "error"}
    done = run_app("check-config", "--connect", env=given)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("field", [case_20_id_hidden_by_acl.CASE], indirect=True, ids=["field"])
def test_a_hidden_id_is_named(field: Field) -> None:
    status, said = check_config(field)
    assert status == 1
    assert "entryUUID" in said


@pytest.mark.parametrize("field", [case_01_cn_names_one_base.CASE], indirect=True, ids=["field"])
def test_a_good_directory_can_be_used(field: Field) -> None:
    status, said = check_config(field)
    assert status == 0, said
    assert "The directory can be used." in said
