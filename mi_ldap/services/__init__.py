"""The rules: who may log in, create, change and delete users and roles, and who is whose custodian.

Each rule exists once, here, whether a request comes through the API, the console or a command. It
imports the `store` port, `state` and `model`. It must not know HTTP, LDAP or SQL: it is given a
store and raises the errors of `errors`. Race-free checks are passed to the store as guards.
"""
