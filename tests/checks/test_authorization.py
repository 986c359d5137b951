"""What the doctor says of operator roles, and of paths that only admins may read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from mi_ldap.checks.authorization import examine_authorization
from tests.api.client import Api
from tests.api.conftest import light_api_of, memory, opened
from tests.api.forwards import gateway_over
from tests.memory_store import MemoryStore

__all__ = ["light_api_of", "memory", "opened"]


def test_an_operator_role_that_does_not_exist_is_reported(
    memory: MemoryStore, tmp_path: Path, opened: ExitStack
) -> None:
    services = gateway_over(memory, tmp_path, opened).admin.services
    present, absent = examine_authorization(services)
    assert (present.level, present.sentence) == (
        "pass",
        "Users with the role operators are operators.",
    )
    assert (absent.level, absent.remedy) == (
        "warn",
        "mi role create night shift, or correct the name.",
    )


def test_operator_roles_that_cannot_be_read_are_reported(
    memory: MemoryStore, tmp_path: Path, opened: ExitStack
) -> None:
    services = gateway_over(memory, tmp_path, opened).admin.services
    memory.is_down = True
    assert [finding.level for finding in examine_authorization(services)] == ["fail", "fail"]


def test_a_path_that_reserves_nothing_is_reported(light_api_of: Callable[..., Api]) -> None:
    paths = "/users, roles/, /, /applications/orders, /registry-resources/content, /APIS, /nothing"
    api = light_api_of(MANAGEMENT_API__AUTHORIZATION_HANDLER__RESOURCES=paths)
    found = [*examine_authorization(api.services)]
    assert [(finding.level, finding.sentence.split(",")[0]) for finding in found] == [
        ("warn", "The API has no path /APIS"),
        ("warn", "The API has no path /nothing"),
    ]
    assert found[0].remedy == "Correct or remove it: the path is /apis."


def test_nothing_is_said_of_the_default_settings(light_api_of: Callable[..., Api]) -> None:
    assert [*examine_authorization(light_api_of().services)] == []
