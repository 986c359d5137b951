"""The keys that sign tokens: a configured one, or keys in a folder of the state."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from mi_ldap.errors import ConfigurationError
from mi_ldap.files import create_private, read_text

log = structlog.get_logger()

# RFC 7518 §3.2: a key of HS256 must be at least as long as the hash.
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The keys that verify tokens, by key id (`kid`, RFC 7515 §4.1.4).

    Attributes:
        current: the id of the key that signs.
        keys: all keys, the oldest first.
    """

    current: str
    keys: dict[str, str] = field(repr=False)

    @property
    def signing_key(self) -> str:
        return self.keys[self.current]

    @property
    def oldest(self) -> str:
        """The first key, from which values are derived that a rotation must not change."""
        return next(iter(self.keys.values()))


def configured_key(secret: str) -> SigningKeys:
    """Return the configured key as the only one.

    Raises:
        ConfigurationError: the key is shorter than 32 bytes.
    """
    if len(secret.encode()) < KEY_BYTES:
        raise ConfigurationError(f"The token key must have at least {KEY_BYTES} bytes.")
    # Derived from the key, so that a token of a replaced key is recognized as such.
    kid = hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:12]
    return SigningKeys(kid, {kid: secret})


def stored_keys(folder: Path) -> SigningKeys:
    """Return the keys in the folder, `1.key` and so on; create the first one if there is none.

    Raises:
        ConfigurationError: the folder or one of its keys cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _key_files(folder):
            _make_key(folder / "1.key")
    except OSError as error:
        raise ConfigurationError(
            f"The folder of the token keys, {folder}, cannot be used: {error.strerror}."
        ) from None
    files = _key_files(folder)
    return SigningKeys(files[-1].stem, {file.stem: _read_key(file) for file in files})


def _read_key(file: Path) -> str:
    """Read a key, without the newline that an editor adds at its end."""
    try:
        key = read_text(file).rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(
            f"The token key {file} cannot be read: {error.strerror}."
        ) from None
    if len(key.encode()) < KEY_BYTES:
        raise ConfigurationError(f"The token key {file} is damaged; remove it.")
    return key


def rotate_key(folder: Path) -> str:
    """Add a key, which signs from the next start on, and return its id; old tokens stay valid."""
    following = str(int(stored_keys(folder).current) + 1)
    _make_key(folder / f"{following}.key")
    return following


def _key_files(folder: Path) -> list[Path]:
    # By number, not as text: 10 follows 9.
    numbered = [file for file in folder.glob("*.key") if file.stem.isdigit()]
    return sorted(numbered, key=lambda file: int(file.stem))


def _make_key(file: Path) -> None:
    # Processes that start at the same time must agree on one key: the first one wins.
    if not create_private(file, secrets.token_hex(KEY_BYTES).encode()):
        log.debug("signing_key_exists", kid=file.stem)
