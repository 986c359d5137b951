"""The folder of hybrid roles in the embedded directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.settings import load_settings
from mi_ldap.wiring import services
from tests.api.client import Api
from tests.api.conftest import api_over
from tests.subtree import Tool

ROLE = "Internal/testers"


@contextmanager
def admin_of(directory: EmbeddedDirectory, state_dir: Path) -> Iterator[Api]:
    """The first admin of a service that runs the directory."""
    settings = load_settings({"MI_LDAP_STATE_DIR": str(state_dir)})
    with ExitStack() as opened:
        yield api_over(services(settings, directory), opened).logged_in("admin")


def manager_of(directory: EmbeddedDirectory) -> Tool:
    return Tool(directory.url, directory.manager_dn, directory.read_manager_password())


def test_hybrid_roles_are_kept_in_a_folder_of_their_own(tmp_path: Path) -> None:
    with (
        EmbeddedDirectory(tmp_path / "directory") as directory,
        admin_of(directory, tmp_path) as admin,
        closing(manager_of(directory)) as manager,
    ):
        admin.add_user("bob")
        admin.add_role(ROLE, "bob")
        dn = f"cn={ROLE},{directory.hybrid_base}"
        assert f"uid=bob,{directory.user_base}" in manager.read(dn, "member")["member"]
        assert len(manager.read(dn, "miLdapMember")["miLdapMember"]) == 1
        assert admin.user("bob")["roles"] == ["Internal/everyone", ROLE]
        assert admin.ask("GET", "/ready").status_code == 200
        assert admin("DELETE", "/users/bob").status_code == 200
        assert admin.get(f"/roles/{ROLE}")["users"] == []
    with (
        EmbeddedDirectory(tmp_path / "directory") as directory,
        admin_of(directory, tmp_path) as admin,
    ):
        assert admin.roles() == ["admin", "Internal/everyone", ROLE]


def test_a_directory_of_an_earlier_version_gets_the_folder(tmp_path: Path) -> None:
    """Its hybrid roles, which are groups among the others, stay roles."""
    with EmbeddedDirectory(tmp_path / "directory") as directory:
        with admin_of(directory, tmp_path) as admin, closing(manager_of(directory)) as manager:
            admin.add_user("bob")
            manager.delete(directory.hybrid_base)
            members = [f"uid=bob,{directory.user_base}"]
            dn = f"cn=Internal/old,{directory.group_base}"
            manager.add(dn, ["groupOfNames"], member=members)
        mark = directory.data_dir / "has-hybrid-base"
        mark.unlink()
    for _ in range(2):  # with the entry and without the mark, as after an interrupted start
        with EmbeddedDirectory(tmp_path / "directory") as directory:
            assert mark.exists()
            with admin_of(directory, tmp_path) as admin:
                assert "Internal/old" in admin.roles()
                assert "Internal/old" in admin.user("bob")["roles"]
        mark.unlink()
    with (
        EmbeddedDirectory(tmp_path / "directory") as directory,
        admin_of(directory, tmp_path) as admin,
    ):
        admin.add_role(ROLE, "bob")
        shown = admin.user("bob")["roles"]
        assert shown == ["Internal/everyone", "Internal/old", ROLE]
        assert admin("DELETE", "/roles/Internal/old").status_code == 200
        assert admin.user("bob")["roles"] == ["Internal/everyone", ROLE]
