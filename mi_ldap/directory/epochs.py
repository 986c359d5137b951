"""The value kept with each of our users: what its tokens hang on, and what is going on with it.

    9f5d02a1c3e47b68                         a digest of this is in the user's tokens
    9f5d02a1c3e47b68.1c20aa57                the same; what is after the dot was swapped since
    9f5d02a1c3e47b68.1c20aa57.5e0b77d3       the last part is its appointment: an admin made it one
    unfinished:1795284684:9f5d02a1c3e47b68   the entry is being made since then (Unix time)
    resetting:1795284684:9f5d02a1c3e47b68    an admin is setting its password
    leaving:1795284684:9f5d02a1c3e47b68      the entry is about to be deleted

Pure functions on the stored text, `""` where there is none.
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
"""How old a mark is, in seconds, when the request that made it must have ended."""

ADOPTED: Final = "00000000"
"""The appointment of who has a custodian, but was made an admin by another tool or version."""

_UNFINISHED = re.compile(r"unfinished:\d+:([0-9a-f]{16})")
_ID = re.compile(r"[0-9A-Fa-f-]{32,36}")
_OURS = re.compile(r"(((unfinished|resetting|leaving):\d+:)?[0-9a-f]{16})?(\.[0-9a-f]{8}){0,2}")


def fresh() -> str:
    """An epoch that nobody had before."""
    return secrets.token_hex(8)


def marked(kind: str, stored: str = "") -> str:
    """A fresh epoch that says what is going on since now; the appointment stays."""
    return _appointed(f"{kind}{time.time():.0f}:{fresh()}", appointment(stored))


def unfinished(mark: str) -> str:
    """The epoch of an entry that is being created, with the mark of its creation."""
    return f"{UNFINISHED}{time.time():.0f}:{mark}"


def creation_mark(stored: str) -> str:
    """The mark of the creation that has not finished; `""` for another entry's epoch."""
    found = _UNFINISHED.match(stored)
    return found[1] if found and is_ours(stored) else ""


def renewed(stored: str, *, keeps_mark: bool) -> str:
    """A fresh epoch. A user that is leaving stays so, and with `keeps_mark` every mark stays."""
    kept = (UNFINISHED, RESETTING, LEAVING) if keeps_mark else (LEAVING,)
    mark, _, nonce = stored.partition(".")[0].rpartition(":")
    renewed = f"{mark}:{fresh()}" if nonce and stored.startswith(kept) else fresh()
    return _appointed(renewed, appointment(stored))


def appointed(stored: str, *, anew: bool = True) -> str:
    """The same epoch with a fresh appointment, or with `ADOPTED`."""
    return _appointed(stored.partition(".")[0], secrets.token_hex(4) if anew else ADOPTED)


def appointment(stored: str) -> str:
    """What is replaced whenever another admin makes the user an admin; `""` for never."""
    return stored.partition(".")[2].partition(".")[2]


def is_new(stored: str) -> bool:
    """Whether nobody has a token under it yet."""
    return stored.startswith(UNFINISHED)


def swapped(stored: str) -> str:
    """Another text for the same epoch; the appointment stays."""
    return _appointed(f"{stored.partition('.')[0]}.{secrets.token_hex(4)}", appointment(stored))


def is_ours(stored: str) -> bool:
    """Whether we wrote it: an attribute that was there before us may hold anything."""
    return _OURS.fullmatch(stored) is not None


def is_id(stored: str) -> bool:
    """Whether it can be the id of a custodian, or none."""
    return not stored or _ID.fullmatch(stored) is not None


def is_old(stored: str) -> bool:
    """Whether a mark is older than any request lasts."""
    age_s = _age_s(stored, UNFINISHED, RESETTING, LEAVING)
    return age_s is not None and age_s > ABANDONED_AFTER_S


def is_busy(stored: str) -> bool:
    """Whether a request is creating or deleting the entry, or setting its password.

    A mark of more than a minute ahead is left from before the clock was set back.
    """
    age_s = _age_s(stored, UNFINISHED, RESETTING, LEAVING)
    return age_s is not None and abs(age_s) <= ABANDONED_AFTER_S


def digest(stored: str, *stamps: str | None) -> str:
    """What tokens carry of the epoch and of the server's own stamps of the password."""
    parts = (stored.partition(".")[0], *(stamp or "" for stamp in stamps))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _appointed(epoch: str, appointment: str) -> str:
    if not appointment:
        return epoch
    swapped = epoch if "." in epoch else f"{epoch}.{secrets.token_hex(4)}"
    return f"{swapped}.{appointment}"


def _age_s(stored: str, *kinds: str) -> float | None:
    """How long ago it was marked as one of the kinds, in seconds; None where it was not."""
    kind, _, rest = stored.partition(":")
    began_at = rest.partition(":")[0]
    if f"{kind}:" not in kinds or not began_at.isdigit():
        return None
    return time.time() - int(began_at)
