"""No secret appears in an error, a note, a repr or a traceback, whatever else is wrong."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings import load_settings
from mi_ldap.settings.micro_integrator import MicroIntegratorSettings
from mi_ldap.settings.notes import SECRETS as SECRET_NAMES
from mi_ldap.settings.registry import SETTINGS
from mi_ldap.settings.secondary import SecondaryStoreSettings
from mi_ldap.settings.sources import PREFIX, variable_of

TOKEN_CONFIG = ("management_api", "jwt_token_security_handler", "token_config")
SECRETS = [
    ("user_store", "connection_password"),
    ("super_admin", "password"),
    ("datasource", "url"),
    ("datasource", "password"),
    (*TOKEN_CONFIG, "key"),
    ("icp_config", "secret"),
]
MISTAKES = {
    "MI_LDAP_SERVER__PORT": "many",
    "MI_LDAP_SERVER__PRT": "1",
    "MI_LDAP_BOOTSTRAP__MODE": "configured",
    "MI_LDAP_USER_STORE__TYPE": "database",
    "MI_LDAP_DATASOURCE__MAX_ACTIVE": "many",
    "MI_LDAP_USER_STORE__CONNECTION_URL": "ldap://ldap.example.org",
    "MI_LDAP_USER_STORE__USER_NAME_SEARCH_FILTER": "(uid=*)",
    "MI_LDAP_MANAGEMENT_API__CORS__ENABLE": "perhaps",
    "MI_LDAP_ICP_CONFIG__ENABLED": "true",
}

# A mark that no sentence of ours has by chance stands in every secret.
secret_texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40
).map(lambda text: f"¤{text}¤")
# Bytes that are no UTF-8, as Python shows them in the environment.
raw_texts = secret_texts.map(lambda text: f"\udcff{text}\udc80" * 8)


def everything_said(environ: dict[str, str]) -> str:
    """The settings (their notes among them), or the error with its whole traceback."""
    try:
        settings = load_settings(environ)
    except ConfigurationError as error:
        return "".join([str(error), repr(error), *traceback.format_exception(error)])
    return f"{settings!r}{settings}{settings.model_dump()}"


def pick_mistakes(names: Iterable[str]) -> dict[str, str]:
    return {name: MISTAKES[name] for name in names}


@given(
    secret=secret_texts | raw_texts,
    wrong=st.sets(st.sampled_from(sorted(MISTAKES))),
    places=st.sets(st.sampled_from(SECRETS), min_size=1),
)
@example(secret="¤$secret{x}¤", wrong=set(), places=set(SECRETS))
def test_no_secret_of_the_environment_is_said(
    secret: str, wrong: set[str], places: set[tuple[str, ...]]
) -> None:
    secrets = {variable_of(path): secret for path in places}
    assert "¤" not in everything_said({**pick_mistakes(wrong), **secrets})


@given(secret=secret_texts, quoted=st.booleans(), wrong=st.sets(st.sampled_from(sorted(MISTAKES))))
@example(secret="¤$env{x}¤", quoted=True, wrong=set())
def test_no_secret_of_the_toml_is_said(
    tmp_path_factory: pytest.TempPathFactory, secret: str, quoted: bool, wrong: set[str]
) -> None:
    config = tmp_path_factory.getbasetemp() / "secret.toml"
    text = json.dumps(secret, ensure_ascii=False).replace("\x7f", "") if quoted else secret
    config.write_text(
        f"[user_store]\nconnection_password = {text}\n"
        f"[[datasource]]\nid = {text}\nurl = {text}\npassword = {text}\n"
        f'[[datasource]]\nid = "WSO2CarbonDB"\nurl = {text}\npassword = [{text}]\n'
        f"[super_admin]\nusername = 3\npassword = [{text}]\n"
        f"[{'.'.join(TOKEN_CONFIG)}]\nkey = {{ a = {text} }}\n"
        f"[icp_config]\nsecret = {text}\n",
        encoding="utf-8",
    )
    environ = {"MI_LDAP_CONFIG": str(config), **pick_mistakes(wrong)}
    assert "¤" not in everything_said(environ)


@given(secret=secret_texts, path=st.sampled_from(sorted(SETTINGS)))
def test_a_secret_at_the_wrong_key_is_not_said_in_an_error(
    secret: str, path: tuple[str, ...]
) -> None:
    said = everything_said({variable_of(path): secret})
    assert "¤" not in said or said.startswith("Settings(")


@given(secret=secret_texts, path=st.sampled_from(SECRETS))
def test_a_secret_in_the_place_of_its_file_is_not_said(secret: str, path: tuple[str, ...]) -> None:
    assert "¤" not in everything_said({f"{variable_of(path)}_FILE": secret})


def test_the_secrets_above_are_all_there_are() -> None:
    told = [path for path, field in SETTINGS.items() if "Secret" in str(field.annotation)]
    assert sorted(told) == sorted(SECRETS)
    assert all(variable_of(path).startswith(PREFIX) for path in told)


def test_a_secret_comes_through_unchanged(tmp_path: Path) -> None:
    secret = " ä¤ $%'\" "
    place = tmp_path / "secret"
    place.write_text(f"{secret}\n", encoding="utf-8")
    for environ in (
        {"MI_LDAP_SUPER_ADMIN__PASSWORD": secret},
        {"MI_LDAP_SUPER_ADMIN__PASSWORD_FILE": str(place)},
    ):
        password = load_settings(environ).super_admin.password
        assert password is not None
        assert password.get_secret_value() == secret


def notes_on(file: Path, text: str, mode: int) -> str:
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return " ".join(load_settings({"MI_LDAP_CONFIG": str(file)}).notes)


def test_a_file_with_passwords_that_everyone_can_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    named = f"{file} has passwords or keys, and every user of this machine can read it"
    for text in (
        '[management_api.jwt_token_security_handler.token_config]\nkey = "' + "k" * 32 + '"',
        '[[secondary_user_store]]\ndomain = "A"\ntype = "database"\nusername = "mi"\n'
        'url = "postgresql://127.0.0.1/x"\npassword = "s3cret"',
        '[keystore.primary]\npassword = "wso2carbon"',
        '[[datasource]]\nid = "x"\nurl = "postgresql://mi:s3cret@127.0.0.1/x"',
        '[[datasource]]\nid = "x"\nurl = "jdbc:mysql://127.0.0.1/x?user=mi&password=s3cret"',
    ):
        assert named in notes_on(file, text, 0o644)
        assert named not in notes_on(file, text, 0o640)
    assert named not in notes_on(file, '[keystore.primary]\npassword = "$secret{one}"', 0o644)
    without = '[[datasource]]\nid = "x"\nurl = "jdbc:postgresql://mi@127.0.0.1:5432/x?password="'
    assert named not in notes_on(file, without, 0o644)
    assert named not in notes_on(file, "[server]\nport = 9165", 0o644)


def test_the_names_of_secret_keys_are_those_of_the_models() -> None:
    fields = {
        **{path[-1]: field for path, field in SETTINGS.items()},
        **MicroIntegratorSettings.model_fields,
        **SecondaryStoreSettings.model_fields,
    }
    secret = {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}
    # Addresses are searched for a password, because most have none.
    assert secret - {"url"} == SECRET_NAMES - {"connectionpassword"}
