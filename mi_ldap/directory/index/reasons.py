"""Why users and groups are not held in memory at all, whatever happens in the directory."""

from __future__ import annotations

from mi_ldap.directory.tree import Tree


def why_not_held(tree: Tree, limit: int) -> str:
    """The reason, in clauses that anybody may read; `""` where there is none.

    Args:
        tree: what would be held.
        limit: how many users may be held, 0 for none.
    """
    if not limit:
        return "user_store.index_limit is 0"
    if tree.profile.untold:
        return tree.profile.untold
    if tree.lists_by_silent_attributes:
        return "a list filter names an attribute, such as memberOf, that changes silently"
    return ""
