"""Looks now and then whether a server reports all that searches find."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mi_ldap.directory.connections import Connector
from mi_ldap.directory.index import coverage
from mi_ldap.directory.index.comparison import Difference
from mi_ldap.directory.index.filled import UNREPORTED, Filled
from mi_ldap.directory.index.held import NotToBeHeld
from mi_ldap.directory.index.kinds import StartAgain
from mi_ldap.directory.tree import Tree

PAUSE_S: Final = 45.0
REST: Final = 50
"""It is verified at most so often, and rests so many times as long as that took."""


class Verification:
    """Verifies what was filled, on a session of its own, by the thread that keeps it.

    Args:
        connector: opens the session.
        tree: where users and groups are.
    """

    def __init__(self, connector: Connector, tree: Tree) -> None:
        self._connector, self._tree = connector, tree
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        return time.monotonic() > self._due_at

    def rest(self, took_s: float) -> None:
        """Begin the pause after a verification, or after the filling, which is one too."""
        self._due_at = time.monotonic() + max(PAUSE_S, REST * took_s)

    def verify(self, filled: Filled, confirm: Callable[[set[Difference]], set[Difference]]) -> None:
        """Look whether the databases are arranged as they were, or compare where that is unknown.

        Args:
            filled: what is held.
            confirm: those of the differences that are there still, after a poll.

        Raises:
            StartAgain: the server's databases were arranged anew.
            NotToBeHeld: it does not report all changes.
        """
        began, tree = time.monotonic(), self._tree
        session = self._connector.bound()
        try:
            is_proved = coverage.is_proved(session, (*tree.user_bases, *tree.role_bases))
            if is_proved is not filled.is_proved:
                raise StartAgain("the server's databases were arranged anew")
            if not is_proved and filled.comparison.is_different(session, confirm):
                raise NotToBeHeld(UNREPORTED)
        finally:
            session.close()
        self.rest(time.monotonic() - began)
