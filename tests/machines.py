"""APIs over one place in a directory, each as on a machine of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.web import create_app
from mi_ldap.wiring import services
from tests.api.client import Api
from tests.subtree import Subtree

MakeApi = Callable[..., Api]


@contextmanager
def machines_at(place: Subtree, folder: Path) -> Iterator[MakeApi]:
    """Makes them, with their state below the folder, and closes them at the end."""
    with ExitStack() as closing:

        def make(observe: Callable[[str], None] = lambda operation: None, **settings: str) -> Api:
            state_dir = folder / f"machine{len(list(folder.iterdir()))}"
            state_dir.mkdir()
            made = services(place.settings(state_dir, **settings), observe=observe)
            assert isinstance(made.store, DirectoryStore)
            for close in (made.state.close, made.audit.close, made.store.close):
                closing.callback(close)
            return Api(made, create_app(made).test_client(use_cookies=False))

        yield make
