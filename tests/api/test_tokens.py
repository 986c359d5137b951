"""Tokens: what they claim, and every attack on them (§2)."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
import time_machine

from mi_ldap.signing_keys import rotate_key
from mi_ldap.store import RenewEpoch
from tests.api.client import PASSWORD, Api
from tests.api.conftest import MakeApi
from tests.memory_store import MemoryStore

KEY = "0123456789abcdef0123456789abcdef"


def claims_of(api: Api) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(api.token, options={"verify_signature": False})
    return claims


def header_of(api: Api) -> dict[str, Any]:
    header: dict[str, Any] = jwt.get_unverified_header(api.token)
    return header


def signed(api: Api, claims: dict[str, Any], *, key: str = "", **header: Any) -> str:
    """A token as the service signs them, but for what is told."""
    keys = api.services.keys
    algorithm = header.pop("alg", "HS256")
    return jwt.encode(
        claims, key or keys.signing_key, algorithm, headers={"kid": keys.current, **header}
    )


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def refusal(api: Api, header: str) -> int:
    answer = api.stranger()("GET", "/server", headers={"Authorization": header})
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code


# What they claim


def test_a_token_claims_what_the_contract_says(admin: Api) -> None:
    claims = claims_of(admin)
    user = admin.services.store.find_user("admin")
    assert user is not None
    assert {"sub", "scope", "epoch", "iss", "iat", "exp", "jti"} <= set(claims)
    assert (claims["sub"], claims["scope"], claims["iss"]) == ("admin", "admin", "mi-ldap")
    assert user.id in claims.values()
    assert claims["exp"] - claims["iat"] == 3600
    assert header_of(admin)["kid"] == admin.services.keys.current
    assert header_of(admin)["alg"] == "HS256"


def test_who_is_no_admin_has_the_default_scope(bob: Api) -> None:
    assert claims_of(bob)["scope"] == "default"


def test_its_life_and_issuer_are_configured(light_api_of: MakeApi) -> None:
    token = "MANAGEMENT_API__JWT_TOKEN_SECURITY_HANDLER__TOKEN_CONFIG__"
    api = light_api_of(**{f"{token}EXPIRY": "60", f"{token}ISSUER": "me", f"{token}KEY": KEY})
    admin = api.logged_in("admin")
    assert claims_of(admin)["exp"] - claims_of(admin)["iat"] == 60
    assert jwt.decode(admin.token, KEY, ["HS256"], issuer="me")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "])
def test_the_scheme_has_no_case(light_admin: Api, scheme: str) -> None:
    assert refusal(light_admin, f"{scheme} {light_admin.token}") == 200


def test_the_scope_is_information_and_never_authority(light_admin: Api) -> None:
    light_admin.add_user("bob")
    bob = light_admin.stranger().logged_in("bob")
    forged = signed(light_admin, {**claims_of(bob), "scope": "admin"})
    answer = light_admin.stranger()("GET", "/users", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 403


def test_a_promotion_needs_no_new_token(admin: Api, bob: Api) -> None:
    assert bob("GET", "/users").status_code == 403
    admin.give("bob", "admin")
    assert bob("GET", "/users").status_code == 200


# What ends them


def test_an_expired_token_is_refused(light_admin: Api) -> None:
    with time_machine.travel(time.time() + 3599, tick=False):
        assert refusal(light_admin, f"Bearer {light_admin.token}") == 200
    with time_machine.travel(time.time() + 3601, tick=False):
        assert refusal(light_admin, f"Bearer {light_admin.token}") == 401


def test_another_epoch_ends_it_at_once(admin: Api, bob: Api) -> None:
    user = admin.services.store.find_user("bob")
    assert user is not None
    admin.services.store.apply(RenewEpoch(user))
    assert bob("GET", "/server").status_code == 401


def test_a_disabled_user_is_out(light_admin: Api, memory: MemoryStore) -> None:
    light_admin.add_user("bob")
    bob = light_admin.stranger().logged_in("bob")
    memory.account("bob").enabled = False
    assert bob("GET", "/server").status_code == 401


def test_while_the_store_is_down_it_is_neither_accepted_nor_refused(
    light_admin: Api, memory: MemoryStore
) -> None:
    memory.is_down = True
    answer = light_admin("GET", "/server")
    assert answer.status == "503 Service Unavailable"
    memory.is_down = False
    assert light_admin("GET", "/server").status_code == 200


# Attacks


EDITS: list[dict[str, Any]] = [
    {"sub": "boss"},
    {"uid": "somebody"},
    {"scope": "change-password"},
    {"exp": 99999999999},
    {"epoch": ""},
    {"iss": "another"},
    {"jti": "fresh"},
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_claim_breaks_the_signature(light_admin: Api, edit: dict[str, Any]) -> None:
    head, _, signature = light_admin.token.split(".")
    forged = f"{head}.{part({**claims_of(light_admin), **edit})}.{signature}"
    assert refusal(light_admin, f"Bearer {forged}") == 401


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "kept"])
def test_a_token_without_an_algorithm_is_none(
    light_admin: Api, algorithm: str, signature: str
) -> None:
    _, claims, kept = light_admin.token.split(".")
    head = part({**header_of(light_admin), "alg": algorithm})
    forged = f"{head}.{claims}.{kept if signature else ''}"
    assert refusal(light_admin, f"Bearer {forged}") == 401


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_our_key(light_admin: Api, algorithm: str) -> None:
    long_key = light_admin.services.keys.signing_key
    forged = signed(light_admin, claims_of(light_admin), key=long_key, alg=algorithm)
    assert refusal(light_admin, f"Bearer {forged}") == 401


def test_another_key_is_refused(light_admin: Api) -> None:
    for key in (KEY, light_admin.services.keys.signing_key[::-1]):
        forged = signed(light_admin, claims_of(light_admin), key=key)
        assert refusal(light_admin, f"Bearer {forged}") == 401


@pytest.mark.parametrize(
    "edit",
    [
        {"iss": "another"},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": None},
        {"nbf": 99999999999},
        {"iat": "x"},
        {"uid": ""},
        {"uid": None},
        {"uid": "*"},
        {"uid": "somebody else"},
        {"uid": ["list"]},
        {"uid": {"a": 1}},
        {"uid": "x\0y"},
        {"epoch": ""},
        {"epoch": None},
        {"epoch": ["x"]},
        {"type": "refresh"},
        {"sub": 5},
        {"sub": None},
    ],
)
def test_a_foreign_claim_is_refused_even_with_our_key(
    light_admin: Api, edit: dict[str, Any]
) -> None:
    forged = signed(light_admin, {**claims_of(light_admin), **edit})
    assert refusal(light_admin, f"Bearer {forged}") == 401


@pytest.mark.parametrize("missing", ["exp", "iss", "uid", "epoch", "jti", "sub"])
def test_a_missing_claim_is_refused_even_with_our_key(light_admin: Api, missing: str) -> None:
    claims = {key: value for key, value in claims_of(light_admin).items() if key != missing}
    assert refusal(light_admin, f"Bearer {signed(light_admin, claims)}") == 401


@pytest.mark.parametrize(
    "kid", ["", "2", "../../etc/passwd", "1\0", "' OR 1=1", None, 1, True, [1], {"a": 1}, 1.0]
)
def test_an_unknown_key_id_is_refused(light_admin: Api, kid: object) -> None:
    _, claims, signature = light_admin.token.split(".")
    forged = f"{part({**header_of(light_admin), 'kid': kid})}.{claims}.{signature}"
    assert refusal(light_admin, f"Bearer {forged}") == 401


def test_a_missing_key_id_is_refused(light_admin: Api) -> None:
    _, claims, signature = light_admin.token.split(".")
    forged = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{claims}.{signature}"
    assert refusal(light_admin, f"Bearer {forged}") == 401


@pytest.mark.parametrize(
    "head",
    [
        [],
        "text",
        5,
        None,
        b"",
        b"\xff\xfe",
        b"{",
        b'{"alg":"HS256","alg":"none"}',
        b"[" * 20000,
        b'{"alg":' * 5000,
        {"alg": ["HS256"]},
        {"alg": {"a": "HS256"}},
        {"alg": "HS256", "crit": ["x"]},
    ],
)
def test_an_odd_head_is_refused(light_admin: Api, head: object) -> None:
    _, claims, signature = light_admin.token.split(".")
    assert refusal(light_admin, f"Bearer {part(head)}.{claims}.{signature}") == 401


@pytest.mark.parametrize("claims", [[], "text", 5, None, b"", b"\xff", b"{", b"[" * 20000])
def test_odd_claims_are_refused_even_with_our_key(light_admin: Api, claims: object) -> None:
    head = light_admin.token.split(".")[0]
    raw = f"{head}.{part(claims)}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        raw.encode(), light_admin.services.keys.signing_key.encode()
    )
    forged = f"{raw}.{part(signature)}"
    assert refusal(light_admin, f"Bearer {forged}") == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Bearer .",
        "Bearer ..",
        "Bearer ...",
        "Bearer a.b.c",
        "Bearer \x00",
        "Bearer ü.ü.ü",
        "Token {}",
        "Bearer{}",
        "{}",
        "Bearer {} extra",
        "Bearer {}.x",
        "Bearer {}\x00",
        "Basic {}",
        "Bearer Bearer {}",
        "Bearer " + "x" * 100_000,
        "Bearer " + "." * 10_000,
        "JWT {}",
    ],
)
def test_a_malformed_header_is_refused(light_admin: Api, header: str) -> None:
    assert refusal(light_admin, header.replace("{}", light_admin.token)) == 401


def test_no_header_is_refused(light_api: Api) -> None:
    answer = light_api("GET", "/server")
    assert answer.status == "401 Unauthorized"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", ["jwt", "token", "access_token", "access_token_cookie"])
def test_a_token_in_a_query_or_a_cookie_is_nothing(light_admin: Api, name: str) -> None:
    stranger = light_admin.stranger()
    assert stranger("GET", f"/server?{name}={light_admin.token}").status_code == 401
    headers = {"Cookie": f"{name}={light_admin.token}"}
    assert stranger("GET", "/server", headers=headers).status_code == 401


def test_a_token_in_a_body_is_nothing(light_admin: Api) -> None:
    body = {"access_token": light_admin.token, "userId": "dora", "password": PASSWORD}
    assert light_admin.stranger()("POST", "/users", body).status_code == 401


# Keys


def test_after_a_rotation_old_tokens_are_good_and_new_ones_are_signed_anew(
    light_api_of: MakeApi,
) -> None:
    before = light_api_of().logged_in("admin")
    rotate_key(before.services.settings.state_dir / "signing-keys")
    restarted = light_api_of()
    after = restarted.logged_in("admin")
    assert header_of(before)["kid"] != header_of(after)["kid"]
    assert refusal(after, f"Bearer {before.token}") == 200
    assert refusal(after, f"Bearer {after.token}") == 200


def test_the_other_keys_signature_under_this_key_id_is_refused(light_api_of: MakeApi) -> None:
    first = light_api_of()
    rotate_key(first.services.settings.state_dir / "signing-keys")
    api = light_api_of()
    admin = api.logged_in("admin")
    old_key = api.services.keys.keys["1"]
    assert refusal(admin, f"Bearer {signed(admin, claims_of(admin), key=old_key)}") == 401


def test_a_token_of_another_installation_is_refused(light_admin: Api) -> None:
    claims = claims_of(light_admin)
    assert refusal(light_admin, f"Bearer {signed(light_admin, claims, key='f' * 64)}") == 401
