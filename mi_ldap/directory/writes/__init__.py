"""Changes of users and roles: steps become a plan of LDAP operations, which is then executed.

Guards make an operation conditional: by assertion (RFC 4528), or by replacing a value that was read
where a server lacks assertions. If an operation fails, those before it are undone in reverse order.
It imports `layout`, `reads` and `ldap`. It must not know who may change what: services decide that.
"""
