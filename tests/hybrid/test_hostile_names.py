"""Users and hybrid roles whose names mean something to SQL, to LIKE or to Unicode."""

from __future__ import annotations

from urllib.parse import quote

from tests.hybrid.world import PASSWORD, World

NAMES = [
    *("o'brien", 'dq"x', "per%cent", "under_score", "underXscore", "a!_b", "1;select", "-- drop"),
    *("😀smile", "日本", "Ümläut", "straße", "strasse", "İstanbul", "ΟΔΟΣ", "two  spaces"),
    *("jose", "jos\u00e9", "x" * 200, "emoji😀" * 20),
]


def test_each_user_has_its_own_roles_only(world: World) -> None:
    made = [name for name in NAMES if _create(world, name)]
    assert len(made) > len(NAMES) - 6
    for at, name in enumerate(made):
        role = f"Internal/{name}"
        shown = f"/roles/{quote(role, safe='')}"
        assert world.change("root", name, added=role) == 200, name
        assert world.ask("root", "GET", shown).json == {"role": role, "users": [name]}
        user = world.ask("root", "GET", f"/users/{quote(name, safe='')}").json
        assert user["roles"] == ["Internal/everyone", role], name
        if at % 2:
            assert world.ask("root", "DELETE", f"/users/{quote(name, safe='')}").status == 200
            assert world.ask("root", "GET", shown).json["users"] == []
        else:
            assert world.change("root", name, removed=role) == 200
        assert world.ask("root", "DELETE", shown).status == 200
    assert world.admins() == ["root"]
    assert world.place.query("SELECT UM_ID FROM UM_HYBRID_USER_ROLE WHERE UM_ROLE_ID > 1") == []


def _create(world: World, name: str) -> bool:
    """Create a user and a role of the name; False if it is refused."""
    body = {"userId": name, "password": PASSWORD}
    status = world.ask("root", "POST", "/users", body).status
    assert status in {200, 400}
    if status == 400:
        return False
    return world.ask("root", "POST", "/roles", {"role": f"Internal/{name}"}).status == 200


def test_names_that_no_database_stores_are_refused(world: World) -> None:
    for role in ("Internal/" + "x" * 256, "Internal/a\0b", "Internal/", "Internal/a/b"):
        answer = world.ask("root", "POST", "/roles", {"role": role})
        assert (answer.status, bool(answer.json["Error"])) == (400, True), role
        assert world.ask("root", "GET", f"/roles/{quote(role, safe='')}").status == 404, role
