"""The configuration of the store, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from mi_ldap.ldap.connection_pool import Address


@dataclass(frozen=True, slots=True)
class DirectoryConfig:
    """How the store connects to the directory, and what it may do there.

    Attributes:
        account_dn: the DN that the service binds as; `""` for an anonymous or SASL EXTERNAL bind.
        password: of that account.
        profile: the kind of directory; `"auto"` detects it by the root DSE.
        pool_size: the number of connections for reads and changes, and as many for binds of users.
        writable: False for a directory that is configured as read-only.
        roles_writable: False if groups are read-only.
        index_limit: the maximum number of users and groups in the replica; 0 for no replica.
        is_embedded: whether it is the embedded directory, whose configuration is known.
    """

    address: Address
    account_dn: str
    password: str = field(repr=False)
    profile: str = "auto"
    pool_size: int = 8
    writable: bool = True
    roles_writable: bool = True
    index_limit: int = 0
    is_embedded: bool = False
