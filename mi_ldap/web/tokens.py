"""Tokens on the wire: flask-jwt-extended encodes and decodes them, here alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Flask, Response, g
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    get_jwt,
    set_access_cookies,
    unset_access_cookies,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from mi_ldap.errors import NotAuthenticated
from mi_ldap.login import LoggedIn
from mi_ldap.model import Performer
from mi_ldap.store import UserStore
from mi_ldap.tokens import SCOPE_CHANGE_PASSWORD
from mi_ldap.wiring import Services

ALGORITHM = "HS256"

Claims = Mapping[str, Any]

CONSOLE = "console"
"""The claim `use` of a token that lies in a cookie; one of the API has none."""

_REQUIRED = ("uid", "epoch", "jti", "exp")
"""What a token of ours always claims; the library lets one without an expiry live forever."""


def init_app(app: Flask, services: Services) -> None:
    """Teach the token library our keys, claims and revocations."""
    token = services.settings.management_api.jwt_token_security_handler.token_config
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_ENCODE_ISSUER=token.issuer,
        JWT_DECODE_ISSUER=token.issuer,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=token.expiry),
        JWT_TOKEN_LOCATION=["headers"],  # cookies on the console only, see `performer`
        JWT_ACCESS_COOKIE_NAME=_cookie_name(services),
        JWT_COOKIE_SECURE=True,
        JWT_COOKIE_SAMESITE="Strict",
        JWT_COOKIE_CSRF_PROTECT=False,  # else every token got a claim; the console has its own
    )
    jwt = JWTManager(app)
    keys = services.keys

    @jwt.encode_key_loader
    def signing_key(_identity: str) -> str:
        return keys.signing_key

    @jwt.decode_key_loader
    def verifying_key(header: Claims, _claims: Claims) -> str:
        kid = header.get("kid")
        if not isinstance(kid, str) or kid not in keys.keys:
            raise NotAuthenticated("The token's key is not known. Log in again.")
        return keys.keys[kid]

    @jwt.token_in_blocklist_loader
    def is_revoked(_header: Claims, claims: Claims) -> bool:
        return services.revocations.is_revoked(str(claims["jti"]))


def encode(services: Services, logged_in: LoggedIn, **more: str) -> str:
    """A token for a proved login; it claims `more`, too."""
    user = logged_in.user
    claims = {"uid": user.id, "scope": logged_in.scope, "epoch": user.epoch, **more}
    token: str = create_access_token(
        user.name, additional_claims=claims, additional_headers={"kid": services.keys.current}
    )
    return token


def performer(store: UserStore, use: str | None = None) -> Performer:
    """Who sends the request, read from the directory.

    Args:
        store: where users are read.
        use: None for the API, whose tokens come as Bearer; else for what the cookie's token is.
            One is never taken for the other.

    Raises:
        NotAuthenticated: there is no token, it is not good, or not any more.
        Unavailable: that cannot be told; the token is neither accepted nor refused.
    """
    try:
        verify_jwt_in_request(locations="cookies" if use else "headers")
    except (
        JWTExtendedException,
        PyJWTError,
        LookupError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:
        raise NotAuthenticated(_sentence(error)) from error
    claims = get_jwt()
    if not all(claims.get(name) for name in _REQUIRED) or claims.get("use") != use:
        raise NotAuthenticated("The token is not valid. Log in again.")
    user = store.view.user(str(claims["uid"]))
    if user is None or not user.enabled or user.epoch != claims.get("epoch"):
        raise NotAuthenticated("The token is no longer good. Log in again.")
    return Performer(user, claims.get("scope") == SCOPE_CHANGE_PASSWORD, g.client)


def log_out(services: Services, performer: Performer) -> None:
    """The request's token is dead from now on, in every worker."""
    claims = get_jwt()
    services.login.logout(performer, str(claims["jti"]), float(claims["exp"]))


def claim(name: str) -> str:
    """What the request's token, which was found to be good, claims; `""` for nothing."""
    return str(get_jwt().get(name) or "")


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
    oldest = next(iter(services.keys.keys.values()))
    return f"__Host-mi-ldap-{hashlib.sha256(b'cookie:' + oldest.encode()).hexdigest()[:12]}"


def _sentence(error: Exception) -> str:
    words = {
        "ExpiredSignatureError": "The token has expired. Log in again.",
        "RevokedTokenError": "The token was logged out. Log in again.",
        "NoAuthorizationError": "Log in first: the request carries no token.",
    }
    return words.get(type(error).__name__, "The token is not valid. Log in again.")
