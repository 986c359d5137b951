"""Reasons why users and groups are not in memory, without DNs or other confidential data."""

from __future__ import annotations

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.ldap.exchanges import ReadStopped
from mi_ldap.ldap.result_codes import LdapError, ResultCode


class ReplicationUnavailable(ReadStopped):
    """The directory cannot be replicated: some changes are not reported, or it is too large.

    Attributes:
        is_temporary: whether replication may soon be possible, without another configuration.
    """

    def __init__(self, why: str, *, is_temporary: bool = False) -> None:
        super().__init__(why)
        self.is_temporary = is_temporary


class ResyncRequired(ReadStopped):
    """The changes can't be applied one by one; memory must be filled again."""


def why_not_replicated(layout: DirectoryLayout, limit: int) -> str:
    """Return the reason that follows from the settings; `""` if there is none.

    Args:
        layout: the configured bases, filters and attributes.
        limit: the maximum number of users and groups; 0 to turn the replica off.
    """
    if not limit:
        return "user_store.index_limit is 0"
    if layout.profile.sync_unsupported_reason:
        return layout.profile.sync_unsupported_reason
    if layout.lists_by_silent_attributes:
        return "a list filter names an attribute, such as memberOf, that changes silently"
    filters = (layout.user_list_filter, layout.role_list_filter)
    # The server alone evaluates the filter of a sync search, and would find no entry.
    if not all(layout.evaluation_of(each).test is None for each in filters):
        return "the server has no matching rule for an attribute of a list filter"
    return ""


def reason_for(error: Exception) -> str:
    """Return the reason for an error, without the server's message, which may contain DNs."""
    if not isinstance(error, LdapError):
        return str(error)
    if error.code == ResultCode.UNAVAILABLE_CRITICAL_EXTENSION:
        return "the server offers no content synchronization (OpenLDAP: the overlay syncprov)"
    if error.code in (ResultCode.SIZE_LIMIT_EXCEEDED, ResultCode.ADMIN_LIMIT_EXCEEDED):
        return "the server limits the results of this account: raise its limits (olcLimits)"
    return f"the server rejected the request (LDAP result {error.code})"
