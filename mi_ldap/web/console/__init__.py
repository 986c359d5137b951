"""The console at `/console`: pages in HTML over the same services as the API.

Every page works without JavaScript. The console holds no rules: it asks the services what a user
may do, and shows their reasons. Its session is a token in a cookie, which the API never accepts.
"""

from __future__ import annotations

from mi_ldap.web.console import (  # the imports add the views
    account,  # noqa: F401
    artifact_changes,  # noqa: F401
    artifacts,  # noqa: F401
    assets,  # noqa: F401
    assignments,  # noqa: F401
    error_pages,
    guard,
    login,  # noqa: F401
    logs,  # noqa: F401
    nodes,  # noqa: F401
    responses,
    role,  # noqa: F401
    roles,  # noqa: F401
    user,  # noqa: F401
    users,  # noqa: F401
)
from mi_ldap.web.console.blueprint import bp

__all__ = ["bp"]

bp.before_request(guard.check_request)
responses.init_blueprint(bp)
error_pages.init_blueprint(bp)
