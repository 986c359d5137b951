"""A typed client of the management API, which `mi` uses.

`api` has a method for each request about users and roles, and `artifacts` for those about artifacts
and logs. Both are a `session`, whose requests `http` sends. `downloads` writes log files. `files`
stores `remotes` and `tokens` below the XDG folders. `certificates` fetches the certificate of a
service, so that it can be shown and trusted. `csv_import` reads a CSV
file, and `batch` creates its users. May import `name_rules`, `files` and `errors`; must not know
click, the terminal or the services. It speaks HTTP only, and is the only importer of httpx2.
"""
