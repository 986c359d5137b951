"""The layout of a directory: how users and roles are represented by its entries.

A profile describes one kind of server, and the settings override it. The layout converts entries to
users and roles and back; the account state is the attribute that holds token validity and marks of
running operations. It imports `ldap` and `model`. It must not know the services, and does no I/O;
`builder` alone knows the settings.
"""
