"""The user store in an LDAP directory: `store.DirectoryStore` implements the port `mi_ldap.store`.

`layout/` maps entries to users and roles, `reads/` searches, `writes/` carries out changes, and
`replica/` answers reads from memory. The package imports `mi_ldap.ldap`, the port and the model. It
must not know the services that call it, the settings or the web. It decides nothing about who may
do what: it carries out a change if the conditions hold that the caller gave.

Terms, as RFC 4511 and RFC 4512 use them:

    entry     one object of the directory, `dn` its name: `"uid=alice,ou=people,dc=example,dc=org"`
    RDN       the first part of a DN, `"uid=alice"`; the rest is the DN of the parent
    base      the DN of the entry whose subtree is searched
    filter    the condition of a search, `"(&(objectClass=person)(uid=alice))"`
    bind      authentication of a connection, by DN and password
    group     an entry whose `member` values are DNs; it represents a role
    root DSE  the entry with an empty DN, in which a server describes itself
    stamp     an attribute that the server replaces whenever an entry changes
"""
