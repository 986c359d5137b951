"""Checks that a server reports all its changes, so that a replica of it can be kept up to date."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from mi_ldap.directory.replica.contents import ReplicationUnavailable
from mi_ldap.ldap import requests
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.content_sync import IgnoreChanges, Poller, SyncSearch, seconds_of

MAX_CLOCK_SKEW_S: Final = 2.0
"""How far the server's clock may be ahead of ours."""

ATTEMPTS, PAUSE_S = 10, 0.02
"""Number of polls, and the pause between them in seconds: slapd reports a change that waited for an
older one after a few of them."""


def ensure_complete(session: LdapConnection, searches: Sequence[SyncSearch]) -> None:
    """Check that the server reports every entry that it has, and that its clock is right.

    OpenLDAP reports no entry that is newer than its `contextCSN`. `slapadd` without `-w` creates
    such entries, and so does a server that is killed. The next change of any entry updates the
    `contextCSN`.

    Args:
        session: of the account that reads the entries.
        searches: the searches that will be polled; they are not changed.

    Raises:
        ReplicationUnavailable: the server does not report some entries, or its clock is ahead.
    """
    ignore = IgnoreChanges()
    bases = [replace(each, listener=ignore, scope=requests.BASE) for each in searches]
    poller = Poller(bases)
    poller.poll(session)  # returns the CSNs from which the next polls look for newer entries
    for _ in range(ATTEMPTS):
        poller.poll(session)
        if not poller.lags_behind:
            return ensure_not_ahead(bases)
        time.sleep(PAUSE_S)
    raise ReplicationUnavailable(
        "the server does not tell of entries that were loaded by slapadd without -w, or were new "
        "when it was killed: change any entry there",
        for_now=True,
    )


def ensure_not_ahead(searches: Iterable[SyncSearch]) -> None:
    """Check that the server's latest change does not lie in the future.

    After its clock was set back, slapd 2.5 reports no change until the clock has caught up with
    `contextCSN`, and never reports the changes that were made until then.

    Raises:
        ReplicationUnavailable: it lies in the future, by the clock of this machine.
    """
    told_s = max(seconds_of(search.last_csn) for search in searches)
    if told_s > time.time() + MAX_CLOCK_SKEW_S:
        raise ReplicationUnavailable(
            "the server's latest change lies in the future: set its clock and this one by NTP",
            for_now=True,
        )
