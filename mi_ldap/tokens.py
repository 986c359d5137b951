"""What a token claims, what revokes it, and the keys that sign it. No Flask: the web encodes."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import structlog

from mi_ldap.errors import ConfigurationError, RevocationsUnavailable
from mi_ldap.state import StateDatabase

log = structlog.get_logger()

SCOPE_ADMIN: Final = "admin"
SCOPE_DEFAULT: Final = "default"
SCOPE_CHANGE_PASSWORD: Final = "change-password"  # noqa: S105 - a scope, not a password

KEY_BYTES: Final = 32
"""HS256 wants a key as long as its hash (RFC 7518 §3.2)."""

_PRUNE_EVERY = 64


class Revocations(Protocol):
    """The tokens that died before their time."""

    def revoke(self, jti: str, expires_at: float) -> None:
        """Raises `RevocationsUnavailable` unless the revocation is kept."""

    def is_revoked(self, jti: str) -> bool:
        """Raises `RevocationsUnavailable` where it can't be told."""


class SqliteRevocations:
    """For all workers of one machine; rows whose tokens have expired anyway are pruned."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state
        self._since_pruned = 0

    def revoke(self, jti: str, expires_at: float) -> None:
        try:
            with self._state.connection() as connection:
                connection.execute("INSERT OR IGNORE INTO revoked VALUES (?, ?)", (jti, expires_at))
                self._prune(connection)
        except sqlite3.Error as error:
            log.error("revocation_not_written", error=str(error))
            raise RevocationsUnavailable from error

    def is_revoked(self, jti: str) -> bool:
        try:
            with self._state.connection() as connection:
                found = connection.execute("SELECT 1 FROM revoked WHERE jti = ?", (jti,)).fetchone()
        except sqlite3.Error as error:
            log.error("revocations_not_readable", error=str(error))
            raise RevocationsUnavailable from error
        return found is not None

    def _prune(self, connection: sqlite3.Connection) -> None:
        self._since_pruned += 1
        if self._since_pruned >= _PRUNE_EVERY:
            self._since_pruned = 0
            connection.execute("DELETE FROM revoked WHERE expires_at < ?", (time.time(),))


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """All keys that verify, by their id (`kid`, RFC 7515 §4.1.4); the current one signs."""

    current: str
    keys: dict[str, str] = field(repr=False)

    @property
    def signing_key(self) -> str:
        return self.keys[self.current]


def configured_key(secret: str) -> SigningKeys:
    """The one key that the configuration gives.

    Raises:
        ConfigurationError: it is shorter than 32 bytes.
    """
    if len(secret.encode()) < KEY_BYTES:
        raise ConfigurationError(f"The token key must have at least {KEY_BYTES} bytes.")
    kid = hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:12]
    return SigningKeys(kid, {kid: secret})


def kept_keys(folder: Path) -> SigningKeys:
    """The keys in `folder`, a file each, the last by name signing; the first one is made."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not any(folder.glob("*.key")):
        _make_key(folder / "1.key")
    files = sorted(folder.glob("*.key"), key=lambda file: int(file.stem))
    keys = {file.stem: file.read_text(encoding="ascii") for file in files}
    short = [kid for kid, key in keys.items() if len(key) < KEY_BYTES]
    if short:
        raise ConfigurationError(f"The token key {folder / short[0]}.key is damaged; remove it.")
    return SigningKeys(files[-1].stem, keys)


def rotate_key(folder: Path) -> str:
    """Add a key that signs from the next start on; older tokens stay good. Returns its id."""
    following = str(int(kept_keys(folder).current) + 1)
    _make_key(folder / f"{following}.key")
    return following


def _make_key(file: Path) -> None:
    """Make it whole or not at all; the first of several makers wins."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_hex(KEY_BYTES), encoding="ascii")
    try:
        os.link(draft, file)
    except FileExistsError:
        log.debug("signing_key_made_by_another", kid=file.stem)
    finally:
        draft.unlink()
