"""Several user stores and hybrid roles behind the one interface `mi_ldap.store.UserStore`.

Users and roles of a secondary store have its domain as a prefix: the name is `WSO2.COM/bob`, the id
`WSO2.COM/<id>`. So a user of a secondary store never has the id or the name of a primary user.
"""

from mi_ldap.domains.hybrid_store import HybridStore
from mi_ldap.domains.store import Domains

__all__ = ["Domains", "HybridStore"]
