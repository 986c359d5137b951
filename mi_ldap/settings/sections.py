"""The sections of the configuration but `[user_store]`; every key with its meaning and default."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mi_ldap.settings.types import (
    Bytes,
    Connections,
    Count,
    DashboardUrl,
    Dn,
    Flag,
    Host,
    InputFile,
    Key,
    Megabytes,
    MegabytesOrNone,
    Names,
    Networks,
    OutputFile,
    Port,
    Rate,
    Role,
    Seconds,
    Secret,
    SettingsError,
    Text,
    WholeSeconds,
)


class Section(BaseModel):
    """What every section is: immutable, closed, and silent about the values it was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ServerSettings(Section):
    """`[server]`: the HTTP service itself."""

    host: Host = Field(
        default="127.0.0.1",
        description="Address to listen on: loopback with the embedded directory, else all",
    )
    port: Port = Field(default=9164, description="Port to listen on")
    workers: Count = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)),
        description="Worker processes; one for each core",
    )
    threads: Count = Field(default=8, description="Threads of each worker")
    max_connections: Connections = Field(
        default=2048, description="Connections that each worker keeps open at most"
    )
    max_connections_per_address: Connections = Field(
        default=1024,
        description="Those of one address (IPv6: of a /64) in each worker; `trusted_proxies` are "
        "not limited by it",
    )
    max_buffered_mb: Megabytes = Field(
        default=64,
        description="Megabytes of requests under way and of responses that clients have not taken, "
        "in each worker",
    )
    tls: Flag = Field(
        default=True, description="https; false is plain http, behind a proxy that does TLS"
    )
    certificate_file: InputFile | None = Field(
        default=None,
        description="PEM certificate with its chain; none: one is made in the state folder",
    )
    key_file: InputFile | None = Field(default=None, description="PEM key of `certificate_file`")
    trusted_proxies: Networks = Field(
        default=(), description="Addresses or networks whose `X-Forwarded-For` counts"
    )
    request_deadline_s: Seconds = Field(
        default=5.0, description="Seconds that a request may take as a whole, up to 30"
    )
    graceful_timeout_s: WholeSeconds = Field(
        default=30, description="Seconds for requests in flight when the service is stopped"
    )
    min_free_mb: MegabytesOrNone = Field(
        default=256,
        description="Megabytes that should be free where the state folder and the audit log are; "
        "with less a warning is logged, and `/ready` shows it; 0: not watched",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity that is logged: debug, info, warning or error"
    )

    @model_validator(mode="after")
    def _pair_certificate_and_key(self) -> ServerSettings:
        if (self.certificate_file is None) != (self.key_file is None):
            raise SettingsError(
                "server.certificate_file and server.key_file belong together: "
                "set both, or neither for a certificate that the service makes itself."
            )
        return self


class EmbeddedDirectorySettings(Section):
    """`[embedded_directory]`: the private OpenLDAP, used when no directory is configured."""

    suffix: Dn = Field(default="dc=mi", description="DN at the top of the embedded directory")
    host: Host = Field(default="127.0.0.1", description="Address of `embedded_directory.port`")
    port: Port | None = Field(
        default=None,
        description="TCP port on which the embedded directory listens besides its socket in the "
        "state folder; none: on no port",
    )
    slapd: InputFile | None = Field(
        default=None, description="Path of slapd; none: looked for on the PATH and in /usr/sbin"
    )

    @model_validator(mode="after")
    def _host_needs_a_port(self) -> EmbeddedDirectorySettings:
        if "host" in self.model_fields_set and self.port is None:
            raise SettingsError(
                "embedded_directory.host has no effect without embedded_directory.port: "
                "set the port on which it listens, or remove the host."
            )
        return self


class BootstrapSettings(Section):
    """`[bootstrap]`: how the first admin comes to be."""

    mode: Literal["first_login", "configured", "off"] = Field(
        default="first_login",
        description="Who becomes the first admin: first_login (whoever logs in first), "
        "configured (`super_admin.username`) or off (nobody)",
    )
    users: Names = Field(default=(), description="Names that may become the first admin; none: any")


class SuperAdminSettings(Section):
    """`[super_admin]`: the admin role, and the account of `bootstrap.mode = "configured"`."""

    username: Text | None = Field(default=None, description="Name of the configured first admin")
    password: Secret | None = Field(
        default=None, description="Password of the configured first admin, set when it is created"
    )
    admin_role: Role = Field(default="admin", description="Role whose members are the admins")
    can_remove_admins: Flag = Field(
        default=False, description="Whether `username` may remove admins that others made"
    )


class CorsSettings(Section):
    """`[management_api.cors]`."""

    enable: Flag = Field(default=True, description="Whether CORS headers are sent at all")
    allowed_origins: Names = Field(
        default=(), description="Origins whose pages may call the API, or `*`; none by default"
    )
    allowed_headers: Names = Field(
        default=("Authorization", "Content-Type"), description="Headers that such pages may send"
    )


class TokenSettings(Section):
    """`[management_api.jwt_token_security_handler.token_config]`."""

    expiry: WholeSeconds = Field(default=3600, description="Life of a token in seconds")
    key: Key | None = Field(
        default=None,
        description="Signing key, 32 bytes or more; none: one is made in the state folder",
    )
    issuer: Text = Field(default="mi-ldap", description="Issuer that tokens name and must name")


class JwtHandlerSettings(Section):
    """`[management_api.jwt_token_security_handler]`."""

    enable: Flag = Field(
        default=True, description="Accepted without effect: a login is always needed"
    )
    token_config: TokenSettings = TokenSettings()


class ResourceSettings(Section):
    """One `[[management_api.authorization_handler.resources]]`."""

    path: Text

    @model_validator(mode="before")
    @classmethod
    def _take_a_bare_path(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    def covers(self, path: str) -> bool:
        """True when `path` (`"/users"`) is this resource or lies under it."""
        own = self.path.strip("/")
        return f"{path.strip('/')}/".startswith(f"{own}/" if own else "")


def _split_paths(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Resources = Annotated[tuple[ResourceSettings, ...], BeforeValidator(_split_paths)]
_USERS_AND_ROLES = (ResourceSettings(path="/users"), ResourceSettings(path="/roles"))


class AuthorizationSettings(Section):
    """`[management_api.authorization_handler]`: what only admins may read. Writing needs one."""

    enable: Flag = Field(default=True, description="Whether only admins may read `resources`")
    resources: Resources = Field(
        default=_USERS_AND_ROLES,
        description="Paths that only admins may read; writing always needs one",
    )

    def reserves(self, path: str) -> bool:
        """True when only admins may read `path`, such as `"/users"` or `"/users/alice"`."""
        return self.enable and any(resource.covers(path) for resource in self.resources)


class ThrottleSettings(Section):
    """`[management_api.throttle]`."""

    failures_per_name: Rate = Field(
        default=20, description="Failed logins a minute for one name from one address"
    )
    failures_per_address: Rate = Field(
        default=300, description="Failed logins a minute from one address"
    )


class ManagementApiSettings(Section):
    """`[management_api]`."""

    cors: CorsSettings = CorsSettings()
    jwt_token_security_handler: JwtHandlerSettings = JwtHandlerSettings()
    authorization_handler: AuthorizationSettings = AuthorizationSettings()
    throttle: ThrottleSettings = ThrottleSettings()


class DashboardSettings(Section):
    """`[dashboard_config]`: the monitoring dashboard that this service reports to."""

    dashboard_url: DashboardUrl | None = Field(
        default=None, description="Address of the dashboard's API; none: no heartbeats are sent"
    )
    group_id: Text = Field(default="default", description="Group that the dashboard shows it in")
    node_id: Text | None = Field(
        default=None,
        description="Its name in the group; none: one is made and kept in the state folder",
    )
    heartbeat_interval: WholeSeconds = Field(
        default=5, description="Seconds from one heartbeat to the next"
    )
    management_hostname: Host | None = Field(
        default=None,
        description="Name or address at which the dashboard reaches this service; none: "
        "`server.host`, or the machine's name where that is every address",
    )
    management_port: Port | None = Field(
        default=None,
        description="Port at which the dashboard reaches this service; none: `server.port`",
    )
    ca_file: InputFile | None = Field(
        default=None,
        description="PEM file of the authorities that are trusted for the dashboard's certificate",
    )
    verify: Flag = Field(
        default=True, description="Whether the dashboard's certificate is verified"
    )


class AuditSettings(Section):
    """`[audit]`."""

    file: OutputFile | None = Field(
        default=None, description="Audit log; none: `audit.log` in the state folder"
    )
    max_bytes: Bytes = Field(
        default=100_000_000,
        description="Size at which the service rotates it to `<file>.1`; 0: never",
    )
    keep: Count = Field(default=10, description="Rotated files that are kept")
