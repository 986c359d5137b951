"""The server: its type and the defaults for it, its size limits, its clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, counted
from mi_ldap.directory.probes import search_raw
from mi_ldap.directory.reads.profile_detection import detect_profile

# Marks of unfinished changes, which several machines share, expire after a minute.
WARN_SECONDS: Final = 60

# The limits of an account that truncate a paged search in 389 DS 2.3; -1 is no limit.
LIMITS_OF_389: Final = (
    "nsSizeLimit",
    "nsLookThroughLimit",
    "nsPagedSizeLimit",
    "nsPagedLookThroughLimit",
)

# Reading in pages does not lift the limits of OpenLDAP and 389 DS: they count the whole search.
_LIMITS = {
    "openldap": "Give the account its own limit, as the administrator of cn=config:\n"
    "dn: olcDatabase={{1}}mdb,cn=config\n"
    "changetype: modify\n"
    "add: olcLimits\n"
    'olcLimits: {{0}}dn.exact="{account}" size=unlimited size.prtotal=unlimited',
    "389ds": "Give the account its own limit, as the Directory Manager:\n"
    "dn: {account}\n"
    "changetype: modify\n" + "\n-\n".join(f"replace: {each}\n{each}: -1" for each in LIMITS_OF_389),
    # It bounds one page, and the service reads pages.
    "active_directory": "MaxPageSize is not the cause: check MaxResultSetSize and MaxQueryDuration "
    "in the domain's LDAP policies (ntdsutil).",
    "other": "Raise the size limit of {account} in the directory.",
}


def profile(context: CheckContext) -> Iterator[Finding]:
    """Report the server type, and the defaults that follow from it."""
    title = context.layout.profile.title
    with context.session() as session:
        detected = detect_profile(session, "auto")
    configured = context.target.config.profile
    # `other` means that the root DSE has no known sign, so the setting may be right.
    if configured != "auto" and detected.name not in (configured, "other"):
        yield Finding(
            "profile",
            "warn",
            f"user_store.profile is {configured}, but the detected server type is "
            f"{detected.title}.",
            'Set user_store.profile = "auto", or to the right type.',
        )
    else:
        yield _server_type(
            title, is_detected=configured == "auto", is_known=context.server_type != "other"
        )
    for what, keys in _KEYS.items():
        defaults = ", ".join(_defaults(context, keys))
        if defaults:
            yield Finding("profile", "pass", f"Defaults for {what}: {defaults}.")


def _server_type(title: str, *, is_detected: bool, is_known: bool) -> Finding:
    sentence = f"The server type is {title} ({'detected' if is_detected else 'configured'})."
    if is_detected and not is_known:
        return Finding("profile", "warn", sentence, _UNKNOWN)
    return Finding("profile", "pass", sentence)


_UNKNOWN = (
    "Set user_store.profile if it is one of openldap, 389ds and active_directory; otherwise check "
    "the defaults below, and set those that are wrong."
)


_KEYS: Final = {
    "users": ("user_entry_object_class", "user_name_attribute", "user_id_attribute"),
    "groups": ("group_entry_object_class", "group_name_attribute", "membership_attribute"),
    "the service's attributes": ("custodian_attribute", "epoch_attribute"),
}


def _defaults(context: CheckContext, keys: Iterable[str]) -> Iterator[str]:
    """Yield `"key = value"` for each key that is not set, with the profile's default."""
    settings, layout = context.services.settings.user_store, context.layout
    values = {
        "user_entry_object_class": layout.user_class,
        "user_name_attribute": layout.user_name,
        "user_id_attribute": layout.user_id,
        "group_entry_object_class": layout.role_class,
        "group_name_attribute": layout.role_name,
        "membership_attribute": layout.member,
        "custodian_attribute": layout.custodian,
        "epoch_attribute": layout.epoch,
    }
    unused = {"custodian_attribute", "epoch_attribute"} - context.markers.keys()
    for key in keys:
        if getattr(settings, key) is None and key not in unused:
            yield f"{key} = {values[key]}"


def limits(context: CheckContext) -> Iterator[Finding]:
    """Report whether the lists that the check `filters` read, in pages of 1000, are complete."""
    users, groups = context.users, context.groups
    if users.complete and groups.complete:
        count = f"{counted(len(users.entries), 'users')}, {counted(len(groups.entries), 'groups')}"
        yield Finding("limits", "pass", f"Lists are complete: {count}.")
        return
    truncated, what = (groups, "groups") if users.complete else (users, "users")
    account = context.account_dn or "the service's account"
    remedy = _LIMITS[context.server_type].format(account=account)
    yield Finding(
        "limits",
        "fail",
        f"The server returns only the first {counted(len(truncated.entries), what)}.",
        remedy,
    )


def clock(context: CheckContext) -> Iterator[Finding]:
    """Compare the server's clock with that of this machine, if the server reports its time."""
    if context.embedded:
        yield Finding("clock", "pass", "The directory runs on this machine.")
        return
    detected = _server_time(context)
    if detected is None:
        yield Finding("clock", "skip", "The server does not report its time.", _CHECK_NTP)
        return
    apart_s = abs((datetime.now(UTC) - detected).total_seconds())
    if apart_s < WARN_SECONDS:
        yield Finding(
            "clock",
            "pass",
            "The clocks of the server and of this machine differ by less than a minute.",
        )
        return
    sentence = f"The clocks of the server and of this machine differ by {apart_s:.0f} seconds."
    yield Finding("clock", "warn", sentence, "Synchronize both machines with NTP.")


_CHECK_NTP = "Check on both machines that they synchronize with NTP: timedatectl"

# Few accounts may read these entries; Active Directory has its time in the root DSE.
_CLOCK_ATTRIBUTES = {
    "389ds": ("cn=monitor", "currentTime"),
    "openldap": ("cn=Current,cn=Time,cn=Monitor", "monitorTimestamp"),
}


def _server_time(context: CheckContext) -> datetime | None:
    stamp: str | None = None
    if context.server_type == "active_directory":
        with context.session() as session:
            root = session.read("", "(objectClass=*)", ["currentTime"])
        stamp = root.first("currentTime") if root else None
    elif context.server_type in _CLOCK_ATTRIBUTES:
        dn, attribute = _CLOCK_ATTRIBUTES[context.server_type]
        with context.session() as session:
            entries = search_raw(session, dn, attributes=[attribute]).entries
        stamp = entries[0].first(attribute) if entries else None
    return _parse_time(stamp) if stamp else None


def _parse_time(stamp: str) -> datetime | None:
    """Parse a GeneralizedTime in UTC (RFC 4517 §3.3.13); None if it is malformed."""
    try:
        # Without fraction and zone: Active Directory, 389 and OpenLDAP all report UTC.
        return datetime.strptime(stamp[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
