"""Settings from the text of a TOML, for the tests of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap.errors import ConfigurationError
from mi_ldap.settings import Settings, load_settings


def load(tmp_path: Path, toml: str, **variables: str) -> Settings:
    """The settings of a file with that text, and of environment variables."""
    config = tmp_path / "config.toml"
    config.write_text(toml, encoding="utf-8")
    config.chmod(0o600)  # else it would be noted that everyone can read its passwords
    return load_settings({"MI_LDAP_CONFIG": str(config), **variables})


def complaint_of(tmp_path: Path, toml: str, **variables: str) -> str:
    """Why such settings are refused."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, toml, **variables)
    return str(caught.value)
