"""Reads of users, roles and memberships from the directory itself.

`profile_detection` finds out the kind of server; `searches` returns complete results; `reader`
queries users and roles; `memberships` resolves nested groups and finds the one group that is the
admin role; `readiness` checks the account's rights. The package imports `layout` and `ldap`. It
must not know the replica, which answers the same queries from memory, and it must not change
anything.
"""
