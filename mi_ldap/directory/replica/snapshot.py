"""`Snapshot`: the contents of memory, with the connection and the polls that update them."""

from __future__ import annotations

import time
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
    """The contents of memory, the synchronizer and its connection. They are replaced together.

    Attributes:
        contents: the users and groups.
        synchronizer: polls for changes.
        connection: bound as the service's account, used for polls only.
        comparison: compares the contents with searches.
        is_proved: whether the server's list of databases proves that it reports every change.
            Otherwise memory is compared with searches periodically.
    """

    contents: ReplicaContents
    synchronizer: Synchronizer
    connection: LdapConnection
    comparison: Comparison
    is_proved: bool

    @classmethod
    def from_directory(
        cls, connector: Connector, reader: Reader, limit: int, *, is_private: bool
    ) -> Self:
        """Fill memory with all users and groups of the directory.

        Args:
            connector: opens the connection.
            reader: reads the members of groups.
            limit: the most users and groups in memory.
            is_private: whether the service runs the directory itself, with a known configuration.

        Raises:
            ReplicationUnavailable: memory can't be kept up to date.
            ResyncRequired: memory can't be kept up to date at this moment.
            LdapError: the server rejected a request.
            DirectoryUnavailable: the connection failed.
        """
        connection = connector.bound()
        # The first entry of a large synchronization takes longer than other responses.
        usual_s, connection.response_timeout_s = connection.response_timeout_s, PATIENCE_S
        layout = reader.layout
        bases = (*layout.user_bases, *layout.role_bases)
        try:
            is_proved = is_private or coverage.is_proved(connection, bases)
            contents = ReplicaContents(reader, is_proved=is_proved)
            is_one = coverage.share_database(connection, bases)
            synchronizer = Synchronizer(layout, contents, is_one_database=is_one)
            synchronizer.fill(connection, limit)
            snapshot = cls(
                contents, synchronizer, connection, Comparison(layout, contents), is_proved
            )
            if not is_private:
                coverage.ensure_one_database(connection, bases, contents.parents())
            synchronizer.check_poll_latency(connection)
            read_at_s = time.monotonic()
            contents.apply_members(contents.read_members([*contents.groups]), read_at_s)
            contents.finish_poll()
            if not is_proved:
                snapshot._ensure_all_reported()
        except BaseException:
            connection.close()
            raise
        connection.response_timeout_s = usual_s
        return snapshot

    def _ensure_all_reported(self) -> None:
        """Check that plain searches find exactly the entries in memory.

        Raises:
            ReplicationUnavailable: some entries differ.
        """
        if self.comparison.is_different(self.connection, self._confirmed):
            raise ReplicationUnavailable(UNREPORTED)

    def _confirmed(self, suspects: set[Difference]) -> set[Difference]:
        self.synchronizer.refresh(self.connection)
        return self.comparison.confirmed(self.connection, suspects)
