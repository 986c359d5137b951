"""Reads of users, roles and memberships from the directory itself.

The reader searches for users and roles; `nesting` follows groups in groups; `admin_group` finds
the one group that is the admin role. It imports `layout` and `ldap`. It must not know the replica,
which answers the same questions from memory, and it must not change anything.
"""
