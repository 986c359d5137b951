"""Names in paths: `<name:…>` takes what is there, line ends and slashes at its start, too."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter


class NameConverter(BaseConverter):
    """The rest of a path, whatever it holds; `path` knows no line ends."""

    regex = r"[\s\S]+?"
    weight = 200  # as `path`: after all that is more special
    part_isolating = False


def init_app(app: Flask) -> None:
    """Teach the router."""
    app.url_map.converters["name"] = NameConverter
