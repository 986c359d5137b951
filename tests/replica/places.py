"""A store over an embedded directory, and what it reads from memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mi_ldap import wiring
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.settings import load_settings


def opened(
    folder: Path,
    directory: EmbeddedDirectory,
    observe: Callable[[str], None] = lambda operation: None,
    **more: str,
) -> DirectoryStore:
    folder.mkdir(exist_ok=True)
    named = {f"MI_LDAP_{key}": value for key, value in more.items()}
    settings = load_settings({"MI_LDAP_STATE_DIR": str(folder), **named})
    store = wiring.services(settings, directory, observe=observe).primary
    assert isinstance(store, DirectoryStore)
    return store


def opened_by_url(folder: Path, directory: EmbeddedDirectory, **keys: str) -> DirectoryStore:
    """As one of one's own; `keys` are of `user_store`, and win."""
    of_it = {
        "CONNECTION_URL": directory.url,
        "CONNECTION_NAME": directory.service_dn,
        "CONNECTION_PASSWORD": directory.read_service_password(),
        "USER_SEARCH_BASE": directory.user_base,
        "GROUP_SEARCH_BASE": directory.group_base,
    }
    named = {f"MI_LDAP_USER_STORE__{key}": value for key, value in {**of_it, **keys}.items()}
    store = wiring.services(load_settings({**named, "MI_LDAP_STATE_DIR": str(folder)})).primary
    assert isinstance(store, DirectoryStore)
    return store


def is_ready(store: DirectoryStore) -> bool:
    return bool(store.view()) and store.read_source().source == "memory"


def names_of(store: DirectoryStore) -> list[str]:
    return sorted(store.view().user_names().names)
