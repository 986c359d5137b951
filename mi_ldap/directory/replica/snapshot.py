"""Snapshot memory, with the synchronization and the session that keep it up to date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.replica import coverage
from mi_ldap.directory.replica.comparison import Comparison, Difference
from mi_ldap.directory.replica.contents import ReplicaContents, ReplicationUnavailable
from mi_ldap.directory.replica.synchronizer import Synchronizer
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Connector

PATIENCE_S: Final = 60.0
"""Longest wait for the first entry of the initial synchronization, in seconds."""

UNREPORTED: Final = "a search finds other entries than the server reports"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Memory, the synchronization that fills it, and its session. They are replaced together.

    Attributes:
        is_proved: whether the server's list of databases proves that it reports every change.
            Otherwise memory is compared with searches periodically.
    """

    held: ReplicaContents
    feed: Synchronizer
    session: LdapConnection
    comparison: Comparison
    is_proved: bool

    @classmethod
    def from_directory(
        cls, connector: Connector, reader: Reader, limit: int, *, is_private: bool
    ) -> Self:
        """Fill memory with all users and groups of the directory.

        Args:
            connector: opens the session.
            reader: reads the members of groups.
            limit: the most users and groups in memory.
            is_private: whether the service runs the directory itself, with a known configuration.

        Raises:
            ReplicationUnavailable: memory can't be kept up to date.
            ResyncRequired: memory can't be kept up to date at this moment.
            LdapError: the server rejected a request.
            DirectoryUnavailable: the connection failed.
        """
        session = connector.bound()
        usual_s, session.response_timeout_s = session.response_timeout_s, PATIENCE_S
        tree = reader.tree
        bases = (*tree.user_bases, *tree.role_bases)
        try:
            is_proved = is_private or coverage.is_proved(session, bases)
            held = ReplicaContents(reader, is_proved=is_proved)
            is_one = coverage.share_database(session, bases)
            feed = Synchronizer(tree, held, is_one_database=is_one)
            feed.fill(session, limit)
            filled = cls(held, feed, session, Comparison(tree, held), is_proved)
            if not is_private:
                coverage.ensure_one_database(session, bases, held.parents())
            feed.check_poll_latency(session)
            held.take(held.fetch([*held.groups.uncertain]))
            held.all_told()
            if not is_proved:
                filled._ensure_all_reported()
        except BaseException:
            session.close()
            raise
        session.response_timeout_s = usual_s
        return filled

    def _ensure_all_reported(self) -> None:
        """Check that plain searches find exactly the entries in memory.

        Raises:
            ReplicationUnavailable: some entries differ.
        """
        if self.comparison.is_different(self.session, self._confirmed):
            raise ReplicationUnavailable(UNREPORTED)

    def _confirmed(self, suspects: set[Difference]) -> set[Difference]:
        self.feed.refresh(self.session)
        return self.comparison.confirmed(self.session, suspects)
