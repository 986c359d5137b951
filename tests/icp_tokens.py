"""Tokens as the Integration Control Plane 2 makes them, and those of an attacker."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

KID = "0a1b2c3d"
KEY = "q3cGtJ0cRwqg8vX2p5wq5F9w8nqv1kR0s3h2m1b0c9A="
SECRET = f"{KID}.{KEY}"

ICP = {
    "ICP_CONFIG__ENABLED": "true",
    "ICP_CONFIG__SECRET": SECRET,
    "ICP_CONFIG__ENVIRONMENT": "dev",
}
"""The settings of a service that ICP knows."""


def claims(**edits: Any) -> dict[str, Any]:
    """The claims of ICP's tokens; those that are None are left out."""
    now = int(time.time())
    own = {
        "iss": "icp-runtime-jwt-issuer",
        "sub": "icp-artifact-fetcher",
        "aud": "icp-server",
        "scope": "runtime_agent",
        "exp": now + 3600,
        "nbf": now,
        "iat": now,
    }
    return {name: value for name, value in {**own, **edits}.items() if value is not None}


def token(key: str = KEY, kid: str = KID, **edits: Any) -> str:
    """A token of ICP, but for these claims."""
    return signed({"alg": "HS256", "typ": "JWT", "kid": kid}, claims(**edits), key)


def signed(header: object, content: object, key: str = KEY) -> str:
    """A JWS of anything, with the right signature: texts of JSON as they are."""
    signing_input = f"{_part(header)}.{_part(content)}"
    digest = hmac.new(key.encode(), signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{_base64url(digest)}"


def _part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return _base64url(raw)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
