"""`[[datasource]]` and `[realm_manager]`: the database of users, or of hybrid roles alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

from mi_ldap.addresses import is_loopback
from mi_ldap.errors import ConfigurationError
from mi_ldap.settings.jdbc import DatabaseAddress, translate_address, with_absolute_files
from mi_ldap.settings.sources import Tree
from mi_ldap.settings.types import (
    Count,
    OutputFile,
    Secret,
    Section,
    Text,
    setting,
)
from mi_ldap.settings.user_store import UserStoreSettings

DEFAULT_ID: Final = "WSO2CarbonDB"

_FOR_DATABASES: Final = frozenset(
    (
        *("type", "read_only", "password_digest", "store_salted_password", "ca_file"),
        *("case_insensitive_username", "allow_plaintext", "ldap_connection_timeout"),
        *("read_timeout", "pool_size", "read_groups", "write_groups", "allow_any_name"),
        *("username_java_regex", "rolename_java_regex", "password_java_regex"),
    )
)
"""The keys of `[user_store]` that apply to databases; all others describe a directory."""


def _check_address(url: SecretStr) -> SecretStr:
    translate_address(url.get_secret_value())
    return url


# A secret, because it may contain a password.
DatabaseUrl = Annotated[Secret, AfterValidator(_check_address)]


class DatasourceSettings(Section):
    """The `[[datasource]]` that `realm_manager.data_source` names."""

    url: DatabaseUrl | None = setting(
        None, "Address of the database, as JDBC or as postgresql://, mysql:// or sqlite:///file"
    )
    username: Text | None = setting(None, "Name of the account in the database")
    password: Secret | None = setting(None, "Password of that account")
    max_active: Count | None = setting(
        None,
        "Connections of all workers together, at most (also `pool_options.maxActive`); each worker "
        "has one at least",
    )


class RealmManagerSettings(Section):
    """`[realm_manager]`."""

    data_source: Text = setting(
        DEFAULT_ID,
        "The `id` of the `[[datasource]]` that holds users and roles; beside a directory, the "
        "hybrid roles",
    )
    user_stores_dir: OutputFile | None = setting(
        None, "Folder with MI's own files of secondary user stores, `*.xml`"
    )


def choose_datasource(tree: Tree, wanted: str, folder: Path) -> Tree:
    """Return the tables of a TOML file, with the wanted `[[datasource]]` as `[datasource]`.

    A single `[datasource]` needs no `id`.

    Args:
        tree: the tables of the TOML.
        wanted: the `id`.
        folder: where relative paths in the address begin.

    Raises:
        ConfigurationError: none has that `id`, or several have.
    """
    given = tree.get("datasource")
    if not isinstance(given, list | dict):
        return tree
    tables = given if isinstance(given, list) else [{"id": wanted, **given}]
    found = [each for each in tables if isinstance(each, dict) and each.get("id") == wanted]
    if len(found) != 1:
        number = "Several [[datasource]] have" if found else "No [[datasource]] has"
        raise ConfigurationError(
            f"{number} the id that realm_manager.data_source names (by default {DEFAULT_ID}): "
            "correct one of them."
        )
    # `driver` is Java's; the address determines the driver of this service.
    chosen = {name: value for name, value in found[0].items() if name not in ("id", "driver")}
    if isinstance(url := chosen.get("url"), str):
        chosen["url"] = with_absolute_files(url, folder)
    return {**tree, "datasource": chosen}


def read_address(datasource: DatasourceSettings, user_store: UserStoreSettings) -> DatabaseAddress:
    """Return the address with the account and the TLS options of both sections.

    `datasource.url` must be set.
    """
    assert datasource.url is not None  # noqa: S101 - `database_problems` has refused it
    found = translate_address(datasource.url.get_secret_value())
    password = datasource.password.get_secret_value() if datasource.password else found.password
    # If there is a directory, `user_store.ca_file` is for its certificate first.
    is_database = user_store.type == "database"
    ca_files = (
        (user_store.ca_file, found.ca_file) if is_database else (found.ca_file, user_store.ca_file)
    )
    must_encrypt = _is_remote(found) and not user_store.allow_plaintext
    return replace(
        found,
        username=datasource.username or found.username,
        password=password,
        tls=must_encrypt or bool(found.tls),
        ca_file=str(ca_files[0] or ca_files[1] or ""),
    )


def database_problems(
    datasource: DatasourceSettings, user_store: UserStoreSettings
) -> Iterator[str]:
    """Yield a sentence for each missing setting or file."""
    if datasource.url is None:
        yield (
            "datasource.url is missing: set the address of MI's database, such as "
            "jdbc:postgresql://db.example.org:5432/userdb."
        )
        return
    address = read_address(datasource, user_store)
    if address.hosts and not address.username:
        yield "datasource.username is missing: set the name of the account in the database."
    if _is_remote(address) and not address.password:
        yield (
            "datasource.password is missing: set it, best with MI_LDAP_DATASOURCE__PASSWORD_FILE."
        )
    if address.ca_file and not Path(address.ca_file).is_file():
        yield "datasource.url names a file of authorities that does not exist: correct its path."


def database_notes(datasource: DatasourceSettings, user_store: UserStoreSettings) -> Iterator[str]:
    """Yield a sentence for each setting without an effect, or with an unexpected one."""
    names = sorted(user_store.model_fields_set - _FOR_DATABASES)
    if names and user_store.type == "database":
        shown = ", ".join(f"user_store.{name}" for name in names)
        yield f"These keys describe a directory and have no effect with a database: {shown}."
    assert datasource.url is not None  # noqa: S101 - `database_problems` has refused it
    given = translate_address(datasource.url.get_secret_value())
    if given.unknown_options:
        shown = ", ".join(given.unknown_options)
        yield f"These options of datasource.url have no effect here: {shown}."
    if given.tls is False and read_address(datasource, user_store).tls:
        yield (
            "datasource.url turns TLS off, but the database is on another machine: TLS is used and "
            "the certificate is verified, unless user_store.allow_plaintext = true."
        )


def _is_remote(address: DatabaseAddress) -> bool:
    return not all(is_loopback(host) for host, _ in address.hosts)
