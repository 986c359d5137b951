"""Which tokens of ICP are accepted, whatever else they contain."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mi_ldap.icp_tokens import TokenRefused, issue, kid_of, verify
from mi_ldap.settings.icp import IcpSettings
from tests.icp_tokens import KEY, KID, SECRET, claims, signed, token

SETTINGS = IcpSettings(enabled=True, secret=SecretStr(SECRET), environment="dev")
HEADER = {"alg": "HS256", "kid": KID}
NAMES = sorted(claims())

numbers = st.integers() | st.floats() | st.just(10**400) | st.just(-(10**400))
scalars = st.none() | st.booleans() | numbers | st.text(max_size=20)
any_json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4
) | st.dictionaries(st.text(max_size=5), scalars, max_size=2)


def refusal(text: str, icp: IcpSettings = SETTINGS) -> str:
    """Why the token is refused; `""` if it is accepted."""
    try:
        verify(text, icp)
    except TokenRefused as error:
        return error.reason.replace(KEY, "the key")
    return ""


def edited(edits: Mapping[str, object]) -> str:
    """A token of ICP with these claims; without those that are None."""
    return signed(HEADER, claims(**edits))


def test_a_token_of_icp_is_accepted() -> None:
    assert refusal(token()) == ""
    assert refusal(token(aud=["other", "icp-server"], jti="x", more=1)) == ""
    assert kid_of(token()) == KID


def test_issuer_and_audience_are_those_of_the_settings() -> None:
    changed = SETTINGS.model_copy(update={"jwt_issuer": "icp", "jwt_audience": "nodes"})
    assert refusal(token(iss="icp", aud="nodes"), changed) == ""
    assert refusal(token(), changed) == "its claim iss is not the expected one"


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_needed(name: str) -> None:
    assert f"its claim {name} is" in refusal(edited({name: None}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "another"),
        ("aud", "another"),
        ("aud", ["icp-server-2"]),
        ("aud", {"icp-server": 1}),
        ("scope", "runtime_agent admin"),
        ("scope", ["runtime_agent"]),
        ("sub", "mi-ldap-heartbeat"),
        ("sub", "admin"),
        ("sub", ""),
    ],
)
def test_another_claim_is_refused(name: str, value: object) -> None:
    assert refusal(edited({name: value})) == f"its claim {name} is not the expected one"


@pytest.mark.parametrize(
    ("ages", "word"),
    [
        ({"iat": -50, "nbf": -50}, ""),
        ({"iat": 50.5, "nbf": 50.5}, ""),
        ({"iat": 340}, ""),
        ({"exp": 50}, ""),
        ({"iat": -70}, "its clock differs by 70 s"),
        ({"nbf": -86400}, "its clock differs by 86400 s"),
        ({"iat": 370}, "it was issued 370 s ago, or its clock differs by that time"),
        ({"iat": 3000}, "it was issued 3000 s ago, or its clock differs by that time"),
        ({"iat": 100, "exp": 70}, "it was issued 100 s ago, or its clock differs by that time"),
    ],
)
def test_a_minute_of_leeway_and_five_minutes_of_age(ages: dict[str, float], word: str) -> None:
    now = time.time()
    said = refusal(edited({name: now - age for name, age in ages.items()}))
    assert said == word


def test_the_age_is_configured() -> None:
    short = SETTINGS.model_copy(update={"max_token_age_s": 10})
    assert refusal(token(iat=time.time() - 60), short) == ""
    assert refusal(token(iat=time.time() - 80), short) != ""


def test_a_token_of_years_is_not_accepted_for_years() -> None:
    now = int(time.time())
    assert refusal(token(exp=now + 10 * 365 * 86400)) == ""
    assert refusal(token(exp=now + 10 * 365 * 86400, iat=now - 86400)) != ""


ODD_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "-1", "1e300", "9" * 400, "9" * 5000]
ODD_VALUES = [*ODD_NUMBERS, "true", '"1"', "null", "[1]", "{}"]


@pytest.mark.parametrize("name", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("value", ODD_VALUES)
def test_what_is_no_time_is_refused(name: str, value: str) -> None:
    text = json.dumps(claims(**{name: "here"})).replace('"here"', value)
    assert refusal(signed(HEADER, text.encode())) != ""


HEADS: list[object] = [
    {**HEADER, "alg": "none"},
    {**HEADER, "alg": "HS384"},
    {**HEADER, "alg": "RS256"},
    {**HEADER, "alg": "hs256"},
    {**HEADER, "alg": ["HS256"]},
    {**HEADER, "crit": ["exp"]},
    {**HEADER, "b64": False},
    {"kid": KID},
    [],
    "text",
    b"{",
    b"\xff",
    b'{"alg":' * 3000,
]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: repr(head)[:40])
def test_another_head_is_refused(head: object) -> None:
    assert refusal(signed(head, claims())) != ""


def test_another_algorithm_is_refused_with_its_right_signature() -> None:
    long_key = KEY * 2  # HS512 needs 64 bytes
    icp = SETTINGS.model_copy(update={"secret": SecretStr(f"{KID}.{long_key}")})
    for algorithm in ("HS384", "HS512"):
        forged = jwt.encode(claims(), long_key, algorithm, headers={"kid": KID})
        assert refusal(forged, icp) == f"it is malformed or not signed with key {KID}"
    unsigned = signed({**HEADER, "alg": "none"}, claims()).rpartition(".")[0]
    assert refusal(f"{unsigned}.", icp) == f"it is malformed or not signed with key {KID}"


@pytest.mark.parametrize("content", [[], "text", 5, None, b"", b"{", b"\xff", b"[" * 20000])
def test_claims_that_are_no_object_are_refused(content: object) -> None:
    assert refusal(signed(HEADER, content)) != ""


def test_an_edited_token_is_refused() -> None:
    head, _, signature = token().split(".")
    content = signed(HEADER, claims(sub="icp-artifact-fetcher", more=1)).split(".")[1]
    assert refusal(f"{head}.{content}.{signature}") != ""
    assert refusal(token(key=KEY[::-1])) != ""
    for cut in (token()[:-4], token().rpartition(".")[0], f"{token()}.x", "..", "", "ä.ä.ä"):
        assert refusal(cut) != ""


@given(content=st.dictionaries(st.sampled_from(NAMES), any_json, min_size=1))
def test_claims_of_any_type_are_never_an_unforeseen_error(content: dict[str, Any]) -> None:
    refusal(signed(HEADER, {**claims(), **content}))


@given(name=st.sampled_from(["iss", "aud", "scope", "sub"]), value=any_json)
def test_no_other_value_of_a_claim_is_accepted(name: str, value: Any) -> None:
    right = claims()[name]
    if value != right and not (name == "aud" and isinstance(value, list) and right in value):
        assert refusal(signed(HEADER, {**claims(), name: value})) != ""


@given(header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), any_json))
def test_heads_of_any_type_are_never_an_unforeseen_error(header: dict[str, Any]) -> None:
    text = signed(header, claims())
    assert kid_of(text) in (None, header.get("kid"))
    if header.get("alg") != "HS256":
        assert refusal(text) != ""


@given(text=st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_a_text_that_is_no_token_is_refused(text: str) -> None:
    assert kid_of(text) is None
    assert refusal(text) != ""


def test_the_own_token_is_for_icp_alone() -> None:
    own = issue(SETTINGS)
    head = jwt.get_unverified_header(own)
    body = jwt.decode(own, KEY, ["HS256"], audience="icp-server", issuer="icp-runtime-jwt-issuer")
    assert (head["alg"], head["kid"]) == ("HS256", KID)
    assert (body["scope"], body["exp"] - body["iat"]) == ("runtime_agent", 300)
    assert type(body["exp"]) is type(body["iat"]) is int
    assert refusal(own) == "its claim sub is not the expected one"
