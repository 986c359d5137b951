"""pydantic's errors as sentences for the person who wrote the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mi_ldap.settings.deployment import KeyPath
from mi_ldap.settings.registry import unknown_key
from mi_ldap.settings.types import SettingsError

_PHRASES = {
    "missing": "is missing",
    "model_type": "must be a section with keys of its own",
    "tuple_type": "must be a list",
}


def explain(
    error: ValidationError, variables: Mapping[KeyPath, str], file: Path | None
) -> list[str]:
    """Return a sentence for each mistake, without any value.

    Args:
        error: the errors of all models.
        variables: the environment variables of the keys that have their value from one.
        file: the TOML with the other keys.
    """
    # Without the input, which may be a secret.
    details = error.errors(include_url=False, include_input=False)
    return [
        _sentence(detail, _place(_path(detail), variables, file))
        for detail in details
        # Of a default that is derived from another key, whose mistake has a sentence of its own.
        if detail["type"] != "default_factory_not_called"
    ]


def _sentence(detail: ErrorDetails, place: str) -> str:
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, SettingsError):
        return str(cause)
    if detail["type"] == "extra_forbidden":
        return unknown_key(_path(detail))
    if isinstance(cause, ValueError):
        phrase = str(cause)
    elif detail["type"] == "literal_error":
        phrase = f"must be {detail['ctx']['expected']}"
    else:
        phrase = _PHRASES.get(detail["type"], "has a value of the wrong kind")
    return f"{_key(detail['loc'])} {phrase}; correct {place}."


def _path(detail: ErrorDetails) -> KeyPath:
    return tuple(name for name in detail["loc"] if isinstance(name, str))


def _key(loc: tuple[int | str, ...]) -> str:
    """Return `"resources[0].path"` for `("resources", 0, "path")`."""
    parts = (f"[{name}]" if isinstance(name, int) else f".{name}" for name in loc)
    return "".join(parts).removeprefix(".")


def _place(path: KeyPath, variables: Mapping[KeyPath, str], file: Path | None) -> str:
    # A mistake in one item of a list is in the variable of the whole list.
    levels = (path[:length] for length in range(len(path), 0, -1))
    variable = next((variables[level] for level in levels if level in variables), None)
    return variable or (f"it in {file}" if file else "it")
