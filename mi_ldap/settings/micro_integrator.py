"""`[[micro_integrator]]`: a Micro Integrator (MI) that answers requests about artifacts."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from mi_ldap.addresses import is_loopback, is_wildcard
from mi_ldap.settings.sections import ServerSettings
from mi_ldap.settings.sources import variable_part
from mi_ldap.settings.types import (
    Flag,
    InputFile,
    NodeId,
    NodeUrl,
    Port,
    Seconds,
    Secret,
    Section,
    SettingsError,
    Text,
    setting,
)

SECTION: Final = "micro_integrator"


class MicroIntegratorSettings(Section):
    """One MI: where its management API is, and this service's account there."""

    id: NodeId = Field(description="Name of the MI in paths, logs and metrics; unique")
    management_url: NodeUrl = Field(description="Address of its management API")
    username: Text = Field(description="Name of this service's account in the MI's own user store")
    password: Secret | None = setting(None, "Password of that account")
    ca_file: InputFile | None = setting(
        None, "PEM file of the authorities that are trusted for the MI's certificate"
    )
    verify: Flag = setting(True, "Whether the MI's certificate is verified")
    allow_plaintext: Flag = setting(
        False, "Whether tokens and the password may cross the network in the clear (`http://`)"
    )
    port: Port | None = setting(
        None, "A further port of this service at which this MI answers; none: no port"
    )
    timeout_s: Seconds = setting(10.0, "Time limit of the head of an answer in seconds, at most 30")

    @property
    def variable(self) -> str:
        """The id as a part of the names of environment variables: `MI_1`."""
        return variable_part(self.id)

    @model_validator(mode="after")
    def _check(self) -> MicroIntegratorSettings:
        if problems := [f"micro_integrator {self.id}: {each}" for each in self._problems()]:
            raise SettingsError("\n".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        url = urlsplit(self.management_url)
        if url.scheme == "http" and not (is_loopback(url.hostname or "") or self.allow_plaintext):
            yield (
                "management_url would send tokens and the password over the network in the clear: "
                "use https://, or accept it with allow_plaintext = true."
            )
        if ":" in self.username:
            yield "username contains a colon, which HTTP's Basic cannot carry: use another account."
        if self.password is None:
            yield (
                "password is missing: set it, best with "
                f"MI_LDAP_{SECTION.upper()}__{self.variable}__PASSWORD_FILE."
            )


def node_problems(
    nodes: Sequence[MicroIntegratorSettings], server: ServerSettings, reserved: Sequence[int] = ()
) -> Iterator[str]:
    """Yield a sentence for each mistake that concerns several MIs, or one and the service.

    Args:
        nodes: all MIs.
        server: the address of this service.
        reserved: further ports on which something of this service listens.
    """
    # Compared as parts of the names of variables: in capitals, with `_` for `.` and `-`.
    if len({each.variable for each in nodes}) < len(nodes):
        yield (
            "Two [[micro_integrator]] have the same id, or ids that differ in case, `.` and `-` "
            "only: rename one."
        )
    taken = {server.port, *reserved}
    for node in nodes:
        if node.port in taken:
            yield (
                f"micro_integrator {node.id}: port is used by this service or by another "
                "[[micro_integrator]] already: choose another port."
            )
        if node.port is not None:
            taken.add(node.port)
    for node in nodes:
        if _is_own_address(node.management_url, server, {server.port, *_ports(nodes)}):
            # The service would forward each request to itself until all threads are used.
            yield (
                f"micro_integrator {node.id}: management_url is the address of this service: "
                "set that of the Micro Integrator."
            )


def _ports(nodes: Sequence[MicroIntegratorSettings]) -> set[int]:
    return {each.port for each in nodes if each.port is not None}


def _is_own_address(url: str, server: ServerSettings, ports: set[int]) -> bool:
    """Whether this service listens at the URL, as far as that is known without DNS."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if (parts.port or {"http": 80, "https": 443}[parts.scheme]) not in ports:
        return False
    if host == server.host.lower():
        return True
    if is_wildcard(server.host):
        return is_loopback(host) or is_wildcard(host) or host == socket.gethostname().lower()
    return is_loopback(server.host) and "localhost" in (host, server.host.lower())
