"""The configuration of a Micro Integrator, created from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """One Micro Integrator, and this service's account there.

    Attributes:
        id: its name in paths, messages and metrics.
        management_url: the address of its management API, without a slash at the end.
        username: the account; without a colon.
        password: the password of the account.
        ca_file: PEM of the authorities that its certificate is verified with; None for the
            system's.
        verify: whether the certificate is verified.
        timeout_s: the time limit for connecting, the login, and the head of an answer, in seconds.
        pause_s: the longest pause in a body, in seconds, if it is longer than `timeout_s`.
    """

    id: str
    management_url: str
    username: str
    password: str = field(repr=False)
    ca_file: Path | None = None
    verify: bool = True
    timeout_s: float = 10.0
    pause_s: float = 30.0

    @property
    def is_tls(self) -> bool:
        return self.management_url.lower().startswith("https:")

    @property
    def host(self) -> str:
        return urlsplit(self.management_url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.management_url).port or (443 if self.is_tls else 80)

    @property
    def authority(self) -> str:
        """The value of the Host field."""
        return urlsplit(self.management_url).netloc.rpartition("@")[2]

    @property
    def base_path(self) -> str:
        """The path of the address: `/management`."""
        return urlsplit(self.management_url).path.rstrip("/")

    @property
    def body_timeout_s(self) -> float:
        """The longest pause in a body, in seconds."""
        return max(self.pause_s, self.timeout_s)
