"""A directory that answers, and gives nothing: `/ready` says so whenever logins and lists do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.settings import Settings, load_settings
from tests.ldap.answers import DONE, answer, entry
from tests.ldap.hostile_server import Answers, server
from tests.service import local

BIND, SEARCH = 0x60, 0x63
BUSY, UNAVAILABLE, TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT = 51, 52, 3, 4, 11


def refusing(code: int) -> Answers:
    """A server that takes binds, tells what it is, and answers all else with that code."""
    asked: list[int] = []

    def answers(number: int, tag: int) -> Iterator[bytes | float]:
        if tag == BIND:
            yield answer(number)
        elif tag == SEARCH and not asked:
            asked.append(number)
            yield entry(number, "", vendorName="nobody") + answer(number, tag=DONE)
        elif tag == SEARCH:
            yield answer(number, code, tag=DONE)

    return answers


def settings_for(url: str, folder: Path) -> Settings:
    given = {
        "STATE_DIR": str(folder),
        "USER_STORE__CONNECTION_URL": url,
        "USER_STORE__CONNECTION_NAME": "cn=service,dc=x",
        "USER_STORE__CONNECTION_PASSWORD": "password",
        "USER_STORE__USER_SEARCH_BASE": "ou=people,dc=x",
        "USER_STORE__GROUP_SEARCH_BASE": "ou=groups,dc=x",
    }
    return load_settings({f"MI_LDAP_{key}": value for key, value in given.items()})


@pytest.mark.parametrize("code", [BUSY, UNAVAILABLE, TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT])
def test_it_is_not_ready_while_it_answers_neither_logins_nor_lists(
    code: int, tmp_path: Path
) -> None:
    with server(refusing(code)) as url, local(settings_for(url, tmp_path)) as call:
        login = call("GET", "/login", basic="alice:password")
        ready = call.ask("GET", "/ready")
        assert (login.status, ready.status) == (503, 503), (login, ready)
        assert ready.headers["Retry-After"]
        assert ready.json["Error"].startswith("The directory rejected the operation")


@pytest.mark.parametrize("code", [BUSY, UNAVAILABLE])
def test_one_that_is_too_busy_for_a_bind_is_named_busy_and_not_given_up(
    code: int, tmp_path: Path
) -> None:
    def answers(number: int, _tag: int) -> Iterator[bytes | float]:
        yield answer(number, code)

    with server(answers) as url, local(settings_for(url, tmp_path)) as call:
        for _ in range(3):
            ready = call.ask("GET", "/ready")
            assert (ready.status, ready.json["Error"]) == (
                503,
                "The directory is busy. Try again later.",
            )
