"""Whether a `[[datasource]]` beside a directory can be used for the hybrid roles."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from mi_ldap.settings.jdbc import translate_address
from mi_ldap.settings.sources import Tree
from mi_ldap.settings.toml_values import has_placeholder

_KEYS: Final = ("url", "username", "password")


def has_usable_datasource(
    tree: Tree, wanted: str, replaced: Container[str] = (), *, keeps_admins: bool = False
) -> bool:
    """Whether a file has the wanted `[[datasource]]`, with the address of a supported database.

    Args:
        tree: the tables of the TOML file.
        wanted: the `id` of the datasource.
        replaced: keys that an environment variable sets, so that their values in the file do not
            matter.
        keeps_admins: whether the admin role is a hybrid role. Then a datasource with one of MI's
            placeholders counts as usable, so that the start reports the placeholder. Otherwise the
            admins would be stored in another place by mistake.
    """
    given = tree.get("datasource")
    tables = given if isinstance(given, list) else [given]
    found = [each for each in tables if isinstance(each, dict)]
    if isinstance(given, list):
        found = [each for each in found if each.get("id") == wanted]
    if len(found) != 1:
        return False
    texts = [str(found[0].get(key) or "") for key in _KEYS if key not in replaced]
    if any(map(has_placeholder, texts)):
        return keeps_admins
    try:
        return "url" in replaced or bool(translate_address(str(found[0].get("url") or "")))
    except ValueError:
        return False
