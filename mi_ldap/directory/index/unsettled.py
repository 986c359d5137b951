"""What a server tells of a transaction (RFC 5805) before it is over, and how that is waited for.

slapd 2.5 gives new cookies, and tells of removals, while the changes of a transaction are made;
they can be read only after its end, and some transactions are given up. So a cookie stands for what
was told only when every transaction that was under way as it was given is over, and what is told to
be gone may be there.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from mi_ldap.directory import requests
from mi_ldap.directory.content_sync import Nobody, Poller, Search, found, seconds_of
from mi_ldap.directory.index.held import NotToBeHeld
from mi_ldap.directory.operations import Wait
from mi_ldap.directory.reading import in_parts
from mi_ldap.directory.session import NO_SUCH_OBJECT, Refused, Session

REFERRAL, UNWILLING_TO_PERFORM = 10, 53

_OVER: Final = (NO_SUCH_OBJECT, REFERRAL, UNWILLING_TO_PERFORM)
"""Nobody else is writing; or nobody may write here, neither we nor a transaction."""

_UUID = "entryUUID"

AHEAD_S = 2.0
"""So far may the server's clock be ahead of ours."""

LOOKS, LOOK_PAUSE_S = 10, 0.02
"""A change that another one holds back is told of after one of them."""


def cookies_of_now(session: Session, searches: Sequence[Search]) -> list[bytes]:
    """For each search the cookie that a poll would give now; nothing is told.

    Raises:
        NotToBeHeld: there are entries which the server will not tell of. OpenLDAP tells of none
            that is newer than its `contextCSN`; `slapadd` without `-w` makes such, and a server
            that is killed leaves such. The next change of any entry brings it up to date.
    """
    nobody = Nobody()
    now = [replace(each, listener=nobody, scope=requests.BASE) for each in searches]
    poller = Poller(now)
    poller.poll(session)  # tells what is to be looked for
    for _ in range(LOOKS):
        poller.poll(session)
        if not poller.is_behind:
            must_not_be_ahead(now)
            return [search.given for search in now]
        time.sleep(LOOK_PAUSE_S)
    raise NotToBeHeld(
        "the server does not tell of entries that were loaded by slapadd without -w, or were new "
        "when it was killed: change any entry there",
        for_now=True,
    )


def must_not_be_ahead(searches: Iterable[Search]) -> None:
    """See that the server does not stand where its clock has yet to come.

    After its clock was set back, slapd 2.5 tells of no change until the clock has caught up with
    `contextCSN`, and never of those that were made until then.

    Raises:
        NotToBeHeld: it does, by the clock of this machine.
    """
    told_s = max(seconds_of(search.told) for search in searches)
    if told_s > time.time() + AHEAD_S:
        raise NotToBeHeld(
            "the server's latest change lies in the future: set its clock and this one by NTP",
            for_now=True,
        )


def wait_for_transactions(session: Session, base_dn: str) -> None:
    """Return when the transactions that are under way in the database of `base_dn` are over.

    OpenLDAP's database has one writer at a time, a transaction for as long as it takes. Who changes
    an entry that is not there waits for its turn, and then changes nothing.

    Raises:
        Refused: the server does not let us wait.
    """
    nobody = f"cn={uuid.uuid4()},{base_dn}"
    try:
        session.do(Wait(nobody))
    except Refused as refused:
        if refused.code not in _OVER:
            raise


def still_there(session: Session, search: Search, uuids: Sequence[bytes]) -> Iterator[bytes]:
    """Those of the entries that a plain search finds."""
    for part in in_parts(uuids):
        any_of = requests.any_of(requests.equals(_UUID, str(uuid.UUID(bytes=id_))) for id_ in part)
        wanted = requests.all_of(search.condition, any_of)
        for entry in found(session, search.base_dn, wanted, [_UUID]):
            yield uuid.UUID(entry.first(_UUID) or "").bytes
