"""Rights of the service's account that it does not need: a leaked password would grant them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.checks.right_probes import RIGHTS, first
from mi_ldap.directory.probes import probe_value_deletion, search_raw
from mi_ldap.ldap.result_codes import ResultCode

# Attributes with password hashes, which allow offline guessing.
HASHES = (
    "userPassword",
    "unicodePwd",
    "passwordHistory",
    "pwdHistory",
    "sambaNTPassword",
    "krbPrincipalKey",
)

SAMPLE = 100


def excess_rights(context: CheckContext) -> Iterator[Finding]:
    """Report readable password hashes, writable policies, and rights above the search bases."""
    above_bases = list(_rights_above_bases(context))
    is_manager = any(finding.level == "warn" for finding in above_bases)
    yield _hashes(context, is_manager=is_manager)
    # A manager may do everything; one finding about that is enough.
    if not is_manager:
        yield from _policy_rights(context)
    yield from above_bases


def _hashes(context: CheckContext, *, is_manager: bool) -> Finding:
    """Report which hash attributes the account can read; the values are not kept."""
    layout = context.layout
    seen: set[str] = set()
    with context.session() as session:
        for base in layout.user_bases:
            result = search_raw(
                session, base, layout.user_list_filter, HASHES, base_only=False, size_limit=SAMPLE
            )
            seen |= {
                name
                for name in HASHES
                if any(any(entry.attributes.get(name.lower(), ())) for entry in result.entries)
            }
    if not seen:
        return Finding(
            "too-many-rights", "pass", "The account cannot read password hashes of users."
        )
    return Finding(
        "too-many-rights",
        "fail",
        f"The account can read the password hashes of users ({', '.join(sorted(seen))}).",
        "Create an account for the service alone." if is_manager else _hash_remedy(context),
    )


def _hash_remedy(context: CheckContext) -> str:
    if context.server_type == "389ds":
        return (
            'One of your acis allows it. Remove that aci, or add the denial "Hashes are read by '
            'nobody" of config/ldif/rights-389ds.ldif, which takes precedence.'
        )
    return f"Deny everybody to read them. {RIGHTS[context.server_type]}"


def _policy_rights(context: CheckContext) -> Iterator[Finding]:
    """Warn if the account may assign another password policy to a user."""
    sample = first(context.users.entries)
    if sample is None or context.server_type not in ("openldap", "389ds") or context.embedded:
        return
    # Whoever learns the account's password could exempt a user from the policy.
    with context.session() as session:
        code = probe_value_deletion(session, sample.dn, "pwdPolicySubentry", context.suffix)
    if code == ResultCode.NO_SUCH_ATTRIBUTE:
        yield Finding(
            "too-many-rights",
            "warn",
            "The account may assign users another password policy (pwdPolicySubentry).",
            _POLICY[context.server_type],
        )


_POLICY = {
    "openldap": "Load config/ldif/rights-ppolicy.ldif after config/ldif/rights.ldif.",
    "389ds": "Leave pwdPolicySubentry out of the account's write aci, as "
    "config/ldif/rights-389ds.ldif does.",
}

_ADMIN_GROUPS = {
    512: "Domain Admins",
    518: "Schema Admins",
    519: "Enterprise Admins",
    544: "Administrators",
}
"""Relative ids of administrative groups ([MS-DTYP] §2.4.2.4), by which a SID ends."""


def _rights_above_bases(context: CheckContext) -> Iterator[Finding]:
    suffix = context.suffix
    if context.server_type == "active_directory":
        yield _admin_groups(context)
    elif re.fullmatch(r"(?i)cn=directory manager", context.account_dn):
        yield _manager_finding(
            f"The account is {context.account_dn}, the manager of the directory."
        )
    elif not context.layout.is_under_user_base(suffix) and not context.layout.is_under_role_base(
        suffix
    ):
        yield _suffix_rights(context, suffix)


def _suffix_rights(context: CheckContext, suffix: str) -> Finding:
    with context.session() as session:
        code = probe_value_deletion(session, suffix, "description", suffix)
    if code == ResultCode.NO_SUCH_ATTRIBUTE:
        return _manager_finding(
            f"The account may change {suffix}, which is above the search bases."
        )
    return Finding("too-many-rights", "pass", f"The account may not change {suffix}.")


def _manager_finding(sentence: str) -> Finding:
    return Finding(
        "too-many-rights",
        "warn",
        f"{sentence} Such an account also bypasses the password policy.",
        "Create an account for the service alone with only the rights in config/ldif, and set "
        "user_store.connection_name to it.",
    )


def _admin_groups(context: CheckContext) -> Finding:
    """Report administrative groups among the root DSE's `tokenGroups`, nested ones included."""
    with context.session() as session:
        result = search_raw(session, "", attributes=["tokenGroups"])
    sids = [sid for each in result.entries for sid in each.attributes.get("tokengroups", ())]
    if not sids:
        return Finding("too-many-rights", "skip", "The groups of the account cannot be read.")
    # The last 4 bytes of a binary SID are the relative id ([MS-DTYP] §2.4.2.2).
    ids = {int.from_bytes(sid[-4:], "little") for sid in sids}
    found = ", ".join(name for number, name in _ADMIN_GROUPS.items() if number in ids)
    if found:
        return _manager_finding(f"The account is in {found}.")
    return Finding("too-many-rights", "pass", "The account is in no administrative group.")
