"""The table of keys and the examples say what the models say."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mi_ldap.micro_integrators.resources import RESOURCES
from mi_ldap.settings import ResourceSettings, Settings, load_settings
from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.micro_integrator import MicroIntegratorSettings
from mi_ldap.settings.registry import SETTINGS, dotted
from mi_ldap.settings.root import secondary_address

CHECKOUT = Path(__file__).resolve().parents[2]
CONFIG = CHECKOUT / "config" / "mi-ldap.toml"
ROWS = {
    row[0].strip("` "): [cell.strip() for cell in row[1:]]
    for row in re.findall(
        r"^\| (`[a-z_.]+`) \| ([^|]+) \| ([^|]+) \| ((?:\\\||[^|])+) \|$",
        (CHECKOUT / "docs" / "configuration.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
}
DERIVED = {
    "server.workers": "as many as cores",
    "user_store.user_search_base": "`ou=Users,<base_dn>`",
    "user_store.group_search_base": "`ou=Groups,<base_dn>`",
}
# The file as it is when every key in it is used.
SHOWN = tomllib.loads(re.sub(r"(?m)^#([a-z_]+ = )", r"\1", CONFIG.read_text("utf-8")))
# Keys that have no default, or one that means "none": the file shows an example.
EXAMPLES = {path for path, field in SETTINGS.items() if field.default in (None, "")} | {
    ("server", "workers"),
    ("user_store", "user_search_base"),
    ("user_store", "group_search_base"),
}


def leaves(tree: object, above: KeyPath = ()) -> Iterator[KeyPath]:
    if not isinstance(tree, dict):
        yield above
        return
    for name, value in tree.items():
        yield from leaves(value, (*above, name))


def shown(key: str, field: FieldInfo) -> str:
    """The default as the table writes it."""
    value = field.default
    if value is PydanticUndefined:
        return DERIVED[key]
    if value is None:
        return "none"
    return f"`{in_toml(value)}`"


def in_toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(in_toml(one) for one in value)}]"
    if isinstance(value, ResourceSettings):
        return in_toml(value.path)
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def value_at(tree: object, path: KeyPath) -> object:
    for name in path:
        tree = tree[name] if isinstance(tree, dict) else getattr(tree, name)
    return tree


def test_the_table_has_every_key_in_the_order_of_the_models() -> None:
    assert list(ROWS) == [dotted(path) for path in SETTINGS]


@pytest.mark.parametrize("path", SETTINGS, ids=dotted)
def test_a_row_says_what_the_model_says(path: KeyPath) -> None:
    key, field = dotted(path), SETTINGS[path]
    assert ROWS[key][:2] == [field.description, shown(key, field)]


def test_the_shipped_configuration_says_nothing_by_itself() -> None:
    shipped = load_settings({})
    assert shipped.config_file == CONFIG
    assert shipped == Settings(state_dir=shipped.state_dir, config_file=CONFIG)


def test_the_shipped_configuration_shows_every_key_and_no_other() -> None:
    assert sorted(leaves(SHOWN)) == sorted(SETTINGS)


@pytest.mark.parametrize("path", sorted(set(SETTINGS) - EXAMPLES), ids=dotted)
def test_the_shipped_configuration_shows_the_default(path: KeyPath) -> None:
    said = value_at(SHOWN, path)
    default = value_at(load_settings({}), path)
    assert in_toml(tuple(said) if isinstance(said, list) else said) == in_toml(default)


def blocks(page: str) -> list[str]:
    """What is indented in a page of docs, each block without its indentation."""
    text = (CHECKOUT / "docs" / page).read_text("utf-8")
    found = re.findall(r"(?m)(?:^ {4}.*\n|^\n(?= {4}))+", text)
    return [textwrap.dedent(block).strip("\n") for block in found]


@pytest.mark.parametrize(
    "page",
    [
        "directories/openldap",
        "directories/389ds",
        "directories/active-directory",
        "stores/database",
        "stores/read-only",
        "stores/secondary",
        "micro-integrators",
    ],
)
def test_a_page_shows_its_example(page: str) -> None:
    example = (CHECKOUT / "config" / Path(page).name).with_suffix(".toml").read_text("utf-8")
    assert tomllib.loads(blocks(f"{page}.md")[0]) == tomllib.loads(example)


@pytest.mark.parametrize(
    ("page", "file", "what"),
    [("openldap.md", "rights.ldif", "olcAccess"), ("389ds.md", "rights-389ds.ldif", "aci")],
)
def test_a_page_shows_the_shipped_rights(page: str, file: str, what: str) -> None:
    rights = (CHECKOUT / "config" / "ldif" / file).read_text("utf-8")
    shown = next(block for block in blocks(f"directories/{page}") if block.startswith(f"{what}: "))
    assert shown in rights


def test_the_example_of_databases_is_right_and_short() -> None:
    example = CHECKOUT / "config" / "database.toml"
    settings = load_settings({"MI_LDAP_CONFIG": str(example), "MI_LDAP_DATASOURCE__PASSWORD": "x"})
    assert settings.database_address.tls
    assert len(settings.database_address.hosts) == 2
    assert settings.notes == ()
    assert settings.bootstrap.users == ("alice",)


def test_the_example_of_secondary_stores_is_right_and_short() -> None:
    example = CHECKOUT / "config" / "secondary.toml"
    passwords = {
        "MI_LDAP_USER_STORE__CONNECTION_PASSWORD": "x",
        "MI_LDAP_SECONDARY_USER_STORE__WSO2_COM__PASSWORD": "y",
    }
    settings = load_settings({"MI_LDAP_CONFIG": str(example), **passwords})
    (store,) = settings.enabled_secondaries
    assert (store.domain, store.is_database) == ("WSO2.COM", True)
    assert secondary_address(store).tls
    assert settings.notes == ()
    assert settings.bootstrap.users == ("alice",)


def test_the_example_of_micro_integrators_is_right_and_short() -> None:
    example = CHECKOUT / "config" / "micro-integrators.toml"
    passwords = {f"MI_LDAP_MICRO_INTEGRATOR__MI_{number}__PASSWORD": "x" for number in (1, 2)}
    settings = load_settings({"MI_LDAP_CONFIG": str(example), **passwords})
    assert [each.id for each in settings.micro_integrator] == ["mi-1", "mi-2"]
    assert settings.notes == ()


READ_ONLY = CHECKOUT / "config" / "read-only.toml"
SECRETS = {
    "MI_LDAP_USER_STORE__CONNECTION_PASSWORD": "x",
    "MI_LDAP_DATASOURCE__PASSWORD": "y",
}


def test_the_example_of_read_only_directories_is_right_and_short() -> None:
    own = {key: value for key, value in SECRETS.items() if "USER_STORE" in key}
    settings = load_settings({"MI_LDAP_CONFIG": str(READ_ONLY), **own})
    assert settings.user_store.type == "read_only_ldap"
    assert settings.is_admin_role_hybrid
    assert not settings.has_hybrid_database
    assert settings.notes == ()
    assert settings.bootstrap.users == ("alice",)


def test_the_readme_shows_it_first() -> None:
    shown = [block for block in blocks("../README.md") if block.startswith("[user_store]")]
    assert tomllib.loads(shown[0]) == tomllib.loads(READ_ONLY.read_text("utf-8"))


def tomls(page: str) -> list[str]:
    """The blocks of TOML in a page of docs."""
    return re.findall(
        r"```toml\n(.*?)```", (CHECKOUT / "docs" / page).read_text("utf-8"), re.DOTALL
    )


def test_a_page_shows_the_database_of_several_machines(tmp_path: Path) -> None:
    (shown,) = tomls("stores/read-only.md")
    example = READ_ONLY.read_text("utf-8")
    commented = re.sub(r"(?m)^#(\[\[|[a-z]+ +=)", r"\1", example)
    assert tomllib.loads(commented) == tomllib.loads(f"{example}{shown}")
    config = tmp_path / "my.toml"
    config.write_text(commented, "utf-8")
    settings = load_settings({"MI_LDAP_CONFIG": str(config), **SECRETS})
    assert settings.has_hybrid_database
    assert settings.database_address.tls
    assert settings.notes == ()


def test_a_page_shows_a_directory_with_the_database_of_mi(tmp_path: Path) -> None:
    (shown,) = tomls("stores/hybrid.md")
    config = tmp_path / "my.toml"
    config.write_text(shown, "utf-8")
    settings = load_settings({"MI_LDAP_CONFIG": str(config), **SECRETS})
    assert (settings.is_database, settings.has_hybrid_database) == (False, True)
    assert settings.notes == ()


@pytest.mark.parametrize("name", ["openldap", "rfc2307", "389ds", "active-directory"])
def test_an_example_is_right_and_short(name: str) -> None:
    example = CHECKOUT / "config" / f"{name}.toml"
    settings = load_settings(
        {"MI_LDAP_CONFIG": str(example), "MI_LDAP_USER_STORE__CONNECTION_PASSWORD": "x"}
    )
    store = settings.user_store
    assert store.start_tls or all(url.startswith("ldaps:") for url in store.connection_urls)
    assert not store.allow_plaintext
    assert settings.notes == ()
    assert settings.bootstrap.users == ("alice",)
    lines = [line for line in example.read_text().splitlines() if line and line[0] != "#"]
    assert len(lines) <= 10


def test_the_page_of_micro_integrators_says_what_the_model_says() -> None:
    text = (CHECKOUT / "docs" / "micro-integrators.md").read_text("utf-8")
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", text)
    keys = {
        name: (
            field.description,
            "needed" if field.is_required() else shown(name, field),
        )
        for name, field in MicroIntegratorSettings.model_fields.items()
    }
    assert {name: (about, default) for name, about, default in rows if name in keys} == keys


def test_the_page_of_micro_integrators_has_every_path_and_key() -> None:
    text = (CHECKOUT / "docs" / "micro-integrators.md").read_text("utf-8")
    section = text[text.index("## What is passed on") : text.index("Any other path or method")]
    named = set(re.findall(r"`([\w/{}-]+)`", section))
    for resource in RESOURCES:
        path = resource.path.removeprefix("/").removeprefix("registry-resources/")
        assert {path, *resource.query} <= named
