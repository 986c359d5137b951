"""Tokens as an attacker makes them."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt

from mi_ldap.web.context import MAX_FIELD
from tests.api.client import Api

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
    if len(header) > MAX_FIELD:
        assert answer.status_code == 431, answer.text
        return 401  # refused as well, before anything is looked at
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code
