"""Connections to directories, opened as the service does."""

from __future__ import annotations

from typing import Any

from mi_ldap.ldap.connection_pool import Account, Address, Connector


def connector(*urls: str, account: tuple[str, str] = ("", ""), **more: Any) -> Connector:
    """Opens connections to the first of these that answers; `more` as in `Address`."""
    return Connector(Address(urls, **more), Account(*account), lambda operation: None)
