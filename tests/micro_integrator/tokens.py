"""MI's accounts and tokens: logins by Basic authentication, tokens in memory, 200 at most."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
import time

MOST_TOKENS = 200
"""MI's default of `token_store_config.max_size` (JWTInMemoryTokenStore)."""


class Tokens:
    """The tokens that a node knows; a restart forgets them all, since MI keeps them in memory."""

    def __init__(self, username: str, password: str, life_s: float) -> None:
        self._credentials = f"{username}:{password}".encode()
        self._username = username
        self._life_s = life_s
        self._lock = threading.Lock()
        self._known: dict[str, float] = {}

    def log_in(self, authorization: str | None) -> str | None:
        """A new token for the value of an `Authorization` header, or none."""
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
        if scheme.lower() != "basic" or not secrets.compare_digest(given, self._credentials):
            return None
        token = self._issue()
        with self._lock:
            self._known[token] = time.monotonic() + self._life_s
            while len(self._known) > MOST_TOKENS:
                del self._known[next(iter(self._known))]
        return token

    def is_known(self, authorization: str | None) -> bool:
        """Whether the header carries a token that is neither forgotten nor expired."""
        with self._lock:
            return self._known.get(_bearer(authorization), 0.0) > time.monotonic()

    def log_out(self, authorization: str | None) -> None:
        with self._lock:
            self._known.pop(_bearer(authorization), None)

    def forget(self) -> None:
        with self._lock:
            self._known.clear()

    @property
    def count(self) -> int:
        with self._lock:
            return len(self._known)

    def _issue(self) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://localhost:9164/management",
            "sub": self._username,
            "scope": "admin",
            "exp": now + int(self._life_s),
            "jti": secrets.token_hex(8),
        }
        parts = json.dumps({"alg": "RS256"}).encode(), json.dumps(claims).encode()
        return ".".join(map(_encode, (*parts, secrets.token_bytes(256))))


def _bearer(authorization: str | None) -> str:
    """MI compares the scheme with its case (AuthConstants.BEARER_AUTH_HEADER_TOKEN_TYPE)."""
    return (authorization or "").removeprefix("Bearer ").strip()


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
