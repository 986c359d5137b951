"""Each class of error has a stable code of its own; programs decide by it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import mi_ldap
from mi_ldap.errors import ConfigurationError, MiLdapError
from mi_ldap.web.errors import status_of

API_PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def classes(root: type[MiLdapError]) -> Iterator[type[MiLdapError]]:
    yield root
    for each in root.__subclasses__():
        yield from classes(each)


def errors() -> list[type[MiLdapError]]:
    """All classes of errors in the package, whichever module defines them."""
    for module in pkgutil.walk_packages(mi_ldap.__path__, "mi_ldap."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [each for each in classes(MiLdapError) if each.__module__.startswith("mi_ldap.")]


def test_every_error_has_a_code_of_its_own() -> None:
    """A class of another module may have that of its base, if clients need not tell them apart."""
    ours = [each for each in errors() if each.__module__ == "mi_ldap.errors"]
    assert [each.__name__ for each in ours if "code" not in vars(each)] == []


def test_codes_are_unique_and_in_snake_case() -> None:
    codes = [vars(each)["code"] for each in errors() if "code" in vars(each)]
    assert len(codes) >= 30
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_page_of_the_api_lists_every_code_with_its_status() -> None:
    rows = re.findall(r"(?m)^\| `([a-z_]+)` \| (\d{3}) \| ", API_PAGE.read_text(encoding="utf-8"))
    # The service ends with a ConfigurationError at its start; no response has one.
    unsent = (MiLdapError, ConfigurationError, *ConfigurationError.__subclasses__())
    sent = [each for each in errors() if each.__module__ == "mi_ldap.errors" and each not in unsent]
    statuses = [(each.code, str(status_of(each.__new__(each)))) for each in sent]
    assert sorted(rows) == sorted(statuses)
