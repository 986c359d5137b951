"""Whether users can write the attributes in which the service keeps custody."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from mi_ldap.checks import slapd
from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.probes import (
    effective_rights,
    is_dn_valued,
    probe_value_deletion,
)
from mi_ldap.ldap.controls import PROXIED_AUTHORIZATION
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.ldap.transport import is_ldaps, is_local_socket

_OFTEN_SELF_WRITTEN = (
    "description seeAlso manager secretary telephoneNumber mobile homePhone pager mail jpegPhoto "
    "displayName givenName carLicense labeledURI preferredLanguage homePostalAddress "
    "facsimileTelephoneNumber postalAddress"
)
# Personal-Information and Web-Information ([MS-ADTS] §3.1.1.2.3.3), which SELF may write: the
# attributes that Samba 4.17 returns to a user as `allowedAttributesEffective` of its own entry.
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
"""Lower-case attributes that users can always (Active Directory) or often write themselves."""
_CLOUD_EXTENSION = re.compile(r"(?i)msds-cloudextensionattribute\d+")


def self_writable_markers(context: CheckContext) -> Iterator[Finding]:
    """Report whether users can write their custodian or epoch, and so escape custody."""
    markers = list(context.markers.values())
    if not markers:
        sentence = "Custodians are stored with the hybrid roles, where users cannot write them."
        yield Finding("custodian", "pass", sentence)
        return
    writable = {name: _is_self_writable(context, name) for name in markers}
    writable_names = ", ".join(name for name, is_writable in writable.items() if is_writable)
    unknown = [name for name, is_writable in writable.items() if is_writable is None]
    if writable_names:
        yield Finding(
            "custodian",
            "fail",
            f"Users can write {writable_names} of their own entries, so an admin can escape "
            "custody.",
            _remedy(context, markers),
        )
    elif unknown:
        yield _undetermined(context, unknown, markers)
    else:
        yield Finding(
            "custodian", "pass", f"Users cannot write {' or '.join(markers)} of their own entries."
        )


def _undetermined(context: CheckContext, unknown: list[str], markers: list[str]) -> Finding:
    """Report attributes for which nothing was found out; name those that are often writable."""
    often = [name for name in unknown if name.lower() in SELF_WRITTEN["other"]]
    if not often or context.server_type == "active_directory":
        names = " or ".join(unknown)
        sentence = f"Cannot be determined: whether users can write {names} of their own entries."
        return Finding("custodian", "skip", sentence, _manual_probe(context, markers))
    are = "is" if len(often) == 1 else "are"
    sentence = (
        f"{' and '.join(often)} {are} often writable by users. Whether it is so here cannot be "
        "determined."
    )
    remedy = f"{_manual_probe(context, markers)}\nAfter code 16: {_remedy(context, markers)}"
    return Finding("custodian", "skip", sentence, remedy)


_REMEDIES = {
    "openldap": "Load config/ldif/rights.ldif, whose rules 0 and 1 precede your own.",
    "389ds": "Load config/ldif/rights-389ds.ldif, whose last aci on people denies it.",
    "active_directory": "Set user_store.custodian_attribute and epoch_attribute to attributes "
    "outside of Personal-Information, such as adminDescription and adminDisplayName.",
    "other": "Let only the service's account write them.",
}
_REMEDIES_FOR_OTHER_ATTRIBUTES = {
    "openldap": "Put {} into rule 1 of config/ldif/rights.ldif in place of the service's own "
    "attributes, and load it.",
    "389ds": "Put {} into the last aci on people in config/ldif/rights-389ds.ldif in place of the "
    "service's own attributes, and load it.",
}


def _remedy(context: CheckContext, markers: list[str]) -> str:
    """Return how to deny the access; the LDIF files name the default attributes."""
    borrowed = any(not _is_own(name) for name in markers)
    if borrowed and context.server_type in _REMEDIES_FOR_OTHER_ATTRIBUTES:
        return _REMEDIES_FOR_OTHER_ATTRIBUTES[context.server_type].format(" and ".join(markers))
    return _REMEDIES.get(context.server_type, _REMEDIES["other"])


def _is_own(marker: str) -> bool:
    return marker.lower().startswith("mildap")


def _manual_probe(context: CheckContext, markers: list[str]) -> str:
    """Return a command that tests the access as a user; no result of it changes anything."""
    user = context.users.entries[0].dn if context.users.entries else "A-USER'S-DN"
    changes = "\n\n".join(_ldif_of_no_change(context, user, marker) for marker in markers)
    return (
        "Test it with that user's password:\n"
        f"{_ldapmodify(context)} -c -W -D {shlex.quote(user)} <<'EOF'\n{changes}\nEOF\n"
        "Code 50: the user cannot write it, as it should be. Code 16: the user can. Neither "
        "changes anything."
    )


def _ldapmodify(context: CheckContext) -> str:
    """Return the command with the TLS options of the service, since it sends a password."""
    address, url = context.target.config.address, context.url
    encrypts = address.start_tls and not is_ldaps(url) and not is_local_socket(url)
    trusts = f"LDAPTLS_CACERT={shlex.quote(str(address.ca_file))} " if address.ca_file else ""
    return f"{trusts}ldapmodify -x{' -ZZ' if encrypts else ''} -H {shlex.quote(url)}"


def _ldif_of_no_change(context: CheckContext, user: str, marker: str) -> str:
    # The server checks the syntax of a value before the access rights.
    value = f"cn=nothing,{context.suffix}" if is_dn_valued(marker) else "nothing"
    return f"dn: {user}\nchangetype: modify\ndelete: {marker}\n{marker}: {value}"


def _is_self_writable(context: CheckContext, marker: str) -> bool | None:
    """Whether users can write the marker; None if that cannot be determined."""
    if context.embedded and _is_own(marker):  # config/ldif/config.ldif, rule 2
        return False
    if context.server_type == "active_directory":
        return _in_active_directory(marker)
    if context.server_type == "389ds":
        return _in_389ds(context, marker)
    if context.server_type == "openldap":
        database = slapd.database_of(context)
        rights = (
            slapd.is_self_writable(database, marker, context.layout.user_bases[0])
            if database
            else None
        )
        return rights if rights is not None else _by_proxied_write(context, marker)
    return None


def _in_active_directory(marker: str) -> bool | None:
    """Evaluate the property sets, which SELF may write in every domain."""
    if marker.lower() in SELF_WRITTEN["active_directory"] or _CLOUD_EXTENSION.fullmatch(marker):
        return True
    return False if marker.lower() in ("admindescription", "admindisplayname") else None


def _in_389ds(context: CheckContext, marker: str) -> bool | None:
    """Get the effective rights of a user who has the marker; few accounts may ask for them."""
    having = (entry for entry in context.users.entries if entry.first(marker))
    user = next(having, None)
    if user is None:
        return None
    with context.session() as session:
        entries = effective_rights(session, user.dn, [marker], user.dn)
    rights = entries[0].first("attributeLevelRights") if entries else None
    # The value is `attribute:rscwo`, where `w` is the right to write.
    return "w" in rights.rpartition(":")[2] if rights else None


def _by_proxied_write(context: CheckContext, marker: str) -> bool | None:
    """Try a write as a user (RFC 4370), if the account may use proxied authorization."""
    if (
        PROXIED_AUTHORIZATION.oid not in context.root.all("supportedControl")
        or not context.users.entries
    ):
        return None
    dn = context.users.entries[0].dn
    with context.session() as session:
        code = probe_value_deletion(session, dn, marker, context.suffix, proxied_dn=dn)
    return {ResultCode.NO_SUCH_ATTRIBUTE: True, ResultCode.INSUFFICIENT_ACCESS_RIGHTS: False}.get(
        code
    )
