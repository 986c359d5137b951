"""Each class of error has a stable code of its own; programs decide by it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import mi_ldap
from mi_ldap.errors import MiLdapError


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
