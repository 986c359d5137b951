"""Why OpenSSL did not accept a certificate (RFC 5280)."""

from __future__ import annotations

import ssl
from enum import Enum, auto


class CertificateFault(Enum):
    """A reason on which a person can act."""

    NOT_YET_VALID = auto()
    EXPIRED = auto()
    SELF_SIGNED = auto()
    UNKNOWN_AUTHORITY = auto()
    OTHER_HOST = auto()
    OTHER = auto()


# X509_V_ERR_* of OpenSSL's x509_vfy.h, which the ssl module does not name.
_BY_CODE = {
    9: CertificateFault.NOT_YET_VALID,
    10: CertificateFault.EXPIRED,
    18: CertificateFault.SELF_SIGNED,
    19: CertificateFault.UNKNOWN_AUTHORITY,
    20: CertificateFault.UNKNOWN_AUTHORITY,
    21: CertificateFault.UNKNOWN_AUTHORITY,
    62: CertificateFault.OTHER_HOST,
    64: CertificateFault.OTHER_HOST,
}


def fault_of(error: ssl.SSLCertVerificationError) -> CertificateFault:
    """Return why the certificate was not accepted."""
    return _BY_CODE.get(error.verify_code, CertificateFault.OTHER)
