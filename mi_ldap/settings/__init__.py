"""Typed settings: the environment over secret files over TOML over defaults.

`load_settings()` gives a `Settings`, immutable, whose attributes are named like the keys of the
TOML (`settings.server.port` is `port` in `[server]`), or raises a `ConfigurationError` that names
every wrong key and shows no value. docs/configuration.md has the table of all keys.

Plain pydantic: pydantic-settings (2.16) takes 200 ms more to import, a tenth of the time in which
the service is to be up, and what it would save are the few lines of `sources`.
"""

from mi_ldap.settings.loading import load_settings
from mi_ldap.settings.root import Settings
from mi_ldap.settings.sections import (
    AuditSettings,
    AuthorizationSettings,
    BootstrapSettings,
    CorsSettings,
    DashboardSettings,
    EmbeddedDirectorySettings,
    JwtHandlerSettings,
    ManagementApiSettings,
    ResourceSettings,
    ServerSettings,
    SuperAdminSettings,
    ThrottleSettings,
    TokenSettings,
)
from mi_ldap.settings.user_store import UserStoreSettings

__all__ = [
    "AuditSettings",
    "AuthorizationSettings",
    "BootstrapSettings",
    "CorsSettings",
    "DashboardSettings",
    "EmbeddedDirectorySettings",
    "JwtHandlerSettings",
    "ManagementApiSettings",
    "ResourceSettings",
    "ServerSettings",
    "Settings",
    "SuperAdminSettings",
    "ThrottleSettings",
    "TokenSettings",
    "UserStoreSettings",
    "load_settings",
]
