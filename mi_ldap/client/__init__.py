"""A client of the management API, as `mi` uses it: remotes, tokens, requests.

`remotes` and `tokens` are what a person keeps, in `files`; `http` sends one request; `api` knows
what there is to ask; `certificates` looks at the one that a service shows.
"""
