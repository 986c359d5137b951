"""MI's own files of secondary stores, `repository/deployment/server/userstores/*.xml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings.sources import Tree

# Of the class without `UniqueID`, which MI 4 has in front of some.
_KINDS: Final[dict[str, Tree]] = {
    "JDBCUserStoreManager": {"type": "database"},
    "ReadWriteLDAPUserStoreManager": {"type": "read_write_ldap"},
    "ReadOnlyLDAPUserStoreManager": {"type": "read_only_ldap"},
    "ActiveDirectoryUserStoreManager": {"type": "read_write_ldap", "profile": "active_directory"},
}
_NAMES: Final = {
    "domainname": "domain",
    "disabled": "disabled",
    "url": "url",
    "username": "username",
    "password": "password",
    "maxactive": "max_active",
}
"""Keys by the lower-case names of MI's properties; the others are those of `[user_store]`."""

_ENCRYPTED: Final = "$secret{encrypted}"
"""Stands for a value that MI has encrypted: like a placeholder, the environment replaces it."""

_MAX_BYTES: Final = 1_000_000


def read_user_store_files(folder: Path) -> list[tuple[Path, Tree]]:
    """Return the tables of all files, as of `[[secondary_user_store]]`, in the order of names.

    Raises:
        ConfigurationError: the folder or a file cannot be used; names it, with the reason.
    """
    # The path is not repeated: it may be a secret under the wrong key.
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".xml")
    except (OSError, ValueError):
        raise ConfigurationError(
            "realm_manager.user_stores_dir must name a folder that can be read; in a TOML file a "
            "relative path begins at its folder."
        ) from None
    return [(file, _read_file(file)) for file in files]


def _read_file(file: Path) -> Tree:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError("it is larger than 1 MB")
        found = _Reader()
        found.parse(file.read_bytes())
        return _table(found)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from None
    except expat.ExpatError as error:
        reason = f"line {error.lineno} is not XML"
        raise ConfigurationError(f"{file} cannot be used: {reason}.") from None
    except LookupError:
        reason = "its encoding is not known; save it as UTF-8"
        raise ConfigurationError(f"{file} cannot be used: {reason}.") from None
    except ValueError as error:
        raise ConfigurationError(f"{file} cannot be used: {error}.") from None


class _Reader:
    """The class of a `<UserStoreManager>` and its properties by name."""

    def __init__(self) -> None:
        self.class_name = ""
        self.properties: dict[str, str] = {}
        self._root = ""
        self._name: str | None = None

    def parse(self, content: bytes) -> None:
        """Read the XML; raise `ValueError` or `ExpatError` if it is another document."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        # Entities can be expanded to gigabytes, and read other files.
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.Parse(content, True)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._root:
            self._root = tag
            if tag != "UserStoreManager":
                raise ValueError("its root is not UserStoreManager")
            self.class_name = attributes.get("class", "")
        elif tag == "Property" and attributes.get("name"):
            self._name = attributes["name"]
            if self._name in self.properties:
                raise ValueError(f"it has the property {self._name} twice")
            is_encrypted = attributes.get("encrypted", "").lower() == "true"
            self.properties[self._name] = _ENCRYPTED if is_encrypted else ""

    def _end(self, tag: str) -> None:
        if tag == "Property":
            self._name = None

    def _text(self, text: str) -> None:
        if self._name and self.properties[self._name] != _ENCRYPTED:
            self.properties[self._name] += text


def _refuse_doctype(*_: Any) -> None:
    raise ValueError("it has a document type, which may define entities")


def _table(found: _Reader) -> Tree:
    own = {_NAMES.get(name.lower()): text.strip() for name, text in found.properties.items()}
    if own.get("disabled", "").lower() == "true":
        # It may be of a class, or have an address, that only MI can use.
        return {name: own[name] for name in ("domain", "disabled") if name in own}
    kind = found.class_name.rpartition(".")[2].removeprefix("UniqueID")
    if kind not in _KINDS:
        known = ", ".join(_KINDS)
        raise ValueError(f"its class is none of {known}")
    table, properties = dict(_KINDS[kind]), dict[str, str]()
    for name, value in found.properties.items():
        text = value.strip()
        if name.lower() == "datasource" and text:
            raise ValueError("it has the property dataSource: write url, userName and password")
        key = _NAMES.get(name.lower())
        if key and not (key in ("username", "password") and kind != "JDBCUserStoreManager"):
            table[key] = text
        else:
            properties[name] = text
    if properties.get("ReadOnly", "").lower() == "true" and table["type"] == "read_write_ldap":
        table["type"] = "read_only_ldap"
    return {**table, "properties": properties}
