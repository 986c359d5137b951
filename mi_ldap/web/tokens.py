"""Tokens on the wire: flask-jwt-extended encodes and decodes them, here alone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    set_access_cookies,
    unset_access_cookies,
)
from flask_jwt_extended import decode_token as verify_and_decode
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from mi_ldap.errors import NotAuthenticated, TokenExpired
from mi_ldap.model import Performer
from mi_ldap.services.container import Services
from mi_ldap.services.login import LoggedIn
from mi_ldap.state.tokens import SCOPE_CHANGE_PASSWORD
from mi_ldap.store import UserReads

ALGORITHM = "HS256"

Claims = Mapping[str, Any]

READING = frozenset({"GET", "HEAD"})
"""The methods of requests that change nothing in the directory."""

CONSOLE = "console"
"""The claim `use` of a token that lies in a cookie; one of the API has none."""

_REQUIRED = ("uid", "epoch", "jti", "exp")
"""What a token of ours always claims; the library lets one without an expiry live forever."""

LEEWAY_S = 60
"""How far `iat` and `nbf` may lie in the future, in seconds, because machines' clocks differ."""

CACHED = 512
"""Decoded tokens that a worker keeps, of a kilobyte each."""

_ANONYMOUS = "Log in first: the request carries no token."
_LOGGED_OUT = "The token was logged out. Log in again."
_NOT_VALID = "The token is not valid. Log in again."


def init_app(app: Flask, services: Services) -> None:
    """Teach the token library our keys, claims and revocations."""
    token = services.settings.management_api.jwt_token_security_handler.token_config
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_ENCODE_ISSUER=token.issuer,
        JWT_DECODE_ISSUER=token.issuer,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=token.expiry),
        JWT_DECODE_LEEWAY=LEEWAY_S,  # for `iat` and `nbf`; `performer` checks `exp` without it
        JWT_ACCESS_COOKIE_NAME=_cookie_name(services),
        JWT_COOKIE_SECURE=True,
        JWT_COOKIE_SAMESITE="Strict",
        JWT_COOKIE_CSRF_PROTECT=False,  # else every token got a claim; the console has its own
    )
    jwt = JWTManager(app)
    keys = services.keys
    # One cache for each application, whose keys it depends on. Decoding takes 0.3 ms.
    app.extensions["mi_ldap_decode_token"] = lru_cache(CACHED)(decode_token)

    @jwt.encode_key_loader
    def signing_key(_identity: str) -> str:
        return keys.signing_key

    @jwt.decode_key_loader
    def verifying_key(header: Claims, _claims: Claims) -> str:
        kid = header.get("kid")
        if not isinstance(kid, str) or kid not in keys.keys:
            raise NotAuthenticated("The token's key is not known. Log in again.")
        return keys.keys[kid]


def encode(services: Services, logged_in: LoggedIn, **more: str) -> str:
    """A token for a proved login; it claims `more`, too."""
    user = logged_in.user
    claims = {"uid": user.id, "scope": logged_in.scope, "epoch": user.epoch, **more}
    token: str = create_access_token(
        user.name, additional_claims=claims, additional_headers={"kid": services.keys.current}
    )
    return token


def performer(services: Services, use: str | None = None) -> Performer:
    """Who sends the request, read from the directory.

    Args:
        services: where users and revocations are read.
        use: None for the API, whose tokens come as Bearer; else for what the cookie's token is.
            One is never taken for the other.

    Raises:
        TokenExpired: the token is authentic, but expired.
        NotAuthenticated: there is no token, it is not good, or not any more.
        Unavailable: that cannot be told; the token is neither accepted nor refused.
    """
    text = _cookie() if use else _bearer_token()
    claims = g.claims = current_app.extensions["mi_ldap_decode_token"](text)
    if claims.get("use") != use:
        raise NotAuthenticated(_NOT_VALID)
    if int(claims["exp"]) <= time.time():
        raise TokenExpired
    if services.revocations.is_revoked(str(claims["jti"])):
        raise NotAuthenticated(_LOGGED_OUT)
    user = authority(services).user(str(claims["uid"]))
    if user is None or not user.enabled or user.epoch != claims["epoch"]:
        raise NotAuthenticated("The token is no longer good. Log in again.")
    return Performer(user, claims.get("scope") == SCOPE_CHANGE_PASSWORD, g.client)


def authority(services: Services) -> UserReads:
    """Return the reads that authorize this request: the directory itself for a change."""
    return services.store.authority(changes=request.method not in READING)


def _cookie() -> str:
    text = request.cookies.get(current_app.config["JWT_ACCESS_COOKIE_NAME"])
    if not text:
        raise NotAuthenticated(_ANONYMOUS)
    return text


def _bearer_token() -> str:
    """Return the token of the Authorization field, which may have further credentials."""
    credentials = [each.split() for each in request.headers.get("Authorization", "").split(",")]
    bearers = [words[1:] for words in credentials if words[:1] == ["Bearer"]]
    if len(bearers) != 1:
        raise NotAuthenticated(_ANONYMOUS)
    if len(bearers[0]) != 1:
        raise NotAuthenticated(_NOT_VALID)
    return bearers[0][0]


def decode_token(text: str) -> Claims:
    """Return the claims of an authentic token, which may have expired or been revoked.

    Raises:
        NotAuthenticated: it is not a token of this service.
    """
    try:
        claims: Claims = verify_and_decode(text, allow_expired=True)
        int(claims["exp"])  # not checked by the library where expired tokens are allowed
    except (
        JWTExtendedException,
        PyJWTError,
        LookupError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:
        raise NotAuthenticated(_NOT_VALID) from error
    if claims["type"] != "access" or not all(claims.get(name) for name in _REQUIRED):
        raise NotAuthenticated(_NOT_VALID)
    return claims


def log_out(services: Services, performer: Performer) -> None:
    """The request's token is dead from now on, in every worker."""
    services.login.logout(performer, str(g.claims["jti"]), float(g.claims["exp"]))


def claim(name: str) -> str:
    """What the request's token, which was found to be good, claims; `""` for nothing."""
    return str(g.claims.get(name) or "")


def put_into_cookie(response: Response, token: str) -> Response:
    """The browser keeps the token until it is closed, and no script can read it."""
    set_access_cookies(response, token)
    return response


def drop_cookie(response: Response) -> Response:
    """The browser forgets the token."""
    unset_access_cookies(response)
    return response


def _cookie_name(services: Services) -> str:
    """One for each signing key: cookies ignore ports, and hosts may have several services.

    By the oldest key, so that adding one logs nobody out.
    """
    digest = hashlib.sha256(b"cookie:" + services.keys.oldest.encode()).hexdigest()
    return f"__Host-mi-ldap-{digest[:12]}"
