"""The console at `/console`: pages for people, over the services that the API speaks to.

Every page works without JavaScript. No rule lives here: what somebody may not do is asked of the
services, and said in their words.
"""

from __future__ import annotations

from flask import Blueprint

from mi_ldap.services.container import Services
from mi_ldap.web.console import (
    account,
    answers,
    assets,
    assignments,
    entry,
    guard,
    role,
    roles,
    user,
    users,
)


def blueprint(services: Services) -> Blueprint:
    """The console's views over the services."""
    console = Blueprint("console", __name__, url_prefix="/console", template_folder="templates")
    answers.init(console)
    guard.init(console, services)
    assets.add_views(console)
    for module in (entry, account, users, user, assignments, roles, role):
        module.add_views(console, services)
    answers.add_missing(console)
    return console
