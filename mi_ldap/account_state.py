"""The account state that every store keeps of a user: valid tokens, operations in progress.

    9f5d02a1c3e47b68                         a digest of this is in the user's tokens
    9f5d02a1c3e47b68.1c20aa57                the same; the part after the dot was replaced since
    9f5d02a1c3e47b68.1c20aa57.5e0b77d3       the last part is the appointment, set by a promotion
    unfinished:1795284684:9f5d02a1c3e47b68   the entry is being created since then (Unix time)
    resetting:1795284684:9f5d02a1c3e47b68    an admin is setting the password
    leaving:1795284684:9f5d02a1c3e47b68      the entry is being deleted

Pure functions on the stored text, `""` if there is none.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import Final, NamedTuple

# These texts are in user stores already, and must not change.
UNFINISHED: Final = "unfinished:"
RESETTING: Final = "resetting:"
DELETING: Final = "leaving:"
_MARKS: Final = (UNFINISHED, RESETTING, DELETING)

# Twice the longest time that the settings allow a request (30 s, `settings.types`).
ABANDONED_AFTER_S: Final = 60.0
"""Age of a mark, in seconds, after which the request that set it must have ended."""

ADOPTED: Final = "00000000"
"""The appointment of an admin that has a custodian but was promoted by another tool or an older
version."""

_UNFINISHED = re.compile(r"unfinished:\d+:([0-9a-f]{16})")
_TIME = re.compile(r"[0-9]{1,12}")
_ID = re.compile(r"[0-9A-Fa-f-]{32,36}")
_OURS = re.compile(r"(((unfinished|resetting|leaving):\d+:)?[0-9a-f]{16})?(\.[0-9a-f]{8}){0,2}")


class _Parts(NamedTuple):
    """The parts of a stored value.

    Attributes:
        epoch: what tokens contain a digest of, with the mark of a running operation.
        swap: replaced by each swap; `""` if there was none yet.
        appointment: set by a promotion; `""` if there was none yet.
    """

    epoch: str
    swap: str
    appointment: str


def _split(stored: str) -> _Parts:
    epoch, _, rest = stored.partition(".")
    swap, _, appointment = rest.partition(".")
    return _Parts(epoch, swap, appointment)


def new_nonce() -> str:
    """Return a new random value for an epoch or a revision: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def marked(kind: str, stored: str = "") -> str:
    """Return a new epoch with a mark of an operation that begins now; the appointment stays."""
    return _appointed(f"{kind}{time.time():.0f}:{new_nonce()}", appointment(stored))


def unfinished(mark: str) -> str:
    """Return the epoch of an entry that is being created, with the mark of its creation."""
    return f"{UNFINISHED}{time.time():.0f}:{mark}"


def creation_mark(stored: str) -> str:
    """Return the mark of an unfinished creation; `""` if the epoch has none."""
    if not stored.startswith(UNFINISHED):  # most; faster than the expression
        return ""
    found = _UNFINISHED.match(stored)
    return found[1] if found and is_ours(stored) else ""


def renewed(stored: str, *, keeps_mark: bool) -> str:
    """Return a new epoch; a mark of deletion stays, and with `keeps_mark` every mark."""
    kept = _MARKS if keeps_mark else (DELETING,)
    mark, _, nonce = _split(stored).epoch.rpartition(":")
    renewed = f"{mark}:{new_nonce()}" if nonce and stored.startswith(kept) else new_nonce()
    return _appointed(renewed, appointment(stored))


def appointed(stored: str, *, is_promotion: bool = True) -> str:
    """Return the same epoch with a new appointment for a promotion, else with `ADOPTED`."""
    return _appointed(_split(stored).epoch, secrets.token_hex(4) if is_promotion else ADOPTED)


def appointment(stored: str) -> str:
    """Return the appointment in a stored epoch; `""` if there is none."""
    return _split(stored).appointment


def is_new(stored: str) -> bool:
    """Whether no token was issued under the epoch yet."""
    return stored.startswith(UNFINISHED)


def swapped(stored: str) -> str:
    """Return the same epoch and appointment with a new swap part."""
    parts = _split(stored)
    return _appointed(f"{parts.epoch}.{secrets.token_hex(4)}", parts.appointment)


def is_ours(stored: str) -> bool:
    """Whether the service wrote the value; the attribute may have held other values before."""
    return _OURS.fullmatch(stored) is not None


def is_id(stored: str) -> bool:
    """Whether the value can be the id of a custodian, or none."""
    return not stored or _ID.fullmatch(stored) is not None


def is_old(stored: str) -> bool:
    """Whether a mark is older than the longest request."""
    age_s = _age_s(stored)
    return age_s is not None and age_s > ABANDONED_AFTER_S


def is_busy(stored: str) -> bool:
    """Whether a request is creating or deleting the entry, or setting its password."""
    # A mark that is more than a minute in the future was set before the clock was set back.
    age_s = _age_s(stored)
    return age_s is not None and abs(age_s) <= ABANDONED_AFTER_S


def digest(stored: str, *stamps: str | None) -> str:
    """Return the digest in tokens of the epoch and of the server's password timestamps."""
    parts = (_split(stored).epoch, *(stamp or "" for stamp in stamps))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def is_same_epoch(stored: str, as_read: str) -> bool:
    """Whether two account states differ at most in the swap part and the appointment."""
    return digest(stored) == digest(as_read)


def _appointed(epoch: str, appointment: str) -> str:
    """Return the epoch, with or without its swap part, with the appointment."""
    if not appointment:
        return epoch
    swapped = epoch if "." in epoch else f"{epoch}.{secrets.token_hex(4)}"
    return f"{swapped}.{appointment}"


def _age_s(stored: str) -> float | None:
    """Return the age of the mark of a running operation, in seconds; None if there is none."""
    kind, _, rest = stored.partition(":")
    began_at = rest.partition(":")[0]
    # The value may be any text: other digits than ASCII's, or thousands, are no time.
    if f"{kind}:" not in _MARKS or not _TIME.fullmatch(began_at):
        return None
    return time.time() - int(began_at)
