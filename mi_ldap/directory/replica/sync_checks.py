"""Checks that a server reports all its changes, so that a replica of it can be kept up to date."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from mi_ldap.directory.replica.reasons import ReplicationUnavailable
from mi_ldap.ldap import requests
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.content_sync import IgnoreChanges, Poller, SyncSearch, seconds_of

MAX_CLOCK_SKEW_S: Final = 2.0
"""How far the server's clock may be ahead of ours."""

ATTEMPTS, PAUSE_S = 10, 0.02
"""Number of polls, and the pause between them in seconds: slapd reports a change that waited for an
older one after a few of them."""


def ensure_complete(connection: LdapConnection, searches: Sequence[SyncSearch]) -> None:
    """Check that the server reports every entry that it has, and that its clock is right.

    Args:
        connection: of the account that reads the entries.
        searches: the searches that will be polled; they are not changed.

    Raises:
        ReplicationUnavailable: the server does not report some entries, or its clock is ahead.
    """
    # OpenLDAP 2.5.13 reports no entry that is newer than its contextCSN. `slapadd` without -w, and
    # a server that is killed, leave such entries; the next change of any entry updates contextCSN.
    ignore = IgnoreChanges()
    bases = [replace(each, listener=ignore, scope=requests.BASE) for each in searches]
    poller = Poller(bases)
    poller.poll(connection)  # returns the CSNs from which the next polls look for newer entries
    for _ in range(ATTEMPTS):
        poller.poll(connection)
        if not poller.lags_behind:
            return ensure_not_ahead(bases)
        time.sleep(PAUSE_S)
    raise ReplicationUnavailable(
        "the server does not report entries that were loaded by slapadd without -w, or were new "
        "when it was killed: change any entry there",
        is_temporary=True,
    )


def ensure_not_ahead(searches: Iterable[SyncSearch]) -> None:
    """Check that the server's latest change is not in the future.

    Raises:
        ReplicationUnavailable: it is, by the clock of this machine.
    """
    # After its clock was set back, slapd 2.5.13 gives changes CSNs that are older than contextCSN,
    # and never reports them. A step back of MAX_CLOCK_SKEW_S or less is not noticed here.
    latest_s = max(seconds_of(search.last_csn) for search in searches)
    if latest_s > time.time() + MAX_CLOCK_SKEW_S:
        raise ReplicationUnavailable(
            "the server's latest change is in the future: synchronize both clocks by NTP",
            is_temporary=True,
        )
