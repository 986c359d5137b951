"""The service's own marks, and the admins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from mi_ldap.directory.probing import (
    DENIED,
    NO_SUCH_ATTRIBUTE,
    PROXIED,
    code_of_deleting_nothing,
    effective_rights,
)
from mi_ldap.doctor import slapd
from mi_ldap.doctor.findings import Finding, counted
from mi_ldap.doctor.patient import Patient
from mi_ldap.errors import AdminRoleUnclear, StateUnavailable
from mi_ldap.model import AdminRole, User
from mi_ldap.settings import Settings
from mi_ldap.settings.syntax import is_loopback

SHOWN = 10

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
"""Attributes that people often, or in Active Directory always, write of themselves.

Seen on Samba 4.17 by asking as a user for `allowedAttributesEffective` of its own entry.
"""
_CLOUD = re.compile(r"(?i)msds-cloudextensionattribute\d+")


def own_marks(patient: Patient) -> Iterator[Finding]:
    """Whether users could write their custodian or epoch themselves: an admin could free itself."""
    tree = patient.tree
    marks = [name for name in (tree.custodian, tree.epoch) if name]
    verdicts = {name: _written_by_users(patient, name) for name in marks}
    open_ones = ", ".join(name for name, verdict in verdicts.items() if verdict)
    if open_ones:
        yield Finding(
            "custodian",
            "fail",
            f"Users can write {open_ones} of themselves: an admin could free itself of its "
            "custodian.",
            _CLOSE.get(patient.kind, _CLOSE["other"]),
        )
    elif all(verdict is False for verdict in verdicts.values()):
        yield Finding("custodian", "pass", f"Users can't write {' nor '.join(marks)} themselves.")
    else:
        sentence = f"Whether users can write {' or '.join(marks)} themselves can't be seen."
        yield Finding("custodian", "skip", sentence, _try_it(patient, marks[0]))


_CLOSE = {
    "openldap": "Load config/ldif/rights.ldif, whose rules 0 and 1 stand in front of your own.",
    "389ds": "Load config/ldif/rights-389ds.ldif, whose last aci on people denies it.",
    "active_directory": "Set user_store.custodian_attribute and epoch_attribute to attributes "
    "outside of Personal-Information, as adminDescription and adminDisplayName are.",
    "other": "Let only the service's account write them.",
}


def _try_it(patient: Patient, mark: str) -> str:
    user = patient.users.entries[0].dn if patient.users.entries else "A-USER'S-DN"
    return (
        f'Try it: ldapmodify -x -D "{user}" -W -H {patient.url}\n'
        f"dn: {user}\n"
        "changetype: modify\n"
        f"delete: {mark}\n"
        f"{mark}: nothing\n"
        "Code 50 is right; 16 means that the user may write it, and nothing was changed."
    )


def _written_by_users(patient: Patient, mark: str) -> bool | None:
    """True or False where it can be told, by the first of these that can."""
    if _is_known_for_it(patient, mark):
        return True
    if patient.embedded:  # config/ldif/config.ldif, rule 2
        return False
    if patient.kind == "active_directory":
        return False if mark.lower() in ("admindescription", "admindisplayname") else None
    if patient.kind == "389ds":
        return _told_by_389(patient, mark)
    if patient.kind == "openldap":
        database = slapd.database_of(patient)
        told = slapd.self_writes(database, mark, patient.tree.user_bases[0]) if database else None
        return told if told is not None else _tried_as_user(patient, mark)
    return None


def _is_known_for_it(patient: Patient, mark: str) -> bool:
    known = SELF_WRITTEN.get(patient.kind, SELF_WRITTEN["other"])
    ours = patient.kind == "active_directory" and bool(_CLOUD.fullmatch(mark))
    return ours or mark.lower() in known


def _told_by_389(patient: Patient, mark: str) -> bool | None:
    """Asked of a user that has the mark; few accounts may ask what others may do."""
    having = (entry for entry in patient.users.entries if entry.first(mark))
    user = next(having, None)
    if user is None:
        return None
    with patient.session() as session:
        entries = effective_rights(session, user.dn, [mark], user.dn)
    told = entries[0].first("attributeLevelRights") if entries else None
    return "w" in told.rpartition(":")[2] if told else None


def _tried_as_user(patient: Patient, mark: str) -> bool | None:
    """In the name of a user (RFC 4370), where the account is allowed to act so."""
    if PROXIED not in patient.root.all("supportedControl") or not patient.users.entries:
        return None
    dn = patient.users.entries[0].dn
    with patient.session() as session:
        code = code_of_deleting_nothing(session, dn, mark, patient.suffix, whose=dn)
    return {NO_SUCH_ATTRIBUTE: True, DENIED: False}.get(code)


# Admins


def admins(patient: Patient) -> Iterator[Finding]:
    """Who is an admin and how it was found, who answers for whom, whether the door is open."""
    try:
        role = patient.admin_group.read()
    except AdminRoleUnclear:
        yield Finding(
            "admins",
            "fail",
            f"Two groups are called {patient.bench.admin_role}, or its members can't be read.",
            "Rename one of them, or let the account read their members.",
        )
        return
    if role is None:
        yield Finding("admins", "pass", f"There is no group {patient.bench.admin_role} yet.")
    else:
        yield from _holders(patient, role)
    yield from _door(patient)


def _holders(patient: Patient, role: AdminRole) -> Iterator[Finding]:
    users = list(patient.admin_group.users(role))
    enabled = [user for user in users if user.enabled]
    through = [user for user in users if patient.admin_group.holds_through_others(role, user)]
    found = f"{role.role.locator} holds {counted(len(users), 'admins')}"
    if role.nested:
        found += f", {len(through)} through {counted(len(role.nested), 'groups')} in it"
    if enabled:
        shown = ", ".join(user.name for user in enabled[:SHOWN])
        yield Finding("admins", "pass", f"{found}, {len(enabled)} enabled: {shown}.")
    elif role.first_admin_id or role.holders:
        remedy = "python app.py recover-admin NAME"
        yield Finding("admins", "fail", f"{found}, and none of them is an enabled user.", remedy)
    yield from _custodians(patient, users)


def _custodians(patient: Patient, users: list[User]) -> Iterator[Finding]:
    """Who has lost its custodian can be removed by nobody."""
    gone = [
        user
        for user in users
        if user.custodian_id and patient.reader.user(user.custodian_id) is None
    ]
    if gone:
        shown = ", ".join(user.name for user in gone[:SHOWN])
        yield Finding(
            "admins",
            "warn",
            f"The custodian of {shown} is gone: nobody can remove them through the API.",
            "python app.py recover-admin NAME --adopt makes NAME their custodian.",
        )


def _door(patient: Patient) -> Iterator[Finding]:
    """Whether the next login makes the first admin."""
    settings = patient.services.settings
    is_open = False
    with suppress(StateUnavailable, AdminRoleUnclear):
        is_open = patient.services.bootstrap.is_open()
    if not is_open:
        yield Finding("first-admin", "pass", "No login makes a first admin.")
        return
    if patient.embedded and is_loopback(settings.server.host):
        sentence = f"Nobody is admin yet, on this machine {_winner(settings)}."
        yield Finding("first-admin", "pass", sentence)
        return
    remedy = (
        "Log in as whoever shall be admin, or set bootstrap.users to the names that may, or "
        'bootstrap.mode = "off".'
    )
    yield Finding("first-admin", "warn", f"Nobody is admin: {_winner(settings)}.", remedy)


def _winner(settings: Settings) -> str:
    bootstrap = settings.bootstrap
    if bootstrap.mode == "configured":
        return f"the first login of {settings.super_admin.username} makes it one"
    if bootstrap.users:
        return f"the first of {', '.join(bootstrap.users)} to log in becomes one"
    return "whoever logs in first becomes one"
