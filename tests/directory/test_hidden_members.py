"""A group that shows no members may have some: nobody becomes the first admin beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.web import create_app
from mi_ldap.wiring import services
from tests.api.client import PASSWORD, Api
from tests.hosts.ds389 import Ds389
from tests.kinds import DS389
from tests.subtree import Subtree, Tool, host_like, subtree_in

HIDES = (
    '(targetattr="member")(version 3.0; acl "nobody sees who is in it"; '
    'deny (read, search, compare) userdn="ldap:///anyone";)'
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Subtree]:
    """A place in a directory where groups may be empty, and members are hidden."""
    with Ds389(tmp_path / "directory") as directory:
        host = host_like(directory, DS389)
        tool = Tool(host.url, *host.tool, ca_file=host.ca_file)
        tool.add_values(directory.group_base, aci=HIDES)
        with subtree_in(host, tool) as made:
            yield made
        tool.close()


def test_group_with_hidden_members_is_not_treated_as_empty(place: Subtree, tmp_path: Path) -> None:
    boss_dn, alice_dn = (place.add_user(name, PASSWORD) for name in ("boss", "alice"))
    place.add_group("admin", boss_dn)
    made = services(place.settings(tmp_path))
    api = Api(made, create_app(made).test_client(use_cookies=False))
    answer = api.login("alice")
    assert answer.status_code == 503
    assert "the service account cannot read it" in answer.text
    assert place.members("admin") == [boss_dn]
    assert alice_dn not in place.members("admin")
    assert api.logged_in("alice")("GET", "/users").status_code == 403
    made.state.close()
    made.audit.close()
    made.store.close()
