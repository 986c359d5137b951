"""Memory once it is filled: what is held, and by what it is kept up to date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from mi_ldap.directory.connections import Connector
from mi_ldap.directory.index.feed import Feed
from mi_ldap.directory.index.held import Held
from mi_ldap.directory.reading import Reader
from mi_ldap.directory.session import Session

PATIENCE_S: Final = 60.0
"""A server may think for so long before it begins to give everything."""


@dataclass(frozen=True, slots=True)
class Filled:
    """They belong together: another session is asked anew, by another feed for another memory."""

    held: Held
    feed: Feed
    session: Session

    @classmethod
    def from_directory(cls, connector: Connector, reader: Reader, limit: int) -> Self:
        """All that the directory has.

        Raises:
            NotToBeHeld, StartAgain: it can't be held, or not in this moment.
            Refused: the server does not give it.
            DirectoryUnavailable: it was cut off.
        """
        session = connector.bound()
        usual_s, session.answer_s = session.answer_s, PATIENCE_S
        try:
            held = Held(reader)
            root = session.read("", "(objectClass=*)", ["namingContexts"])
            feed = Feed(reader.tree, held, root.all("namingContexts") if root else ())
            feed.fill(session, limit)
            feed.must_be_quick(session)
            held.take(held.fetch([*held.groups.uncertain]))
            held.all_told()
        except BaseException:
            session.close()
            raise
        session.answer_s = usual_s
        return cls(held, feed, session)
