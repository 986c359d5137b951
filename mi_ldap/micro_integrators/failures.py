"""What a failed request to a node means: the error for the client, and the reason for the log."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final

from mi_ldap.certificate_faults import CertificateFault, fault_of
from mi_ldap.errors import MiLdapError, NodeFailed, NodeUnavailable
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.connection import BadAnswer, InvalidRequest

FAILURES: Final = (OSError, UnicodeError, BadAnswer, InvalidRequest)
"""What the functions of `transport` and `connection` raise."""

_CERTIFICATE: Final = {
    CertificateFault.NOT_YET_VALID: "is not valid yet",
    CertificateFault.EXPIRED: "has expired",
    CertificateFault.SELF_SIGNED: "is self-signed",
    CertificateFault.UNKNOWN_AUTHORITY: "is signed by an authority that is unknown here",
    CertificateFault.OTHER_HOST: "is for another host name",
    CertificateFault.OTHER: "cannot be verified",
}
_REMEDY: Final = {
    CertificateFault.NOT_YET_VALID: "check the clocks of both machines",
    CertificateFault.EXPIRED: "renew it on the Micro Integrator",
    CertificateFault.SELF_SIGNED: "name its file in ca_file of the [[micro_integrator]]",
    CertificateFault.UNKNOWN_AUTHORITY: (
        "name that authority's PEM file in ca_file of the [[micro_integrator]]"
    ),
    CertificateFault.OTHER_HOST: "write the name that it is for in management_url",
    CertificateFault.OTHER: "look at the log of the Micro Integrator",
}


class AnswerTooLarge(NodeFailed):
    """The answer of a Micro Integrator is larger than what is read of it."""


class EffectUnknown(NodeFailed):
    """A write was sent to a Micro Integrator and not answered: it may have been carried out."""


def error_before_answer(config: NodeConfig, failure: BaseException) -> MiLdapError:
    """Return the error for a request without an effect that was not answered."""
    name = f"The Micro Integrator {config.id}"
    if isinstance(failure, ssl.SSLCertVerificationError):
        fault = fault_of(failure)
        what = f"The certificate of the Micro Integrator {config.id} {_CERTIFICATE[fault]}"
        return NodeUnavailable(f"{what}: {_REMEDY[fault]}.")
    if isinstance(failure, TimeoutError):
        return NodeUnavailable(f"{name} did not answer in time. Try again later.")
    if isinstance(failure, BadAnswer):
        return NodeFailed(f"{name} gave no valid answer.")
    if isinstance(failure, InvalidRequest):
        return NodeFailed(f"The request cannot be sent to the Micro Integrator {config.id}.")
    return NodeUnavailable(f"{name} cannot be reached. Try again later.")


def unknown_effect(config: NodeConfig, failure: BaseException) -> EffectUnknown:
    """Return the error for a write that was sent and not answered."""
    happened = (
        f"The Micro Integrator {config.id} did not answer in time"
        if isinstance(failure, TimeoutError)
        else f"The connection to the Micro Integrator {config.id} broke"
    )
    # Short: the dashboard shows at most 120 characters of it.
    return EffectUnknown(f"{happened}: check whether the change was made.")


def reason_of(failure: BaseException) -> str:
    """Return what happened, for the log and the audit log."""
    if isinstance(failure, BadAnswer | InvalidRequest):
        return f"invalid answer: {failure}" if isinstance(failure, BadAnswer) else "invalid request"
    if isinstance(failure, ssl.SSLError):
        return _reason_of_tls(failure)
    if isinstance(failure, socket.gaierror | UnicodeError):
        return "the host name cannot be resolved"
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    # Not its text: that of asyncio has the address.
    code = failure.errno if isinstance(failure, OSError) else None
    return os.strerror(code).lower() if code else "connection failed"


def _reason_of_tls(failure: ssl.SSLError) -> str:
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"certificate {_CERTIFICATE[fault_of(failure)]}"
    if isinstance(failure, ssl.SSLEOFError):
        return "connection closed without the end of TLS"
    return f"TLS: {failure.reason or 'failed'}"
