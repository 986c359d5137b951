"""What the service's account may do and need not: what the thief of its password would have too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.checks.rights import RIGHTS, first
from mi_ldap.directory.probes import code_of_deleting_nothing, look
from mi_ldap.ldap.result_codes import ResultCode

HASHES = (
    "userPassword",
    "unicodePwd",
    "passwordHistory",
    "pwdHistory",
    "sambaNTPassword",
    "krbPrincipalKey",
)
"""Attributes that hold what passwords can be guessed from."""

SAMPLE = 100


def too_many(patient: CheckContext) -> Iterator[Finding]:
    """Rights that the service does not need, and that its password's thief would have."""
    reach = list(_reaches_further(patient))
    is_manager = any(finding.level == "warn" for finding in reach)
    yield _hashes(patient, is_manager=is_manager)
    if not is_manager:
        yield from _lifts_policies(patient)
    yield from reach


def _hashes(patient: CheckContext, *, is_manager: bool) -> Finding:
    """The values themselves are counted and forgotten."""
    tree = patient.tree
    seen: set[str] = set()
    with patient.session() as session:
        for base in tree.user_bases:
            given = look(
                session, base, tree.user_list_filter, HASHES, base_only=False, at_most=SAMPLE
            )
            seen |= {
                name
                for name in HASHES
                if any(any(entry.attributes.get(name.lower(), ())) for entry in given.entries)
            }
    if not seen:
        return Finding("too-many-rights", "pass", "The account reads no password hashes of users.")
    return Finding(
        "too-many-rights",
        "fail",
        f"The account can read the password hashes of users ({', '.join(sorted(seen))}).",
        "Make an account for the service alone." if is_manager else _hiding(patient),
    )


def _hiding(patient: CheckContext) -> str:
    if patient.kind == "389ds":
        return (
            'An aci of yours gives it; take it away, or add the denial "Hashes are read by '
            'nobody" of config/ldif/rights-389ds.ldif, which wins over it.'
        )
    return f"Let nobody read them. {RIGHTS[patient.kind]}"


def _lifts_policies(patient: CheckContext) -> Iterator[Finding]:
    """Whether the account could exempt a user from the password policy."""
    sample = first(patient.users.entries)
    if sample is None or patient.kind not in ("openldap", "389ds") or patient.embedded:
        return
    with patient.session() as session:
        code = code_of_deleting_nothing(session, sample.dn, "pwdPolicySubentry", patient.suffix)
    if code == ResultCode.NO_SUCH_ATTRIBUTE:
        yield Finding(
            "too-many-rights",
            "warn",
            "The account may give users another password policy (pwdPolicySubentry).",
            _POLICY[patient.kind],
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
"""Relative ids of groups that may do everything ([MS-DTYP] §2.4.2.4)."""


def _reaches_further(patient: CheckContext) -> Iterator[Finding]:
    top = patient.suffix
    if patient.kind == "active_directory":
        yield _admin_groups(patient)
    elif re.fullmatch(r"(?i)cn=directory manager", patient.account_dn):
        yield _is_manager(f"The account is {patient.account_dn}, the manager of the directory.")
    elif not patient.tree.holds_users(top) and not patient.tree.holds_roles(top):
        yield _at_the_top(patient, top)


def _at_the_top(patient: CheckContext, top: str) -> Finding:
    with patient.session() as session:
        code = code_of_deleting_nothing(session, top, "description", top)
    if code == ResultCode.NO_SUCH_ATTRIBUTE:
        return _is_manager(f"The account may change {top}, far above the search bases.")
    return Finding("too-many-rights", "pass", f"The account may not change {top}.")


def _is_manager(sentence: str) -> Finding:
    return Finding(
        "too-many-rights",
        "warn",
        f"{sentence} What may do everything passes by the password policy as well.",
        "Make an account for the service alone, give it the rights in config/ldif and no more, and "
        "set user_store.connection_name to it.",
    )


def _admin_groups(patient: CheckContext) -> Finding:
    """By the ids at the end of the SIDs in the root DSE's `tokenGroups`, nested groups included."""
    with patient.session() as session:
        given = look(session, "", attributes=["tokenGroups"])
    sids = [sid for each in given.entries for sid in each.attributes.get("tokengroups", ())]
    if not sids:
        return Finding("too-many-rights", "skip", "The groups of the account can't be seen.")
    ids = {int.from_bytes(sid[-4:], "little") for sid in sids}
    found = ", ".join(name for number, name in _ADMIN_GROUPS.items() if number in ids)
    if found:
        return _is_manager(f"The account is in {found}.")
    return Finding("too-many-rights", "pass", "The account is in no group of administrators.")
