"""What survives a restart and is shared by the workers of a machine, apart from users and roles.

Revoked tokens, failed logins, signing keys and metadata are in one SQLite database (`database`);
the audit log is a file of JSON lines. It imports `settings`, `model`, `files` and `errors`. It must
not know the store or the services: ids and names are plain text here.
"""
