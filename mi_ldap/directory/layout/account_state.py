"""The epoch attribute of a user: which tokens are valid, and which operation is in progress.

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
from typing import Final

UNFINISHED: Final = "unfinished:"
RESETTING: Final = "resetting:"
LEAVING: Final = "leaving:"

ABANDONED_AFTER_S: Final = 60.0
"""Age of a mark, in seconds, after which the request that set it must have ended."""

ADOPTED: Final = "00000000"
"""The appointment of an admin that has a custodian but was promoted by another tool or an older
version."""

_UNFINISHED = re.compile(r"unfinished:\d+:([0-9a-f]{16})")
_ID = re.compile(r"[0-9A-Fa-f-]{32,36}")
_OURS = re.compile(r"(((unfinished|resetting|leaving):\d+:)?[0-9a-f]{16})?(\.[0-9a-f]{8}){0,2}")


def fresh() -> str:
    """Return a new random epoch."""
    return secrets.token_hex(8)


def marked(kind: str, stored: str = "") -> str:
    """Return a new epoch with a mark of an operation that begins now; the appointment stays."""
    return _appointed(f"{kind}{time.time():.0f}:{fresh()}", appointment(stored))


def unfinished(mark: str) -> str:
    """Return the epoch of an entry that is being created, with the mark of its creation."""
    return f"{UNFINISHED}{time.time():.0f}:{mark}"


def creation_mark(stored: str) -> str:
    """Return the mark of an unfinished creation; `""` if the epoch has none."""
    found = _UNFINISHED.match(stored)
    return found[1] if found and is_ours(stored) else ""


def renewed(stored: str, *, keeps_mark: bool) -> str:
    """Return a new epoch; a mark of deletion stays, and with `keeps_mark` every mark."""
    kept = (UNFINISHED, RESETTING, LEAVING) if keeps_mark else (LEAVING,)
    mark, _, nonce = stored.partition(".")[0].rpartition(":")
    renewed = f"{mark}:{fresh()}" if nonce and stored.startswith(kept) else fresh()
    return _appointed(renewed, appointment(stored))


def appointed(stored: str, *, anew: bool = True) -> str:
    """Return the same epoch with a new appointment, or with `ADOPTED` unless `anew`."""
    return _appointed(stored.partition(".")[0], secrets.token_hex(4) if anew else ADOPTED)


def appointment(stored: str) -> str:
    """Return the appointment in a stored epoch; `""` if there is none."""
    return stored.partition(".")[2].partition(".")[2]


def is_new(stored: str) -> bool:
    """Whether no token was issued under the epoch yet."""
    return stored.startswith(UNFINISHED)


def swapped(stored: str) -> str:
    """Return another text for the same epoch; the appointment stays."""
    return _appointed(f"{stored.partition('.')[0]}.{secrets.token_hex(4)}", appointment(stored))


def is_ours(stored: str) -> bool:
    """Whether the service wrote the value; the attribute may have held other values before."""
    return _OURS.fullmatch(stored) is not None


def is_id(stored: str) -> bool:
    """Whether the value can be the id of a custodian, or none."""
    return not stored or _ID.fullmatch(stored) is not None


def is_old(stored: str) -> bool:
    """Whether a mark is older than the longest request."""
    age_s = _age_s(stored, UNFINISHED, RESETTING, LEAVING)
    return age_s is not None and age_s > ABANDONED_AFTER_S


def is_busy(stored: str) -> bool:
    """Whether a request is creating or deleting the entry, or setting its password.

    A mark that lies more than a minute ahead was set before the clock was set back.
    """
    age_s = _age_s(stored, UNFINISHED, RESETTING, LEAVING)
    return age_s is not None and abs(age_s) <= ABANDONED_AFTER_S


def digest(stored: str, *stamps: str | None) -> str:
    """Return the digest in tokens of the epoch and of the server's password timestamps."""
    parts = (stored.partition(".")[0], *(stamp or "" for stamp in stamps))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _appointed(epoch: str, appointment: str) -> str:
    if not appointment:
        return epoch
    swapped = epoch if "." in epoch else f"{epoch}.{secrets.token_hex(4)}"
    return f"{swapped}.{appointment}"


def _age_s(stored: str, *kinds: str) -> float | None:
    """Return the age of a mark of one of the kinds, in seconds; None if there is none."""
    kind, _, rest = stored.partition(":")
    began_at = rest.partition(":")[0]
    if f"{kind}:" not in kinds or not began_at.isdigit():
        return None
    return time.time() - int(began_at)
