"""What the doctor says of the account of the Integration Control Plane."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mi_ldap.checks.findings import Finding
from mi_ldap.checks.icp import examine_icp
from tests.api.client import Api
from tests.api.conftest import light_api_of, memory, opened
from tests.checks.doctor_runs import Command
from tests.icp_tokens import ICP
from tests.memory_store import MemoryStore

__all__ = ["light_api_of", "memory", "opened"]


@pytest.fixture
def admin(light_api_of: Callable[..., Api]) -> Api:
    return light_api_of(**ICP, ICP_CONFIG__ACCOUNT="icp").logged_in("admin")


def found(api: Api) -> Finding:
    (finding,) = examine_icp(api.services)
    assert finding.check == "icp"
    return finding


def test_an_admin_can_be_the_account(admin: Api) -> None:
    admin.add_user("icp", isAdmin=True)
    assert found(admin).level == "pass"
    assert found(admin).sentence == "ICP creates and deletes users as the admin icp."


def test_a_missing_account_is_reported(admin: Api) -> None:
    finding = found(admin)
    assert (finding.level, finding.remedy.partition(",")[0]) == ("fail", "mi user create icp")
    assert finding.sentence.startswith("There is no user icp")


def test_an_account_that_is_no_admin_is_reported(admin: Api) -> None:
    admin.add_user("icp")
    finding = found(admin)
    assert (finding.level, finding.remedy.partition(",")[0]) == ("fail", "mi role assign icp admin")


def test_a_disabled_account_is_reported(admin: Api, memory: MemoryStore) -> None:
    admin.add_user("icp", isAdmin=True)
    memory.account("icp").enabled = False
    assert found(admin).sentence.startswith("The user icp is disabled")


def test_an_account_that_cannot_be_read_is_reported(admin: Api, memory: MemoryStore) -> None:
    memory.is_down = True
    assert found(admin).level == "fail"


def test_without_an_account_icp_only_reads(light_api_of: Callable[..., Api]) -> None:
    assert found(light_api_of(**ICP)).sentence.startswith("ICP only reads")


def test_nothing_is_said_where_icp_is_not_enabled(light_api_of: Callable[..., Api]) -> None:
    assert [*examine_icp(light_api_of().services)] == []


def test_the_doctor_has_the_check(tmp_path: Path, command: Command) -> None:
    place = {
        "USER_STORE__TYPE": "database",
        "DATASOURCE__URL": f"sqlite:///{tmp_path / 'users.sqlite'}",
        "STATE_DIR": str(tmp_path / "state"),
    }
    environ = {f"MI_LDAP_{key}": value for key, value in {**place, **ICP}.items()}
    command(environ, "database", "create")
    said = command(environ, "doctor", "--json")
    assert "icp" in {each["check"] for each in json.loads(said.stdout)["findings"]}
