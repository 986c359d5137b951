"""The service's own account is known by every spelling that it may be configured with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.client import PASSWORD
from tests.field.cases.case_22_service_account_among_people import CASE, OWN
from tests.field.place import running
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY
from tests.subtree import Subtree
from tests.table.directories import api_on
from tests.table.scenarios import NEW, status

SPELLINGS = [
    "UID=SVC,OU=People,DC=Example,DC=ORG",
    "uid=svc , ou = people, dc=example ,dc=org",
    "userid=svc,organizationalUnitName=people,domainComponent=example,dc=org",
    "0.9.2342.19200300.100.1.1=svc,2.5.4.11=people,dc=example,dc=org",
    "uid=\\73vc,ou=people,dc=example,dc=org",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_dn_is_known_by_other_spellings(spelling: str, tmp_path: Path) -> None:
    case = replace(CASE, settings={"USER_STORE__CONNECTION_NAME": spelling})
    with running(case, tmp_path) as field:
        for api in field.apis:
            admin = field.admin(api)
            assert status(admin, "DELETE", f"/users/{OWN}") == 403
            assert status(admin, "PATCH", f"/users/{OWN}", NEW) == 403
            assert status(admin, "DELETE", "/users/bob") in (200, 404)
        assert [each.level for each in field.report().findings if "own account" in each.sentence]


@pytest.fixture
def place(hosts: Hosts) -> Iterator[Subtree]:
    with hosts.place(ACTIVE_DIRECTORY) as made:
        yield made


@pytest.mark.parametrize("as_upn", [True, False])
def test_active_directory_knows_it_by_other_names(
    place: Subtree, tmp_path: Path, as_upn: bool
) -> None:
    """The account of the tests stays where it is; the base for users is moved around it."""
    account_dn, _ = place.host.account
    name = place.tool.read(account_dn, "sAMAccountName")["sAMAccountName"][0]
    domain = place.host.base.replace("DC=", "").replace("dc=", "").replace(",", ".")
    called = f"{name}@{domain}" if as_upn else f"{domain.partition('.')[0].upper()}\\{name}"
    place.add_group("admin", place.add_user("root", PASSWORD))
    parent = account_dn.partition(",")[2]
    settings = {
        "USER_STORE__USER_SEARCH_BASE": f"{place.user_base}#{parent}",
        "USER_STORE__CONNECTION_NAME": called,
    }
    with api_on(place, tmp_path / "state", **settings) as api:
        admin = api.logged_in("root")
        assert name in admin.names()
        assert status(admin, "DELETE", f"/users/{name}") == 403
        assert status(admin, "PATCH", f"/users/{name}", NEW) == 403
        removal = {"userId": name, "addedRoles": ["admin"]}
        assert status(admin, "PUT", "/roles", removal) == 403
        assert admin.user("root")["isAdmin"] is True
