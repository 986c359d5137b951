"""`/docs` and `/openapi.json`: for everybody, offline, and as they were published."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import mi_ldap.web.openapi
from tests.api.client import Api
from tests.openapi.book import BOOK

VENDORED = Path(mi_ldap.web.openapi.__file__).parent / "static" / "swagger-ui"
PAGES = ["/docs", "/docs/", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"]


def test_the_document_needs_no_login(light_api: Api) -> None:
    answer = light_api.ask("GET", "/openapi.json")
    assert (answer.status_code, answer.json) == (200, BOOK)


@pytest.mark.parametrize("path", PAGES)
def test_the_csp_of_the_docs_allows_own_files_only(light_api: Api, path: str) -> None:
    answer = light_api.ask("GET", path)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    allowed = {word for directive in policy for word in directive.split()[1:]}
    assert allowed == {"'none'", "'self'", "data:"}
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_the_docs_page_has_no_external_urls_and_no_inline_scripts(light_api: Api) -> None:
    page = light_api.ask("GET", "/docs").text
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == [
        "data:,",
        "/docs/swagger-ui.css",
        "/docs/swagger-ui-bundle.js",
        "/docs/start.js",
    ]
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == ["", ""]
    assert "http" not in light_api.ask("GET", "/docs/start.js").text


def test_other_files_below_docs_are_not_served(light_api: Api) -> None:
    for path in ("/docs/VENDORED.md", "/docs/../__init__.py", "/docs/static", "/docs/%2e%2e/x"):
        assert light_api.ask("GET", path).status_code == 404


def test_an_unchanged_file_is_answered_with_304(light_api: Api) -> None:
    first = light_api.client.get("/docs/swagger-ui.css")
    again = light_api.client.get(
        "/docs/swagger-ui.css", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert again.status_code == 304


def test_vendored_swagger_ui_has_the_published_hashes() -> None:
    note = (VENDORED / "VENDORED.md").read_text(encoding="utf-8")
    written = {name: digest for digest, name in re.findall(r"([0-9a-f]{64})  (\S+)", note)}
    there = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDORED.iterdir()
        if file.name != "VENDORED.md"
    }
    assert there == written
    assert {"LICENSE", "NOTICE"} <= set(there)
