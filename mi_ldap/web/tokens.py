"""JSON Web Tokens: encoded, decoded and checked with flask-jwt-extended, here alone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    decode_token,
    set_access_cookies,
    unset_access_cookies,
)
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from mi_ldap.errors import NotAuthenticated, TokenExpired
from mi_ldap.model import Performer
from mi_ldap.services.container import Services
from mi_ldap.services.login import LoggedIn
from mi_ldap.state.tokens import SCOPE_CHANGE_PASSWORD
from mi_ldap.store import Read, ReadAdminRole, ReadUser, UserReads
from mi_ldap.web.context import services

ALGORITHM = "HS256"

Claims = Mapping[str, Any]

READING = frozenset({"GET", "HEAD"})
"""The methods of requests that change nothing in the directory."""

CONSOLE = "console"
"""The claim `use` of a token in the console's cookie; a token of the API has no such claim."""

_REQUIRED = ("uid", "epoch", "jti", "exp")
"""The claims that a token must have."""

# How far `iat` and `nbf` may lie in the future, in seconds, because machines' clocks differ.
LEEWAY_S = 60

# For each worker; a decoded token takes about 1 kB.
CACHED_TOKENS = 512

_LOGGED_OUT = "The token was logged out. Log in again."
_NOT_VALID = "The token is not valid. Log in again."
_MISSING = "Log in first: the request carries no token."


def init_app(app: Flask, services: Services) -> None:
    """Configure flask-jwt-extended with the service's keys, claims and revocations."""
    token = services.settings.management_api.jwt_token_security_handler.token_config
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_ENCODE_ISSUER=token.issuer,
        JWT_DECODE_ISSUER=token.issuer,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=token.expiry),
        JWT_DECODE_LEEWAY=LEEWAY_S,  # of `iat` and `nbf`; `authenticate` checks `exp` without it
        JWT_TOKEN_LOCATION=["headers"],  # never the query; cookies are set by the console alone
        JWT_ACCESS_COOKIE_NAME=_cookie_name(services),
        JWT_COOKIE_SECURE=True,
        JWT_COOKIE_SAMESITE="Strict",
        # With it every token would get a claim; the console's forms have their own value.
        JWT_COOKIE_CSRF_PROTECT=False,
    )
    jwt = JWTManager(app)
    keys = services.keys
    # Decoding takes 0.3 ms, and its result depends on the text and the keys alone. One cache for
    # each application: tests make several, with different keys, in one process.
    app.extensions["mi_ldap_decoded"] = lru_cache(CACHED_TOKENS)(_decode)

    @jwt.encode_key_loader
    def signing_key(_identity: str) -> str:
        return keys.signing_key

    @jwt.decode_key_loader
    def verifying_key(header: Claims, _claims: Claims) -> str:
        kid = header.get("kid")
        if not isinstance(kid, str) or kid not in keys.keys:
            raise NotAuthenticated("The token's key is not known. Log in again.")
        return keys.keys[kid]


def encode(logged_in: LoggedIn, **more: str) -> str:
    """Return a token for a successful login.

    Args:
        logged_in: the user, and the scope of the token.
        more: further claims.
    """
    user = logged_in.user
    claims = {"uid": user.id, "scope": logged_in.scope, "epoch": user.epoch, **more}
    headers = {"kid": services().keys.current}
    token: str = create_access_token(
        user.name, additional_claims=claims, additional_headers=headers
    )
    return token


def authenticate(
    use: str | None = None, *, for_admins: bool = False, further: Sequence[Read] = ()
) -> Performer:
    """Return who sends the request, as the directory has the user now.

    Args:
        use: None for the API, whose tokens are in the header `Authorization`; else the claim `use`
            of a token in a cookie. A token of one is refused by the other.
        for_admins: whether `authority` will be asked for the admin role; it is read together with
            the user.
        further: what else is read together with them.

    Raises:
        TokenExpired: the token is authentic, but expired.
        NotAuthenticated: there is no token, or it is not valid any more.
        Unavailable: the directory or the revocations cannot be read.
    """
    token = _cookie() if use else bearer()
    claims: Claims = current_app.extensions["mi_ldap_decoded"](token)
    g.claims = claims
    if claims.get("use") != use:
        raise NotAuthenticated(_NOT_VALID)
    # What may change while a decoded token is cached is checked on every request.
    if int(claims["exp"]) <= time.time():
        raise TokenExpired
    if services().revocations.is_revoked(str(claims["jti"])):
        raise NotAuthenticated(_LOGGED_OUT)
    user_id = str(claims["uid"])
    together = [ReadUser(user_id), ReadAdminRole(), *further] if for_admins else []
    user = read_authority(together).user(user_id)
    # The epoch is compared for equality only: directories keep times in seconds, or none.
    if user is None or not user.enabled or user.epoch != claims["epoch"]:
        raise NotAuthenticated("The token is no longer valid. Log in again.")
    return Performer(user, claims.get("scope") == SCOPE_CHANGE_PASSWORD, g.client)


def authority() -> UserReads:
    """Return the reads that authorize this request, after `authenticate`."""
    reads: UserReads = g.authority
    return reads


def read_authority(together: Sequence[Read]) -> UserReads:
    """Return the reads that authorize this request, and keep them for `authority`.

    Args:
        together: what is read now, in one round trip.
    """
    # A change is authorized by the directory itself: the replica may lag behind a demotion, which
    # must stop the next change of that admin.
    reads = services().store.authority(changes=request.method not in READING)
    if together:
        reads = reads.prefetch(*together)
    g.authority = reads
    return reads


def _cookie() -> str:
    token = request.cookies.get(current_app.config["JWT_ACCESS_COOKIE_NAME"])
    if not token:
        raise NotAuthenticated(_MISSING)
    return token


def bearer() -> str:
    """Return the token of the header `Authorization`, which may have further credentials.

    Raises:
        NotAuthenticated: there is none, or more than one.
    """
    # flask-jwt-extended 4.7 compares the scheme with case, against RFC 9110 §11.1.
    credentials = [each.split() for each in request.headers.get("Authorization", "").split(",")]
    tokens = [words[1:] for words in credentials if words and words[0].lower() == "bearer"]
    if len(tokens) != 1:
        raise NotAuthenticated(_MISSING)
    if len(tokens[0]) != 1:
        raise NotAuthenticated(_NOT_VALID)
    return tokens[0][0]


def _decode(token: str) -> Claims:
    """Return the claims of an authentic token, which may have expired."""
    try:
        claims: Claims = decode_token(token, allow_expired=True)
        int(claims["exp"])  # PyJWT leaves `exp` alone when expired tokens are allowed
    except (
        JWTExtendedException,
        PyJWTError,
        LookupError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise NotAuthenticated(_NOT_VALID) from error
    # Without an expiry it would be valid for ever; `decode_token` accepts refresh tokens, too.
    if claims["type"] != "access" or not all(claims.get(name) for name in _REQUIRED):
        raise NotAuthenticated(_NOT_VALID)
    return claims


def revoke(performer: Performer) -> None:
    """Revoke the request's token, for every worker."""
    services().login.logout(performer, str(g.claims["jti"]), float(g.claims["exp"]))


def claim(name: str) -> str:
    """Return a claim of the request's token; `""` if it has none of that name."""
    return str(g.claims.get(name) or "")


def set_cookie(response: Response, token: str) -> Response:
    """Set the session cookie: it ends with the browser, and no script can read it."""
    set_access_cookies(response, token)
    return response


def delete_cookie(response: Response) -> Response:
    """Delete the session cookie."""
    unset_access_cookies(response)
    return response


def _cookie_name(services: Services) -> str:
    """Return the name of the session cookie."""
    # It contains a digest of a key: cookies ignore ports (RFC 6265 §8.5), so two services on one
    # host would overwrite each other's. Of the oldest key: adding one must not log anybody out.
    digest = hashlib.sha256(b"cookie:" + services.keys.oldest.encode()).hexdigest()
    # Browsers accept `__Host-` only with Secure and for this host alone (RFC 6265bis).
    return f"__Host-mi-ldap-{digest[:12]}"
