"""The tokens between this service and the Integration Control Plane 2 (ICP): JWTs with HS256.

Both sides sign with the same key. Their tokens differ in `sub`, so that a token that this service
has sent to ICP cannot be used to call this service.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import jwt
from jwt import PyJWS, PyJWTError

from mi_ldap.errors import NotAuthenticated
from mi_ldap.settings.icp import IcpSettings

ALGORITHM: Final = "HS256"
SCOPE: Final = "runtime_agent"

SUBJECT_OF_ICP: Final = "icp-artifact-fetcher"
"""The `sub` of every token with which ICP calls a node (ICP 2.0, 2.1)."""

OWN_SUBJECT: Final = "mi-ldap-heartbeat"
OWN_LIFE_S: Final = 300
"""Lifetime in seconds of the tokens that this service sends to ICP."""

LEEWAY_S: Final = 60
"""Seconds by which the clocks of both machines may differ."""

# About the year 33658. Larger numbers, infinities and NaN are not times, and arithmetic with them
# raises errors or returns NaN.
_LATEST = 1e12

Claims = Mapping[str, Any]
_SIGNATURES = PyJWS()


class TokenRefused(NotAuthenticated):
    """A token with ICP's key id that is not valid.

    Args:
        message: the sentence for ICP, which it shows to people.
        reason: what is wrong with the token, for the log.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def issue(icp: IcpSettings) -> str:
    """Return a token for a heartbeat."""
    now = int(time.time())  # Ballerina's jwt module, which ICP uses, reads a fraction as 0
    claims = {
        "iss": icp.jwt_issuer,
        "sub": OWN_SUBJECT,
        "aud": icp.jwt_audience,
        "scope": SCOPE,
        "iat": now,
        "exp": now + OWN_LIFE_S,
    }
    return jwt.encode(claims, icp.key, ALGORITHM, headers={"kid": icp.key_id})


def kid_of(token: str) -> str | None:
    """Return the key id in a token's header; None if there is none, or the token is malformed."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (PyJWTError, ValueError, RecursionError):
        return None
    return kid if isinstance(kid, str) else None


def verify(token: str, icp: IcpSettings) -> None:
    """Check a token with which ICP calls this service.

    Args:
        token: one that names the key of ICP.
        icp: enabled settings.

    Raises:
        TokenRefused: the token is not valid. It is also refused when it is older than
            `max_token_age_s`: ICP's tokens are valid for an hour, and by default ICP does not
            verify certificates, so that an attacker could have read them.
    """
    claims = _authentic_claims(token, icp)
    for name, is_right in (
        ("iss", claims.get("iss") == icp.jwt_issuer),
        ("aud", _is_for(icp.jwt_audience, claims.get("aud"))),
        ("scope", claims.get("scope") == SCOPE),
        ("sub", claims.get("sub") == SUBJECT_OF_ICP),
    ):
        if not is_right:
            raise TokenRefused(_NOT_VALID, f"its claim {name} is not the expected one")
    _check_times(claims, time.time(), icp.max_token_age_s)


_NOT_VALID = "The token of the control plane is not valid."
_CLOCKS = (
    "The token of the control plane is too old or too new. Compare the clocks of both machines."
)


def _authentic_claims(token: str, icp: IcpSettings) -> Claims:
    """Return the claims of a token after checking its signature, and nothing else."""
    try:
        # Not `jwt.decode`: numbers such as 1e400 make its checks of claims raise other errors.
        claims = json.loads(_SIGNATURES.decode(token, icp.key, [ALGORITHM]))
    except (PyJWTError, ValueError, RecursionError) as error:
        raise TokenRefused(
            _NOT_VALID, f"it is malformed or not signed with key {icp.key_id}"
        ) from error
    if not isinstance(claims, dict):
        raise TokenRefused(_NOT_VALID, "its claims are not a JSON object")
    return claims


def _is_for(audience: str, claim: object) -> bool:
    """Whether `aud` is the audience, or a list that contains it (RFC 7519 §4.1.3)."""
    return claim == audience or (isinstance(claim, list) and audience in claim)


def _check_times(claims: Claims, now: float, max_age_s: float) -> None:
    times = {name: _time_of(claims, name) for name in ("iat", "nbf", "exp")}
    since_issue_s = now - times["iat"]
    if since_issue_s < -LEEWAY_S or times["nbf"] > now + LEEWAY_S:
        ahead_s = max(-since_issue_s, times["nbf"] - now)
        raise TokenRefused(_CLOCKS, f"its clock differs by {ahead_s:.0f} s")
    if since_issue_s > max_age_s + LEEWAY_S or times["exp"] <= now - LEEWAY_S:
        raise TokenRefused(
            _CLOCKS, f"it was issued {since_issue_s:.0f} s ago, or its clock differs by that time"
        )


def _time_of(claims: Claims, name: str) -> float:
    """Return the time of a claim, in whole or fractional seconds since 1970."""
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TokenRefused(_NOT_VALID, f"its claim {name} is missing or not a number")
    # A comparison with a huge integer does not overflow, as its conversion would; with NaN it is
    # False.
    if not 0 <= value <= _LATEST:
        raise TokenRefused(_NOT_VALID, f"its claim {name} is not a time")
    return float(value)
