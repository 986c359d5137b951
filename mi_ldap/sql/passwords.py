"""Passwords as MI stores them: base64(digest(password ‖ salt)) in `UM_USER_PASSWORD`.

The salt is the base64 text of 16 random bytes, 24 characters, in `UM_SALT_VALUE`; the digest is of
that text, not of the bytes. PLAIN_TEXT stores the password itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final, NamedTuple

from mi_ldap.errors import PolicyRefused
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.names import is_storable

PLAIN_TEXT: Final = "PLAIN_TEXT"

PLACEHOLDER: Final = "mi_ldap:unfinished:"
"""Prefix of the password of a user that is being created.

It is not base64, so no digest equals it. With PLAIN_TEXT nobody knows the random part after it.
"""

_NO_PASSWORD: Final = "mi_ldap:no-password:"  # noqa: S105

_ALGORITHMS: Final = {
    "SHA": "sha1",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
    "MD5": "md5",
}
_RESERVED: Final = (PLACEHOLDER, _NO_PASSWORD)
_SALT_BYTES: Final = 16
_MAX_STORED: Final = 255  # the width of UM_USER_PASSWORD


class StoredPassword(NamedTuple):
    """The columns of a password; `salt` is None if there is none."""

    value: str
    salt: str | None


def placeholder() -> str:
    """Return the password of a user that is being created, which matches nothing."""
    return f"{PLACEHOLDER}{secrets.token_hex(32)}"


def no_password() -> StoredPassword:
    """Return the password of a finished user without one, which matches nothing."""
    return StoredPassword(f"{_NO_PASSWORD}{secrets.token_hex(32)}", None)


def stored(config: DatabaseConfig, password: str) -> StoredPassword:
    """Return what to store of a new password, with a new salt.

    Raises:
        PolicyRefused: the password cannot be stored as plain text.
    """
    if config.digest == PLAIN_TEXT:
        _ensure_fits(password)
        return StoredPassword(password, None)
    salt = base64.b64encode(secrets.token_bytes(_SALT_BYTES)).decode() if config.salted else None
    return StoredPassword(_digest(config.digest, password, salt), salt)


def matches(config: DatabaseConfig, password: str, of: StoredPassword) -> bool:
    """Whether a password is the stored one; compares in constant time."""
    if of.value.startswith(_RESERVED):
        return False
    computed = password
    if config.digest != PLAIN_TEXT:
        computed = _digest(config.digest, password, of.salt if config.salted else None)
    return hmac.compare_digest(_bytes(computed), _bytes(of.value))


def _digest(name: str, password: str, salt: str | None) -> str:
    # Some installations of MI use MD5 or SHA-1: their users must still be able to log in.
    algorithm = hashlib.new(_ALGORITHMS[name], usedforsecurity=False)
    algorithm.update(_bytes(password + (salt or "")))
    return base64.b64encode(algorithm.digest()).decode()


def _bytes(text: str) -> bytes:
    # Java replaces lone surrogates by "?"; a typed password with one must not raise.
    return text.encode(errors="replace")


def _ensure_fits(password: str) -> None:
    if len(password) > _MAX_STORED:
        raise PolicyRefused(f"The database stores at most {_MAX_STORED} characters of a password.")
    if not is_storable(password) or password.startswith(_RESERVED):
        raise PolicyRefused("The database cannot store this password.")
