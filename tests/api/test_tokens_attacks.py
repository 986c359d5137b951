"""Every attack on a token or its header is refused (§2)."""

from __future__ import annotations

from typing import Any

import jwt

from tests.api.client import PASSWORD, Api
from tests.api.tokens import KEY, claims_of, header_of, part, refusal, signed

EDITS: list[dict[str, Any]] = [
    {"sub": "boss"},
    {"uid": "somebody"},
    {"scope": "change-password"},
    {"exp": 99999999999},
    {"epoch": ""},
    {"iss": "another"},
    {"jti": "fresh"},
]


def test_an_edited_claim_breaks_the_signature(light_admin: Api) -> None:
    head, _, signature = light_admin.token.split(".")
    for edit in EDITS:
        forged = f"{head}.{part({**claims_of(light_admin), **edit})}.{signature}"
        assert refusal(light_admin, f"Bearer {forged}") == 401, edit


def test_a_token_without_an_algorithm_is_none(light_admin: Api) -> None:
    _, claims, kept = light_admin.token.split(".")
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        head = part({**header_of(light_admin), "alg": algorithm})
        for signature in ("", kept):
            assert refusal(light_admin, f"Bearer {head}.{claims}.{signature}") == 401


def test_another_algorithm_is_refused_even_with_our_key(light_admin: Api) -> None:
    key = light_admin.services.keys.signing_key
    for algorithm in ("HS384", "HS512"):
        forged = signed(light_admin, claims_of(light_admin), key=key, alg=algorithm)
        assert refusal(light_admin, f"Bearer {forged}") == 401


def test_another_key_is_refused(light_admin: Api) -> None:
    for key in (KEY, light_admin.services.keys.signing_key[::-1]):
        forged = signed(light_admin, claims_of(light_admin), key=key)
        assert refusal(light_admin, f"Bearer {forged}") == 401


FOREIGN: list[dict[str, Any]] = [
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
]


def test_a_foreign_claim_is_refused_even_with_our_key(light_admin: Api) -> None:
    for edit in FOREIGN:
        forged = signed(light_admin, {**claims_of(light_admin), **edit})
        assert refusal(light_admin, f"Bearer {forged}") == 401, edit


def test_a_missing_claim_is_refused_even_with_our_key(light_admin: Api) -> None:
    for missing in ("exp", "iss", "uid", "epoch", "jti", "sub"):
        claims = {key: value for key, value in claims_of(light_admin).items() if key != missing}
        assert refusal(light_admin, f"Bearer {signed(light_admin, claims)}") == 401, missing


def test_an_unknown_key_id_is_refused(light_admin: Api) -> None:
    _, claims, signature = light_admin.token.split(".")
    kids: list[object] = [
        "",
        "2",
        "../../etc/passwd",
        "1\0",
        "' OR 1=1",
        None,
        1,
        True,
        [1],
        {"a": 1},
        1.0,
    ]
    for kid in kids:
        forged = f"{part({**header_of(light_admin), 'kid': kid})}.{claims}.{signature}"
        assert refusal(light_admin, f"Bearer {forged}") == 401, kid


def test_a_missing_key_id_is_refused(light_admin: Api) -> None:
    _, claims, signature = light_admin.token.split(".")
    forged = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{claims}.{signature}"
    assert refusal(light_admin, f"Bearer {forged}") == 401


HEADS: list[object] = [
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
]


def test_an_odd_head_is_refused(light_admin: Api) -> None:
    _, claims, signature = light_admin.token.split(".")
    for head in HEADS:
        assert refusal(light_admin, f"Bearer {part(head)}.{claims}.{signature}") == 401


def test_odd_claims_are_refused_even_with_our_key(light_admin: Api) -> None:
    head = light_admin.token.split(".")[0]
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    odd: list[object] = [[], "text", 5, None, b"", b"\xff", b"{", b"[" * 20000]
    for claims in odd:
        raw = f"{head}.{part(claims)}"
        signature = algorithm.sign(raw.encode(), light_admin.services.keys.signing_key.encode())
        assert refusal(light_admin, f"Bearer {raw}.{part(signature)}") == 401


HEADERS = [
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
]


def test_a_malformed_header_is_refused(light_admin: Api) -> None:
    for header in HEADERS:
        assert refusal(light_admin, header.replace("{}", light_admin.token)) == 401, header


def test_no_header_is_refused(light_api: Api) -> None:
    answer = light_api("GET", "/server")
    assert answer.status == "401 Unauthorized"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_in_a_query_or_a_cookie_is_nothing(light_admin: Api) -> None:
    stranger = light_admin.stranger()
    for name in ("jwt", "token", "access_token", "access_token_cookie"):
        assert stranger("GET", f"/server?{name}={light_admin.token}").status_code == 401
        headers = {"Cookie": f"{name}={light_admin.token}"}
        assert stranger("GET", "/server", headers=headers).status_code == 401


def test_a_token_in_a_body_is_nothing(light_admin: Api) -> None:
    body = {"access_token": light_admin.token, "userId": "dora", "password": PASSWORD}
    assert light_admin.stranger()("POST", "/users", body).status_code == 401
