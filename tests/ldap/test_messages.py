"""Encoded binds and controls, compared with those of ldap3."""

from __future__ import annotations

import pytest
from ldap3 import SASL, SIMPLE
from ldap3.operation.bind import bind_operation
from pyasn1.codec.ber import encoder

from mi_ldap.ldap import messages


@pytest.mark.parametrize("dn", ["uid=a,dc=x", "uid=ä\\2C b,dc=x", "cn=" + "n" * 300])
@pytest.mark.parametrize("password", ["secret", "pässword ", "p" * 1024])
def test_a_simple_bind_is_encoded_as_by_ldap3(dn: str, password: str) -> None:
    theirs = bind_operation(3, SIMPLE, dn, password.encode(), auto_encode=True)
    assert messages.simple_bind(dn, password) == encoder.encode(theirs)


def test_a_sasl_external_bind_is_encoded_as_by_ldap3() -> None:
    theirs = bind_operation(3, SASL, "", None, "EXTERNAL", "")
    assert messages.sasl_bind("EXTERNAL") == encoder.encode(theirs)


def test_a_control_is_encoded_without_default_values() -> None:
    # RFC 4511 §5.1: true is 0xFF, and a default is left out.
    written = messages.control("1.2", b"value", critical=True)
    assert written == bytes.fromhex("30 0f 04 03 31 2e 32 01 01 ff 04 05 76 61 6c 75 65")
    assert messages.control("1.2") == bytes.fromhex("30 05 04 03 31 2e 32")
