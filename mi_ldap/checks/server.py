"""What the server is: its kind and what follows from that, its limits, its clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, counted
from mi_ldap.directory.layout import profiles
from mi_ldap.directory.probes import look
from mi_ldap.settings import UserStoreSettings

WARN_SECONDS: Final = 60
"""Servers and this machine may differ by so much: tokens and marks are older than that."""

LIMITS_OF_389: Final = (
    "nsSizeLimit",
    "nsLookThroughLimit",
    "nsPagedSizeLimit",
    "nsPagedLookThroughLimit",
)
"""Each of them cuts a paged search, as 389 2.3 showed; -1 is none."""

_LIMITS = {
    "openldap": "Give the account its own limit, as the administrator of cn=config:\n"
    "dn: olcDatabase={{1}}mdb,cn=config\n"
    "changetype: modify\n"
    "add: olcLimits\n"
    'olcLimits: {{0}}dn.exact="{account}" size=unlimited size.prtotal=unlimited',
    "389ds": "Give the account its own limit, as the Directory Manager:\n"
    "dn: {account}\n"
    "changetype: modify\n" + "\n-\n".join(f"replace: {each}\n{each}: -1" for each in LIMITS_OF_389),
    "active_directory": "Pages of MaxPageSize are enough: look at the domain's LDAP policies "
    "(ntdsutil) for MaxResultSetSize and MaxQueryDuration.",
    "other": "Raise the size limit of {account} in the directory.",
}


def profile(patient: CheckContext) -> Iterator[Finding]:
    """Which kind it was taken for, and every key that follows from it."""
    title = patient.tree.profile.title
    with patient.session() as session:
        told = profiles.found_in(session, "auto")
    configured = patient.bench.access.profile
    if configured != "auto" and told.name not in (configured, "other"):
        yield Finding(
            "profile",
            "warn",
            f"user_store.profile says {configured}, but the server says that it is {told.title}.",
            'Set user_store.profile = "auto", or to the right kind.',
        )
    else:
        yield _taken_for(title, is_guess=configured == "auto", is_known=patient.kind != "other")
    for what, keys in _KEYS.items():
        decided = ", ".join(_decided(patient, keys))
        if decided:
            yield Finding("profile", "pass", f"From that follows for {what}: {decided}.")


def _taken_for(title: str, *, is_guess: bool, is_known: bool) -> Finding:
    sentence = f"The server is {title}, {'as it says of itself' if is_guess else 'as configured'}."
    if is_guess and not is_known:
        return Finding("profile", "warn", sentence, _UNKNOWN)
    return Finding("profile", "pass", sentence)


_UNKNOWN = (
    "Set user_store.profile if it is one of openldap, 389ds and active_directory; else look at the "
    "keys below, and set those that are wrong."
)


_KEYS: Final = {
    "users": ("user_entry_object_class", "user_name_attribute", "user_id_attribute"),
    "groups": ("group_entry_object_class", "group_name_attribute", "membership_attribute"),
    "the service's marks": ("custodian_attribute", "epoch_attribute"),
}


def _decided(patient: CheckContext, keys: Iterable[str]) -> Iterator[str]:
    """Those of the keys that the settings leave open, with what the profile makes of them."""
    settings, tree = patient.services.settings.user_store, patient.tree
    values = {
        "user_entry_object_class": tree.user_class,
        "user_name_attribute": tree.user_name,
        "user_id_attribute": tree.user_id,
        "group_entry_object_class": tree.role_class,
        "group_name_attribute": tree.role_name,
        "membership_attribute": tree.member,
        "custodian_attribute": tree.custodian,
        "epoch_attribute": tree.epoch,
    }
    for key in keys:
        if _is_open(settings, key):
            yield f"{key} {values[key]}"


def _is_open(settings: UserStoreSettings, key: str) -> bool:
    return getattr(settings, key) is None


def limits(patient: CheckContext) -> Iterator[Finding]:
    """Whether lists are whole: with pages of 1000 (RFC 2696) as the service asks, or without."""
    users, groups = patient.users, patient.groups
    if users.complete and groups.complete:
        count = f"{counted(len(users.entries), 'users')}, {counted(len(groups.entries), 'groups')}"
        yield Finding("limits", "pass", f"The server gives all that is there: {count}.")
        return
    cut, what = (groups, "groups") if users.complete else (users, "users")
    account = patient.account_dn or "the service's account"
    remedy = _LIMITS[patient.kind].format(account=account)
    yield Finding(
        "limits", "fail", f"The server stops after {counted(len(cut.entries), what)}.", remedy
    )


def clock(patient: CheckContext) -> Iterator[Finding]:
    """How far the server's clock is from ours, where it tells the time.

    Active Directory does in its root DSE (`currentTime`), 389 in `cn=monitor`, OpenLDAP in
    `cn=Current,cn=Time,cn=Monitor`, which few accounts may read.
    """
    if patient.embedded:
        yield Finding("clock", "pass", "The directory runs on this machine.")
        return
    told = _time_of(patient)
    if told is None:
        yield Finding("clock", "skip", "The server does not tell its time.", _CLOCK)
        return
    apart_s = abs((datetime.now(UTC) - told).total_seconds())
    if apart_s < WARN_SECONDS:
        yield Finding("clock", "pass", "The server's clock and ours agree to the minute.")
        return
    sentence = f"The server's clock and ours differ by {apart_s:.0f} seconds."
    yield Finding("clock", "warn", sentence, "Let both machines take their time from NTP.")


_CLOCK = "Look whether both machines take their time from NTP: timedatectl"

_CLOCKS = {
    "389ds": ("cn=monitor", "currentTime"),
    "openldap": ("cn=Current,cn=Time,cn=Monitor", "monitorTimestamp"),
}


def _time_of(patient: CheckContext) -> datetime | None:
    stamp: str | None = None
    if patient.kind == "active_directory":
        with patient.session() as session:
            root = session.read("", "(objectClass=*)", ["currentTime"])
        stamp = root.first("currentTime") if root else None
    elif patient.kind in _CLOCKS:
        dn, attribute = _CLOCKS[patient.kind]
        with patient.session() as session:
            entries = look(session, dn, attributes=[attribute]).entries
        stamp = entries[0].first(attribute) if entries else None
    return _parsed(stamp) if stamp else None


def _parsed(stamp: str) -> datetime | None:
    """A GeneralizedTime in UTC (RFC 4517 §3.3.13)."""
    try:
        return datetime.strptime(stamp[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
