"""What is shown of a Micro Integrator: whether it can be used, and how many requests it got."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class RequestTotals(Protocol):
    """Sums over all workers since the service started."""

    @property
    def requests(self) -> int:
        """Requests that ended, whatever their outcome."""

    @property
    def errors(self) -> int:
        """Of those, the ones that the Micro Integrator did not answer completely."""

    @property
    def seconds(self) -> float:
        """The time that all of them took."""


class Counters(Protocol):
    """The counters of one Micro Integrator."""

    def totals(self) -> RequestTotals:
        """Return the sums over all workers."""


class NodeStatus(Protocol):
    """One Micro Integrator as this worker knows it."""

    @property
    def id(self) -> str:
        """Its id in the settings."""

    @property
    def state(self) -> Enum:
        """Of its circuit breaker; the value is `"closed"` while requests are sent to it."""

    @property
    def problem(self) -> str:
        """Why the last request was not answered; `""` if it was."""

    @property
    def counters(self) -> Counters:
        """The counters that all workers share."""


def is_up(node: NodeStatus) -> bool:
    """Whether requests are sent to it."""
    return bool(node.state.value == "closed")
