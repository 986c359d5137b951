"""`Settings`: all sections, and the rules that concern several of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from mi_ldap.settings.sections import (
    AuditSettings,
    BootstrapSettings,
    DashboardSettings,
    EmbeddedDirectorySettings,
    ManagementApiSettings,
    ServerSettings,
    SuperAdminSettings,
)
from mi_ldap.settings.types import Section, SettingsError
from mi_ldap.settings.user_store import UserStoreSettings


class Settings(Section):
    """The whole configuration; immutable, and its repr shows no secret.

    Attributes:
        state_dir: the folder for the state, absolute; may not exist yet.
        config_file: the TOML that was read, if any.
        notes: complete sentences for the log of the start.
    """

    state_dir: Path
    config_file: Path | None = None
    notes: tuple[str, ...] = ()
    server: ServerSettings = ServerSettings()
    embedded_directory: EmbeddedDirectorySettings = EmbeddedDirectorySettings()
    bootstrap: BootstrapSettings = BootstrapSettings()
    super_admin: SuperAdminSettings = SuperAdminSettings()
    user_store: UserStoreSettings = UserStoreSettings()
    management_api: ManagementApiSettings = ManagementApiSettings()
    dashboard_config: DashboardSettings = DashboardSettings()
    audit: AuditSettings = AuditSettings()

    @property
    def is_embedded(self) -> bool:
        """Whether the service runs its own directory."""
        return self.user_store.connection_url is None

    @model_validator(mode="after")
    def _configured_admin_is_complete(self) -> Settings:
        if self.bootstrap.mode != "configured":
            return self
        if self.super_admin.username is None or self.super_admin.password is None:
            raise SettingsError(
                'bootstrap.mode = "configured" needs super_admin.username and '
                "super_admin.password: set both, or another mode."
            )
        if not self.is_embedded and self.super_admin.password.get_secret_value() == "admin":
            raise SettingsError(
                "super_admin.password is the well-known one, which only the embedded directory "
                "accepts: choose another."
            )
        return self
