"""The base of all sections, and the declaration of a key."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(default: object, description: str) -> Any:
    """Declare a key; docs/configuration.md has its description, which a test compares."""
    return Field(default=default, description=description)


class Section(BaseModel):
    """The base of all sections: immutable; refuses unknown keys; errors do not show values."""

    # A misspelled key would leave a default in force, such as that of a timeout or of TLS.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
