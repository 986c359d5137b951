"""The sections of the configuration except `[user_store]`: keys, defaults and descriptions."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

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
    OperatorRoles,
    OutputFile,
    Port,
    Rate,
    Role,
    Seconds,
    Secret,
    Section,
    SettingsError,
    Text,
    WholeSeconds,
    setting,
)


class ServerSettings(Section):
    """`[server]`: the HTTP service itself."""

    host: Host = setting(
        "127.0.0.1", "Address to listen on: loopback with the embedded directory, else all"
    )
    port: Port = setting(9164, "Port to listen on")
    workers: Count = Field(
        # The cores that this process may use (taskset, cpusets), which may not be all.
        default_factory=lambda: len(os.sched_getaffinity(0)),
        description="Worker processes; one for each core",
    )
    threads: Count = setting(8, "Threads of each worker")
    max_connections: Connections = setting(2048, "Most connections that each worker keeps open")
    max_connections_per_address: Connections = setting(
        1024,
        "Most connections from one address (IPv6: from one /64) to each worker; "
        "`trusted_proxies` are not limited",
    )
    max_buffered_mb: Megabytes = setting(
        64, "Most megabytes of requests being received and responses being sent, in each worker"
    )
    tls: Flag = setting(True, "https; false is plain http, behind a proxy that does TLS")
    certificate_file: InputFile | None = setting(
        None,
        "PEM certificate with its chain; none: a self-signed one is created in the state folder",
    )
    key_file: InputFile | None = setting(None, "PEM key of `certificate_file`")
    trusted_proxies: Networks = setting(
        (), "Addresses or networks of proxies, whose `X-Forwarded-For` is trusted"
    )
    request_deadline_s: Seconds = setting(
        5.0, "Time limit of a whole request in seconds, at most 30"
    )
    graceful_timeout_s: WholeSeconds = setting(
        30, "Seconds in which requests in flight are finished when the service is stopped"
    )
    min_free_mb: MegabytesOrNone = setting(
        256,
        "Free megabytes below which a warning is logged and shown by `/ready`, for the disks of "
        "the state folder and of the audit log; 0: not checked",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "Minimum severity that is logged: debug, info, warning or error"
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

    suffix: Dn = setting("dc=mi", "DN at the top of the embedded directory")
    host: Host = setting("127.0.0.1", "Address of `embedded_directory.port`")
    port: Port | None = setting(
        None,
        "TCP port on which the embedded directory listens, in addition to its socket in the "
        "state folder; none: no port",
    )
    slapd: InputFile | None = setting(
        None, "Path of slapd; none: searched for on the PATH and in /usr/sbin"
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
    """`[bootstrap]`: how the first admin is created."""

    mode: Literal["first_login", "configured", "off"] = setting(
        "first_login",
        "Who becomes the first admin: first_login (whoever logs in first), configured "
        "(`super_admin.username`) or off (nobody)",
    )
    users: Names = setting((), "Names that may become the first admin; none: any")


class SuperAdminSettings(Section):
    """`[super_admin]`: the admin role, and the account of `bootstrap.mode = "configured"`."""

    username: Text | None = setting(None, "Name of the configured first admin")
    password: Secret | None = setting(
        None, "Password of the configured first admin, set when it is created"
    )
    admin_role: Role = setting(
        "admin",
        "Role whose members are the admins; `Internal/admin` is a hybrid role, so that the "
        "directory may be read-only",
    )
    can_remove_admins: Flag = setting(
        False, "Whether `username` may remove admins that others created"
    )


class CorsSettings(Section):
    """`[management_api.cors]`."""

    enable: Flag = setting(True, "Whether CORS headers are sent at all")
    allowed_origins: Names = setting(
        (), "Origins whose pages may call the API, or `*`; none by default"
    )
    allowed_headers: Names = setting(
        ("Authorization", "Content-Type"), "Headers that such pages may send"
    )


class TokenSettings(Section):
    """`[management_api.jwt_token_security_handler.token_config]`."""

    expiry: WholeSeconds = setting(3600, "Lifetime of a token in seconds")
    key: Key | None = setting(
        None, "Signing key, 32 bytes or more; none: one is created in the state folder"
    )
    issuer: Text = setting("mi-ldap", "Issuer of tokens; tokens of another issuer are refused")


class JwtHandlerSettings(Section):
    """`[management_api.jwt_token_security_handler]`."""

    enable: Flag = setting(True, "Accepted without effect: a login is always needed")
    token_config: TokenSettings = TokenSettings()


class ResourceSettings(Section):
    """One `[[management_api.authorization_handler.resources]]`."""

    path: Text

    @model_validator(mode="before")
    @classmethod
    def _take_a_bare_path(cls, value: object) -> object:
        # MI has a table for each path; a list of texts is shorter.
        return {"path": value} if isinstance(value, str) else value

    def covers(self, path: str) -> bool:
        """Whether the path, such as `"/users"`, is this resource or below it."""
        own = self.path.strip("/")
        return f"{path.strip('/')}/".startswith(f"{own}/" if own else "")


def _split_paths(value: object) -> object:
    # An environment variable has no other form for a list.
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Resources = Annotated[tuple[ResourceSettings, ...], BeforeValidator(_split_paths)]
_USERS_AND_ROLES = (ResourceSettings(path="/users"), ResourceSettings(path="/roles"))


class AuthorizationSettings(Section):
    """`[management_api.authorization_handler]`: what only admins may read. Writing needs one."""

    enable: Flag = setting(True, "Whether only admins may read `resources`")
    resources: Resources = setting(
        _USERS_AND_ROLES,
        "Paths that only admins may read or operate; changes of users and roles always need an "
        "admin",
    )
    operators_are: Literal["role_holders", "everybody"] = setting(
        "role_holders",
        "Who may change artifacts of a Micro Integrator: role_holders (admins and holders of "
        "`operator_roles`) or everybody (who is logged in, as in MI)",
    )

    def reserves(self, path: str) -> bool:
        """Whether only admins may read the path, such as `"/users"` or `"/users/alice"`."""
        return self.enable and any(resource.covers(path) for resource in self.resources)


class ThrottleSettings(Section):
    """`[management_api.throttle]`."""

    failures_per_name: Rate = setting(20, "Failed logins per minute for one name from one address")
    failures_per_address: Rate = setting(300, "Failed logins per minute from one address")


class ManagementApiSettings(Section):
    """`[management_api]`."""

    cors: CorsSettings = CorsSettings()
    jwt_token_security_handler: JwtHandlerSettings = JwtHandlerSettings()
    authorization_handler: AuthorizationSettings = AuthorizationSettings()
    throttle: ThrottleSettings = ThrottleSettings()
    operator_roles: OperatorRoles = setting(
        (), "Roles that may change artifacts of a Micro Integrator without being admins"
    )


class DashboardSettings(Section):
    """`[dashboard_config]`: the monitoring dashboard that this service reports to."""

    dashboard_url: DashboardUrl | None = setting(
        None, "Address of the dashboard's API; none: no heartbeats are sent"
    )
    group_id: Text = setting("default", "Group in which the dashboard shows this service")
    node_id: Text | None = setting(
        None,
        "Name of this service in the group; none: one is generated and kept in the state folder",
    )
    # The dashboard drops a node after three silent intervals.
    heartbeat_interval: WholeSeconds = setting(5, "Seconds from one heartbeat to the next")
    management_hostname: Host | None = setting(
        None,
        "Name or address at which the dashboard reaches this service; none: `server.host`, or "
        "the machine's name if the service listens on all addresses",
    )
    management_port: Port | None = setting(
        None, "Port at which the dashboard reaches this service; none: `server.port`"
    )
    ca_file: InputFile | None = setting(
        None, "PEM file of the authorities that are trusted for the dashboard's certificate"
    )
    verify: Flag = setting(True, "Whether the dashboard's certificate is verified")


class AuditSettings(Section):
    """`[audit]`."""

    file: OutputFile | None = setting(None, "Audit log; none: `audit.log` in the state folder")
    max_bytes: Bytes = setting(
        100_000_000, "Size in bytes at which the service rotates the log to `<file>.1`; 0: never"
    )
    keep: Count = setting(10, "Number of rotated files that are kept")
