"""A typed client of the management API, which `mi` uses.

`api` has a method for each request, and `http` sends it. `files` stores `remotes` and `tokens`
below the XDG folders. `certificates` fetches the certificate of a service. `csv_import` reads a CSV
file, and `batch` creates its users. May import `name_rules`, `files` and `errors`; must not know
click, the terminal or the services. It speaks HTTP only, and is the only importer of httpx2.
"""
