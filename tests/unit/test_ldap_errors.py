"""What LDAP result codes mean."""

from __future__ import annotations

import pytest
from ldap3.core import results as ldap3_results

from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.profiles import ACTIVE_DIRECTORY, DS389, OPENLDAP, PROFILES, Profile
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    Forbidden,
    LoginRefused,
    MiLdapError,
    PolicyRefused,
    ReadOnlyStore,
    Unavailable,
)
from mi_ldap.ldap import result_errors
from mi_ldap.ldap.result_codes import LdapError, ResultCode

NEEDS = "class posixAccount needs the attribute uidNumber"
SECRET_TEXT = "uid=alice,ou=people,dc=mi (&(objectClass=*))"
ALL_CODES = sorted(
    value
    for name, value in vars(ldap3_results).items()
    if name.startswith("RESULT_") and isinstance(value, int) and value != 0
)


def refused(code: int, policy: str | None = None) -> LdapError:
    return LdapError(code, SECRET_TEXT, policy)


@pytest.mark.parametrize("code", ALL_CODES)
def test_every_code_becomes_an_error_that_tells_no_dn(code: int) -> None:
    errors = [ldap_errors.change_error(refused(code))]
    for profile in PROFILES.values():
        errors.append(ldap_errors.login_error(refused(code), profile))
        errors.append(ldap_errors.password_error(refused(code), profile))
    for error in errors:
        assert isinstance(error, MiLdapError)
        assert "uid=" not in str(error)
        assert "objectClass" not in str(error)


@pytest.mark.parametrize("code", [32, 34, 48, 49])
def test_a_wrong_password_and_an_unknown_user_look_alike(code: int) -> None:
    error = ldap_errors.login_error(refused(code), OPENLDAP)
    assert isinstance(error, LoginRefused)
    assert (str(error), error.reason) == ("Invalid credentials.", "credentials")


@pytest.mark.parametrize("code", [1, 2, 3, 8, 10, 11, 13, 50, 51, 52, 80, 122])
def test_what_the_directory_could_not_decide_is_no_wrong_password(code: int) -> None:
    assert isinstance(ldap_errors.login_error(refused(code), OPENLDAP), DirectoryUnavailable)


@pytest.mark.parametrize(
    ("code", "policy", "reason"),
    [(49, "accountLocked", "locked"), (49, "passwordExpired", "expired"), (53, None, "disabled")],
)
def test_a_locked_account_is_reported(code: int, policy: str | None, reason: str) -> None:
    error = ldap_errors.login_error(refused(code, policy), OPENLDAP)
    assert isinstance(error, LoginRefused)
    assert error.reason == reason


NAMED_LOCKED = ("The account is locked. Ask an administrator.", "locked")
NAMED_DISABLED = ("The account is disabled. Ask an administrator.", "disabled")
NAMED_EXPIRED = ("The password has expired. Ask an administrator.", "expired")
WRONG = ("Invalid credentials.", "credentials")


def data(sub_code: str) -> str:
    """What Active Directory says of a refused bind."""
    return (
        "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, "
        f"data {sub_code}, v4563"
    )


@pytest.mark.parametrize(
    ("profile", "answer", "expected"),
    [
        (OPENLDAP, LdapError(49, "", "accountLocked"), NAMED_LOCKED),
        (OPENLDAP, LdapError(49, "", "passwordExpired"), NAMED_EXPIRED),
        (DS389, LdapError(19, "Exceed password retry limit.", "accountLocked"), NAMED_LOCKED),
        (DS389, LdapError(19, "Exceed password retry limit."), NAMED_LOCKED),
        (DS389, LdapError(49, "password expired!", "passwordExpired"), NAMED_EXPIRED),
        (DS389, LdapError(49, "password expired!"), NAMED_EXPIRED),
        (ACTIVE_DIRECTORY, LdapError(49, data("775")), NAMED_LOCKED),
        (ACTIVE_DIRECTORY, LdapError(49, data("532")), NAMED_EXPIRED),
        (ACTIVE_DIRECTORY, LdapError(49, data("533")), NAMED_DISABLED),
        (ACTIVE_DIRECTORY, LdapError(49, data("701")), NAMED_DISABLED),
        (ACTIVE_DIRECTORY, LdapError(49, data("52e")), WRONG),
        (ACTIVE_DIRECTORY, LdapError(49, data("525")), WRONG),
    ],
)
def test_a_state_has_the_same_words_on_every_server(
    profile: Profile, answer: LdapError, expected: tuple[str, str]
) -> None:
    error = ldap_errors.login_error(answer, profile)
    assert isinstance(error, LoginRefused)
    assert (str(error), error.reason) == expected


@pytest.mark.parametrize(
    "answer",
    [
        LdapError(53, "Account inactivated. Contact system administrator.", "accountLocked"),
        LdapError(19, "Account inactivity limit exceeded. Contact system administrator to reset."),
    ],
)
def test_an_account_that_389_refuses_unproved_is_told_from_a_wrong_password_in_the_log_only(
    answer: LdapError,
) -> None:
    error = ldap_errors.login_error(answer, DS389)
    assert isinstance(error, LoginRefused)
    assert (str(error), error.reason) == ("Invalid credentials.", "disabled")


@pytest.mark.parametrize("code", [19, 53])
def test_of_what_active_directory_does_not_tell_apart_all_is_told(code: int) -> None:
    error = ldap_errors.password_error(
        LdapError(code, "0000052D: SvcErr: DSID-031A12D2"), ACTIVE_DIRECTORY
    )
    assert isinstance(error, PolicyRefused)
    for words in ("too short", "too weak", "used before", "too soon"):
        assert words in str(error)


def test_who_lacks_the_right_to_change_a_password_is_told_from_the_service_lacking_it() -> None:
    own = ldap_errors.password_error(refused(50), OPENLDAP, own=True)
    assert isinstance(own, PolicyRefused)
    assert "may not be changed" in str(own)
    assert isinstance(ldap_errors.password_error(refused(50), OPENLDAP), Forbidden)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("passwordTooShort", "too short"),
        ("passwordInHistory", "used before"),
        ("passwordTooYoung", "too recently"),
        ("insufficientPasswordQuality", "too weak"),
        (None, "it violates the password policy"),
    ],
)
def test_the_policys_reason_is_told(policy: str | None, words: str) -> None:
    error = ldap_errors.password_error(refused(19, policy), OPENLDAP)
    assert isinstance(error, PolicyRefused)
    assert words in str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (16, Conflict),
        (20, Conflict),
        (32, Conflict),
        (68, Conflict),
        (122, Conflict),
        (19, BadRequest),
        (21, BadRequest),
        (34, BadRequest),
        (10, ReadOnlyStore),
        (53, Forbidden),
        (50, Forbidden),
        (17, BadRequest),
        (54, BadRequest),
        (64, BadRequest),
        (65, BadRequest),
        (66, BadRequest),
        (3, DirectoryUnavailable),
        (51, DirectoryUnavailable),
        (80, DirectoryUnavailable),
        (4242, DirectoryUnavailable),
    ],
)
def test_a_refused_change_is_somebodys_fault(code: int, kind: type[MiLdapError]) -> None:
    assert type(ldap_errors.change_error(refused(code))) is kind


@pytest.mark.parametrize(
    "message",
    [
        "",
        "modify/delete: miLdapRevision: no such value",
        "modify/delete: miLdapEpoch: no such attribute",
        "00000057: attribute 'adminDisplayName': no matching attribute value while deleting",
        "00002085: AtrErr: DSID-03152217, #1: problem 1001 (NO_ATTRIBUTE_OR_VAL), data 0, Att 90",
    ],
)
def test_a_value_that_somebody_else_has_swapped_is_a_conflict(message: str) -> None:
    assert type(ldap_errors.change_error(LdapError(16, message))) is Conflict


@pytest.mark.parametrize(
    "message",
    [
        "objectclass_attrs: attribute 'miLdapEpoch' on entry 'CN=a' was not found in the schema!",
        "00000057: LdapErr: DSID-0C090E20, comment: Error in attribute conversion operation",
    ],
)
def test_an_attribute_that_active_directory_does_not_know_is_none(message: str) -> None:
    assert type(ldap_errors.change_error(LdapError(16, message))) is BadRequest


@pytest.mark.parametrize("code", ALL_CODES)
def test_only_what_may_go_away_is_an_outage(code: int) -> None:
    error = ldap_errors.change_error(refused(code))
    assert isinstance(error, Unavailable) == result_errors.error_for(ResultCode(code)).is_temporary


def test_whatever_is_answered_for_good_has_a_reason() -> None:
    for code, known in result_errors.ERRORS.items():
        if known.error in (BadRequest, Forbidden) and code != 50:
            assert known.reason, code
            assert f"{known.reason} (LDAP {code})." in str(ldap_errors.change_error(refused(code)))


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (65, "object class 'posixAccount' requires attribute 'uidNumber'", NEEDS),
        (65, 'missing attribute "uidNumber" required by object class "posixAccount"', NEEDS),
        (65, "attribute 'cn' not allowed", "do not allow the attribute cn"),
        (65, 'attribute "cn" not allowed\n', "do not allow the attribute cn"),
        (
            65,
            "invalid structural object class chain (account/inetOrgPerson)",
            "inetOrgPerson at once",
        ),
        (65, "no structural object class provided", "a structural one is missing"),
        (65, 'unknown object class "miLdapAccount"', "does not know the class miLdapAccount"),
        (21, "objectClass: value #1 invalid per syntax", "does not know a class"),
        (17, "miLdapEpoch: attribute type undefined", "does not know the attribute miLdapEpoch"),
        (64, "naming attribute 'uid' is not present in entry", "needs the attribute uid"),
        (66, "subordinate objects must be deleted first", "other entries lie below"),
    ],
)
def test_a_class_or_attribute_that_is_missing_is_named(code: int, message: str, words: str) -> None:
    assert words in str(ldap_errors.change_error(LdapError(code, message)))


@pytest.mark.parametrize(
    "message",
    [
        "shadow context; no update referral",
        "operation restricted",
        "Server is read-only",
    ],
)
def test_a_server_that_takes_no_changes_is_told_from_one_that_is_unwilling(message: str) -> None:
    assert isinstance(ldap_errors.change_error(LdapError(53, message)), ReadOnlyStore)
    assert isinstance(ldap_errors.change_error(LdapError(53, "no such rule")), Forbidden)


def test_a_duplicate_is_told_from_other_broken_constraints() -> None:
    duplicate = LdapError(19, "non-unique attributes found with (|(uid=a))")
    assert ldap_errors.is_duplicate(duplicate)
    assert not ldap_errors.is_duplicate(refused(19))
    assert not ldap_errors.is_duplicate(LdapError(68, "non-unique"))
