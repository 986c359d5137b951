"""The table of controls, and the parsing of their values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mi_ldap
from mi_ldap.ldap import controls, messages


def test_an_assertion_is_a_critical_control_around_a_filter() -> None:
    oid, critical, value = controls.assertion("(uid=a)").for_ldap3()
    assert (oid, critical) == ("1.3.6.1.1.12", True)
    assert value == bytes.fromhex("a3 08 04 03 75 69 64 04 01 61")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, None),
        ("", None),
        ("30 00", None),
        ("30 03 81 01 00", "passwordExpired"),
        ("30 03 81 01 01", "accountLocked"),
        ("30 03 81 01 02", "changeAfterReset"),
        ("30 03 81 01 06", "passwordTooShort"),
        ("30 03 81 01 08", "passwordInHistory"),
        ("30 81 03 81 01 06", "passwordTooShort"),
        ("30 84 00 00 00 03 81 01 06", "passwordTooShort"),
        ("30 05 a0 03 80 01 05", None),
        ("30 08 a0 03 80 01 05 81 01 01", "accountLocked"),
        ("30 03 81 01 7f", None),
        ("30 02 81 00", None),
        ("30", None),
        ("ff ff ff", None),
    ],
)
def test_the_password_policys_error_is_parsed(value: str | None, error: str | None) -> None:
    content = None if value is None else bytes.fromhex(value)
    assert controls.password_policy(content).error == error


@pytest.mark.parametrize(
    ("value", "grace_logins", "expires_in_s"),
    [
        ("30 05 a0 03 81 01 02", 2, None),
        ("30 06 a0 04 80 02 0e 10", None, 3600),
        ("30 00", None, None),
    ],
)
def test_the_password_policys_warning_is_parsed(
    value: str, grace_logins: int | None, expires_in_s: int | None
) -> None:
    policy = controls.password_policy(bytes.fromhex(value))
    assert (policy.grace_logins, policy.expires_in_s) == (grace_logins, expires_in_s)


@given(st.binary(max_size=40))
def test_a_malformed_password_policy_response_is_ignored(value: bytes) -> None:
    assert controls.password_policy(value).error is None or value


def test_the_table_has_every_control() -> None:
    types = [value for value in vars(controls).values() if isinstance(value, controls.ControlType)]
    assert {*controls.CONTROLS} == {*types}
    assert len({each.oid for each in types}) == len(types)
    for each in types:
        assert re.fullmatch(r"\d(\.\d+)+", each.oid)
        assert all((each.name, each.specification, each.use)), each.oid


def test_no_other_module_has_the_oid_of_a_control() -> None:
    package = Path(mi_ldap.__file__).parent
    sources = {path: path.read_text("utf-8") for path in package.rglob("*.py")}
    for each in controls.CONTROLS:
        users = {path.name for path, text in sources.items() if f'"{each.oid}"' in text}
        assert users == {"controls.py"}, each.name


@given(st.binary(max_size=40))
def test_a_control_is_the_same_for_ldap3_and_for_the_codec(value: bytes) -> None:
    for each in controls.CONTROLS:
        control = each.with_value(value)
        oid, critical, sent = control.for_ldap3()
        assert control.encode() == messages.control(oid, sent or b"", critical=critical)
