"""Stores on a test's own place in the directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.wiring import services
from tests.subtree import Subtree


@dataclass
class Stores:
    """Opens stores as the service would, and closes them all."""

    subtree: Subtree
    state_dir: Path
    opened: list[DirectoryStore] = field(default_factory=list)

    def open(self, **settings: str) -> DirectoryStore:
        """A store; `settings` as in `USER_STORE__INDEX_LIMIT="0"`."""
        return self.observed(lambda operation: None, **settings)

    def observed(self, observe: Callable[[str], None], **settings: str) -> DirectoryStore:
        """A store whose LDAP operations are told, by their names."""
        store = services(self.subtree.settings(self.state_dir, **settings), observe=observe).store
        assert isinstance(store, DirectoryStore)
        self.opened.append(store)
        return store

    def close(self) -> None:
        for store in self.opened:
            store.close()
