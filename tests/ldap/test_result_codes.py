"""The enum of LDAP result codes, and the table of their errors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ldap3.core import results as ldap3_results

import mi_ldap
from mi_ldap.ldap import result_errors
from mi_ldap.ldap.result_codes import LdapError, ResultCode

LDAP3_CODES = {
    value
    for name, value in vars(ldap3_results).items()
    if name.startswith("RESULT_") and isinstance(value, int)
}

NAMES_BY_RFC: dict[str, dict[int, str]] = {
    "RFC 4511, appendix A.1": {
        0: "success",
        1: "operationsError",
        2: "protocolError",
        3: "timeLimitExceeded",
        4: "sizeLimitExceeded",
        5: "compareFalse",
        6: "compareTrue",
        7: "authMethodNotSupported",
        8: "strongerAuthRequired",
        10: "referral",
        11: "adminLimitExceeded",
        12: "unavailableCriticalExtension",
        13: "confidentialityRequired",
        14: "saslBindInProgress",
        16: "noSuchAttribute",
        17: "undefinedAttributeType",
        18: "inappropriateMatching",
        19: "constraintViolation",
        20: "attributeOrValueExists",
        21: "invalidAttributeSyntax",
        32: "noSuchObject",
        33: "aliasProblem",
        34: "invalidDNSyntax",
        36: "aliasDereferencingProblem",
        48: "inappropriateAuthentication",
        49: "invalidCredentials",
        50: "insufficientAccessRights",
        51: "busy",
        52: "unavailable",
        53: "unwillingToPerform",
        54: "loopDetect",
        64: "namingViolation",
        65: "objectClassViolation",
        66: "notAllowedOnNonLeaf",
        67: "notAllowedOnRDN",
        68: "entryAlreadyExists",
        69: "objectClassModsProhibited",
        71: "affectsMultipleDSAs",
        80: "other",
    },
    "RFC 3928": {
        113: "lcupResourcesExhausted",
        114: "lcupSecurityViolation",
        115: "lcupInvalidData",
        116: "lcupUnsupportedScheme",
        117: "lcupReloadRequired",
    },
    "RFC 3909": {118: "canceled", 119: "noSuchOperation", 120: "tooLate", 121: "cannotCancel"},
    "RFC 4528": {122: "assertionFailed"},
    "RFC 4370": {123: "authorizationDenied"},
    "RFC 4533": {4096: "e-syncRefreshRequired"},
}


def test_every_code_of_the_rfcs_is_named() -> None:
    named = {code: name for codes in NAMES_BY_RFC.values() for code, name in codes.items()}
    assert {code.value: code.name.replace("_", "").lower() for code in ResultCode} == {
        code: name.replace("-", "").lower() for code, name in named.items()
    }


def test_every_code_that_ldap3_knows_is_named() -> None:
    assert {*ResultCode} == LDAP3_CODES - {ldap3_results.RESULT_RESERVED}


def test_every_code_but_success_has_an_error() -> None:
    assert set(result_errors.ERRORS) == set(ResultCode) - {ResultCode.SUCCESS}


def test_a_code_that_no_rfc_defines_is_kept() -> None:
    unknown = ResultCode(4242)
    assert (unknown, unknown.name, f"{unknown}") == (4242, "UNKNOWN", "4242")
    assert LdapError(4242, "").code is not ResultCode.OTHER
    with pytest.raises(ValueError, match="busy"):
        ResultCode("busy")  # type: ignore[arg-type]


def test_no_module_compares_a_result_code_with_a_number() -> None:
    package = Path(mi_ldap.__file__).parent
    compared = [
        f"{path.name}:{node.lineno}"
        for folder in ("ldap", "directory", "checks", "embedded")
        for path in (package / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare)
        and ast.unparse(node.left).endswith(".code")
        and any(
            isinstance(each, ast.Constant) for part in node.comparators for each in ast.walk(part)
        )
    ]
    assert not compared
