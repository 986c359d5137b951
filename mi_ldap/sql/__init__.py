"""The user store in a database: MI's `UM_` tables in PostgreSQL, MariaDB, MySQL or SQLite.

It implements `mi_ldap.store.UserStore` with statements of SQLAlchemy Core; a change is one
transaction under the lock of the admin role's row. It may import the port, the model, the account
state, the errors and the deadline. It must not know the services, the settings and the other
stores. Wiring, commands and the doctor use `SqlStore`, `SqlHybridRoles`, `DatabaseConfig` and
`mi_ldap.sql.schema`.
"""

from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.engine import Database
from mi_ldap.sql.hybrid_roles import SqlHybridRoles
from mi_ldap.sql.store import SqlStore

__all__ = ["Database", "DatabaseConfig", "SqlHybridRoles", "SqlStore"]
