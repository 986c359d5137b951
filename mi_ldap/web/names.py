"""The URL converter `<name:…>` for names of users and roles, which may contain any character."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter


class NameConverter(BaseConverter):
    """The rest of a path."""

    # Werkzeug's `path` matches no line ends and no slash at the start; directories hold both.
    regex = r"[\s\S]+?"
    weight = 200  # that of `path`: rules that are more specific match first
    part_isolating = False


def init_app(app: Flask) -> None:
    """Add the converter to the router."""
    app.url_map.converters["name"] = NameConverter
