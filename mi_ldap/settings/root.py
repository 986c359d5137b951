"""`Settings`: all sections, and the rules that concern several of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from mi_ldap.settings.database import (
    DatasourceSettings,
    RealmManagerSettings,
    database_problems,
    read_address,
)
from mi_ldap.settings.icp import IcpSettings, icp_problems
from mi_ldap.settings.jdbc import DatabaseAddress
from mi_ldap.settings.micro_integrator import MicroIntegratorSettings, node_problems
from mi_ldap.settings.secondary import SAME_DOMAIN, SecondaryStoreSettings
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
    secondary_user_store: tuple[SecondaryStoreSettings, ...] = ()
    micro_integrator: tuple[MicroIntegratorSettings, ...] = ()
    datasource: DatasourceSettings = DatasourceSettings()
    realm_manager: RealmManagerSettings = RealmManagerSettings()
    management_api: ManagementApiSettings = ManagementApiSettings()
    dashboard_config: DashboardSettings = DashboardSettings()
    icp_config: IcpSettings = IcpSettings()
    audit: AuditSettings = AuditSettings()

    @property
    def is_embedded(self) -> bool:
        """Whether the service runs its own directory."""
        return self.user_store.connection_url is None and not self.is_database

    @property
    def is_database(self) -> bool:
        """Whether users and roles are in a database."""
        return self.user_store.type == "database"

    @property
    def is_admin_role_hybrid(self) -> bool:
        """Whether the admin role is a hybrid role, so that it is not stored in a directory."""
        return "/" in self.super_admin.admin_role

    @property
    def has_hybrid_database(self) -> bool:
        """Whether hybrid roles are in the database of a `[[datasource]]` beside a directory."""
        return not self.is_database and self.datasource.url is not None

    @property
    def hybrid_roles_file(self) -> Path | None:
        """The service's own file of the hybrid roles; None if they are elsewhere, or nowhere."""
        if self.is_database or self.has_hybrid_database or not self.is_admin_role_hybrid:
            return None
        return self.state_dir / "hybrid-roles.sqlite"

    @property
    def admin_role_place(self) -> str:
        """A phrase for what an operator looks at, and restores, when the admin role is lost."""
        if file := self.hybrid_roles_file:
            return f"the file {file}"
        if self.is_database or self.is_admin_role_hybrid:
            return "the role in the database that datasource.url names"
        return "the group below user_store.group_search_base"

    @property
    def has_hybrid_groups(self) -> bool:
        """Whether hybrid roles are in the directory, where that has a place for them."""
        return not (self.is_database or self.has_hybrid_database or self.is_admin_role_hybrid)

    @property
    def database_address(self) -> DatabaseAddress:
        """The database with the account and TLS; only if there is one."""
        return read_address(self.datasource, self.user_store)

    @property
    def enabled_secondaries(self) -> tuple[SecondaryStoreSettings, ...]:
        """The secondary user stores that are used, in the order of logins."""
        return tuple(each for each in self.secondary_user_store if not each.disabled)

    @model_validator(mode="after")
    def _database_is_complete(self) -> Settings:
        has_database = self.is_database or self.has_hybrid_database
        problems = [*database_problems(self.datasource, self.user_store)] if has_database else []
        for store in self.enabled_secondaries:
            # With the primary users under a second name, admins could be changed by anyone.
            if store.is_database and not problems and self._is_primary_database(store):
                sentence = "datasource.url is the primary store's database: name another."
                problems += [store.renamed(sentence)]
        if problems:
            raise SettingsError("\n".join(problems))
        return self

    def _is_primary_database(self, store: SecondaryStoreSettings) -> bool:
        if not self.is_database:
            return False
        own, other = secondary_address(store), self.database_address
        return (own.dialect, own.database) == (other.dialect, other.database) and (
            own.hosts == other.hosts or bool({*own.hosts} & {*other.hosts})
        )

    @model_validator(mode="after")
    def _domains_are_unique(self) -> Settings:
        # Also without case and as parts of variables, whose names have `_` for `.` and `-`.
        variables = [each.variable for each in self.enabled_secondaries]
        if len({*variables}) < len(variables):
            raise SettingsError(SAME_DOMAIN)
        return self

    @model_validator(mode="after")
    def _icp_fits_the_others(self) -> Settings:
        token = self.management_api.jwt_token_security_handler.token_config
        if problems := [*icp_problems(self.icp_config, self.server, token)]:
            raise SettingsError("\n".join(problems))
        return self

    @model_validator(mode="after")
    def _micro_integrators_are_distinct(self) -> Settings:
        slapd = self.embedded_directory.port
        reserved = [slapd] if slapd else []
        if problems := [*node_problems(self.micro_integrator, self.server, reserved)]:
            raise SettingsError("\n".join(problems))
        return self

    @model_validator(mode="after")
    def _configured_admin_is_complete(self) -> Settings:
        if self.bootstrap.mode != "configured":
            return self
        if self.super_admin.username is None or self.super_admin.password is None:
            raise SettingsError(
                'bootstrap.mode = "configured" needs super_admin.username and '
                "super_admin.password: set both, or another mode."
            )
        # MI's default, which everybody knows. The embedded directory is on loopback at first.
        if not self.is_embedded and self.super_admin.password.get_secret_value() == "admin":
            raise SettingsError(
                "super_admin.password is the well-known one, which only the embedded directory "
                "accepts: choose another."
            )
        return self


def secondary_address(store: SecondaryStoreSettings) -> DatabaseAddress:
    """Return the database of a secondary store with the account and TLS."""
    return read_address(store.datasource, store)
