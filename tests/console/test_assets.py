"""What others made is here unchanged; files are served under their hash, and nothing else is."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.web.console.assets import FOLDER
from tests.console.console_client import ConsoleClient, console_client
from tests.world import make_world

VENDORED = FOLDER / "vendored"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[ConsoleClient]:
    world = make_world(tmp_path / "state")
    yield console_client(world)
    world.services.state.close()


def test_vendored_files_have_their_recorded_hashes() -> None:
    listed = tomllib.loads((VENDORED / "VENDORED.toml").read_text(encoding="utf-8"))
    for folder, entry in listed.items():
        assert {"name", "version", "licence", "source", "files"} == set(entry)
        for name, digest in entry["files"].items():
            content = (VENDORED / folder / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest, name
    there = {str(file.relative_to(VENDORED)) for file in VENDORED.glob("*/*")}
    assert there == {f"{folder}/{name}" for folder in listed for name in listed[folder]["files"]}


def test_each_vendored_file_has_its_licence() -> None:
    for folder in (each for each in VENDORED.iterdir() if each.is_dir()):
        assert list(folder.glob("LICENSE*")), folder


def test_assets_are_cached_as_immutable(here: ConsoleClient) -> None:
    addresses = re.findall(r'(?:href|src)="/console(/static/[^"]+)"', here.get("/login").text)
    assert len(set(addresses)) == 4
    for address in addresses:
        answer = here.get(address)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["x/console.css", "x/../guard.py", "x/%2e%2e/guard.py", "x/vendored/VENDORED.toml"]
)
def test_other_files_are_not_served(here: ConsoleClient, path: str) -> None:
    assert here.get(f"/static/{path}").status_code == 404


def test_templates_and_styles_load_nothing_from_other_origins() -> None:
    own = [*FOLDER.glob("*.css"), *(FOLDER.parent / "templates").glob("*.html")]
    for file in own:
        assert not re.search(r"(https?:)?//\w", file.read_text(encoding="utf-8")), file
