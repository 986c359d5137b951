"""`[icp_config]`: the Integration Control Plane 2 that this service reports to, with MI's keys."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import model_validator

from mi_ldap.settings.sections import ServerSettings, TokenSettings
from mi_ldap.settings.types import (
    Flag,
    HandlerName,
    HeartbeatSeconds,
    IcpSecret,
    IcpUrl,
    InputFile,
    ManagementUrl,
    OnlyTrue,
    RuntimeName,
    Section,
    SettingsError,
    Text,
    TokenAge,
    UnlessFalse,
    setting,
)


class IcpSettings(Section):
    """`[icp_config]`: without `enabled = true` the whole section has no effect."""

    enabled: OnlyTrue = setting(
        False,
        "Whether this service reports to ICP 2 and accepts its tokens; only `true` enables it",
    )
    icp_url: IcpUrl = setting(
        "https://localhost:9445", "Address of ICP for its nodes: https, host and port"
    )
    secret: IcpSecret | None = setting(
        None, "Secret that ICP has created for this service alone, `<key id>.<key>`"
    )
    environment: Text | None = setting(None, "Handle of the environment in ICP, such as `prod`")
    project: HandlerName = setting("default", "Project in ICP; ICP creates it if it is missing")
    integration: HandlerName = setting(
        "default", "Integration in the project; ICP creates it if it is missing"
    )
    runtime: RuntimeName | None = setting(
        None, "Name of this service in ICP, unique among all runtimes; none: the machine's name"
    )
    # ICP shows a node as offline after 30 seconds without a heartbeat.
    heartbeat_interval: HeartbeatSeconds = setting(10, "Seconds from one heartbeat to the next")
    management_url: ManagementUrl | None = setting(
        None,
        "Address at which ICP reaches this service: https, host and port; none: `server.host`, or "
        "the machine's name if the service listens on all addresses, and `server.port`",
    )
    ssl_verify: UnlessFalse = setting(
        True, "Whether ICP's certificate is verified; only `false` disables it"
    )
    ca_file: InputFile | None = setting(
        None, "PEM file of the authorities that are trusted for ICP's certificate"
    )
    jwt_issuer: Text = setting("icp-runtime-jwt-issuer", "Issuer of all tokens, as in ICP")
    jwt_audience: Text = setting("icp-server", "Audience of all tokens, as in ICP")
    account: Text | None = setting(
        None, "Name of the admin as whom ICP creates and deletes users; none: ICP only reads"
    )
    allow_admins: Flag = setting(False, "Whether admins can be created through ICP")
    max_token_age_s: TokenAge = setting(
        300, "Seconds for which a token of ICP is accepted after ICP has issued it"
    )

    @model_validator(mode="after")
    def _is_complete(self) -> IcpSettings:
        missing = [key for key in ("secret", "environment") if getattr(self, key) is None]
        if self.enabled and missing:
            raise SettingsError("\n".join(_MISSING[key] for key in missing))
        return self

    @property
    def key_id(self) -> str:
        """The id of the key (`kid`), which is not secret; `""` without `secret`."""
        return self._secret_text.partition(".")[0]

    @property
    def key(self) -> str:
        """The key of HMAC, used as text without decoding, as in ICP; `""` without `secret`."""
        return self._secret_text.partition(".")[2]

    @property
    def _secret_text(self) -> str:
        return self.secret.get_secret_value() if self.secret else ""

    def has_key(self, key: str) -> bool:
        """Whether a key is that of ICP, alone or with the key id."""
        return key in (self.key, self._secret_text)


_MISSING = {
    "secret": (
        "icp_config.enabled = true needs icp_config.secret: create a secret in ICP for this "
        "service alone, and set icp_config.secret or MI_LDAP_ICP_CONFIG__SECRET_FILE."
    ),
    "environment": (
        "icp_config.enabled = true needs icp_config.environment: set the handle of an environment "
        "that exists in ICP, such as dev or prod."
    ),
}


def icp_problems(icp: IcpSettings, server: ServerSettings, token: TokenSettings) -> Iterator[str]:
    """Yield a sentence for each setting of another section that conflicts with `[icp_config]`."""
    if not icp.enabled:
        return
    if not (server.tls or icp.management_url):
        yield (
            "server.tls = false needs icp_config.management_url: ICP calls this service by https "
            "only, so set the address of the proxy that does TLS."
        )
    if token.key and icp.has_key(token.key.get_secret_value()):
        yield (
            "icp_config.secret is the signing key of this service, "
            "management_api.jwt_token_security_handler.token_config.key: ICP could sign tokens of "
            "every user. Create another secret in ICP."
        )


def icp_notes(icp: IcpSettings) -> Iterator[str]:
    """Yield a sentence for each setting that weakens security or has no effect."""
    if not icp.enabled:
        return
    if not icp.ssl_verify:
        yield (
            "icp_config.ssl_verify = false accepts every certificate of ICP: set "
            "icp_config.ca_file instead."
        )
    if icp.allow_admins and not icp.account:
        yield (
            "icp_config.allow_admins has no effect: without icp_config.account nothing is changed "
            "through ICP."
        )
