"""Typed settings: the environment over secret files over TOML over defaults.

`load_settings()` returns an immutable `Settings`, whose attributes are named like the keys of the
TOML (`settings.server.port` is `port` in `[server]`), or raises a `ConfigurationError` with a
sentence for every mistake. No sentence repeats a value, which may be a secret. The table of all
keys is docs/configuration.md. It imports `addresses`, `files` and `errors`, and must know no other
package.
"""

# Not pydantic-settings: see docs/architecture.md.
from mi_ldap.settings.loading import load_settings
from mi_ldap.settings.root import Settings
from mi_ldap.settings.sections import CorsSettings, ResourceSettings, ServerSettings
from mi_ldap.settings.user_store import UserStoreSettings

__all__ = [
    "CorsSettings",
    "ResourceSettings",
    "ServerSettings",
    "Settings",
    "UserStoreSettings",
    "load_settings",
]
