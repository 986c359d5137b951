"""Whether users could write the service's own marks, and how that is tried."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from mi_ldap.checks import slapd
from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.probes import (
    code_of_deleting_nothing,
    effective_rights,
    holds_dns,
)
from mi_ldap.ldap.controls import PROXIED_AUTHORIZATION
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.ldap.transport import is_ldaps, is_local_socket

_OFTEN_SELF_WRITTEN = (
    "description seeAlso manager secretary telephoneNumber mobile homePhone pager mail jpegPhoto "
    "displayName givenName carLicense labeledURI preferredLanguage homePostalAddress "
    "facsimileTelephoneNumber postalAddress"
)
# Personal-Information and Web-Information ([MS-ADTS] §3.1.1.2.3.3), which SELF may write.
_PERSONAL_INFORMATION = (
    "assistant c facsimileTelephoneNumber homePhone homePostalAddress info "
    "internationalISDNNumber ipPhone l mobile otherFacsimileTelephoneNumber otherHomePhone "
    "otherIpPhone otherMobile otherPager otherTelephone pager personalTitle "
    "physicalDeliveryOfficeName postOfficeBox postalAddress postalCode preferredDeliveryMethod "
    "primaryInternationalISDNNumber primaryTelexNumber registeredAddress st street streetAddress "
    "telephoneNumber teletexTerminalIdentifier telexNumber thumbnailPhoto url userCert "
    "userCertificate userSharedFolder userSharedFolderOther userSMIMECertificate wWWHomePage "
    "x121Address"
)
SELF_WRITTEN = {
    "active_directory": frozenset(_PERSONAL_INFORMATION.lower().split()),
    "other": frozenset(_OFTEN_SELF_WRITTEN.lower().split()),
}
"""Attributes that people always write of themselves in Active Directory, and often elsewhere.

Seen on Samba 4.17 by asking as a user for `allowedAttributesEffective` of its own entry.
"""
_CLOUD = re.compile(r"(?i)msds-cloudextensionattribute\d+")


def self_writable_markers(patient: CheckContext) -> Iterator[Finding]:
    """Whether users could write their custodian or epoch themselves: an admin could free itself."""
    tree = patient.tree
    marks = [name for name in (tree.custodian, tree.epoch) if name]
    verdicts = {name: _written_by_users(patient, name) for name in marks}
    open_ones = ", ".join(name for name, verdict in verdicts.items() if verdict)
    unseen = [name for name, verdict in verdicts.items() if verdict is None]
    if open_ones:
        yield Finding(
            "custodian",
            "fail",
            f"Users can write {open_ones} of themselves: an admin could free itself of its "
            "custodian.",
            _closing(patient, marks),
        )
    elif unseen:
        yield _unseen(patient, unseen, marks)
    else:
        yield Finding("custodian", "pass", f"Users can't write {' nor '.join(marks)} themselves.")


def _unseen(patient: CheckContext, unseen: list[str], marks: list[str]) -> Finding:
    """What the server does not show; what is often open elsewhere is named."""
    often = [name for name in unseen if name.lower() in SELF_WRITTEN["other"]]
    if not often or patient.kind == "active_directory":
        sentence = f"Whether users can write {' or '.join(unseen)} themselves can't be seen."
        return Finding("custodian", "skip", sentence, _try_it(patient, marks))
    are = "is" if len(often) == 1 else "are"
    sentence = (
        f"{' and '.join(often)} {are} often writable by users themselves; whether here can't be "
        "seen."
    )
    remedy = f"{_try_it(patient, marks)}\nWith 16: {_closing(patient, marks)}"
    return Finding("custodian", "skip", sentence, remedy)


_CLOSE = {
    "openldap": "Load config/ldif/rights.ldif, whose rules 0 and 1 stand in front of your own.",
    "389ds": "Load config/ldif/rights-389ds.ldif, whose last aci on people denies it.",
    "active_directory": "Set user_store.custodian_attribute and epoch_attribute to attributes "
    "outside of Personal-Information, as adminDescription and adminDisplayName are.",
    "other": "Let only the service's account write them.",
}
_NAME_THEM = {
    "openldap": "Name {} in rule 1 of config/ldif/rights.ldif in place of ours, and load it.",
    "389ds": "Name {} in the last aci on people in config/ldif/rights-389ds.ldif in place of ours, "
    "and load it.",
}


def _closing(patient: CheckContext, marks: list[str]) -> str:
    """How the marks are closed; the files name ours, which others may stand in for."""
    borrowed = any(not _is_ours(name) for name in marks)
    if borrowed and patient.kind in _NAME_THEM:
        return _NAME_THEM[patient.kind].format(" and ".join(marks))
    return _CLOSE.get(patient.kind, _CLOSE["other"])


def _is_ours(mark: str) -> bool:
    return mark.lower().startswith("mildap")


def _try_it(patient: CheckContext, marks: list[str]) -> str:
    """A command to be pasted: whatever it is answered, it changes nothing."""
    user = patient.users.entries[0].dn if patient.users.entries else "A-USER'S-DN"
    changes = "\n\n".join(_change_of_nothing(patient, user, mark) for mark in marks)
    return (
        "Try it with that user's password:\n"
        f"{_ldapmodify(patient)} -c -W -D {shlex.quote(user)} <<'EOF'\n{changes}\nEOF\n"
        "Code 50 is right; 16 means that the user may write it, and nothing was changed."
    )


def _ldapmodify(patient: CheckContext) -> str:
    """The command with the TLS that the service uses: a password goes along."""
    address, url = patient.bench.access.address, patient.url
    encrypts = address.start_tls and not is_ldaps(url) and not is_local_socket(url)
    trusts = f"LDAPTLS_CACERT={shlex.quote(str(address.ca_file))} " if address.ca_file else ""
    return f"{trusts}ldapmodify -x{' -ZZ' if encrypts else ''} -H {shlex.quote(url)}"


def _change_of_nothing(patient: CheckContext, user: str, mark: str) -> str:
    value = f"cn=nothing,{patient.suffix}" if holds_dns(mark) else "nothing"
    return f"dn: {user}\nchangetype: modify\ndelete: {mark}\n{mark}: {value}"


def _written_by_users(patient: CheckContext, mark: str) -> bool | None:
    """True or False where the server's own evidence tells."""
    if patient.embedded and _is_ours(mark):  # config/ldif/config.ldif, rule 2
        return False
    if patient.kind == "active_directory":
        return _told_by_active_directory(mark)
    if patient.kind == "389ds":
        return _told_by_389(patient, mark)
    if patient.kind == "openldap":
        database = slapd.database_of(patient)
        told = slapd.self_writes(database, mark, patient.tree.user_bases[0]) if database else None
        return told if told is not None else _tried_as_user(patient, mark)
    return None


def _told_by_active_directory(mark: str) -> bool | None:
    """By its property sets, which SELF may write in every domain."""
    if mark.lower() in SELF_WRITTEN["active_directory"] or _CLOUD.fullmatch(mark):
        return True
    return False if mark.lower() in ("admindescription", "admindisplayname") else None


def _told_by_389(patient: CheckContext, mark: str) -> bool | None:
    """Asked of a user that has the mark; few accounts may ask what others may do."""
    having = (entry for entry in patient.users.entries if entry.first(mark))
    user = next(having, None)
    if user is None:
        return None
    with patient.session() as session:
        entries = effective_rights(session, user.dn, [mark], user.dn)
    told = entries[0].first("attributeLevelRights") if entries else None
    return "w" in told.rpartition(":")[2] if told else None


def _tried_as_user(patient: CheckContext, mark: str) -> bool | None:
    """In the name of a user (RFC 4370), where the account is allowed to act so."""
    if (
        PROXIED_AUTHORIZATION.oid not in patient.root.all("supportedControl")
        or not patient.users.entries
    ):
        return None
    dn = patient.users.entries[0].dn
    with patient.session() as session:
        code = code_of_deleting_nothing(session, dn, mark, patient.suffix, whose=dn)
    return {ResultCode.NO_SUCH_ATTRIBUTE: True, ResultCode.INSUFFICIENT_ACCESS_RIGHTS: False}.get(
        code
    )
