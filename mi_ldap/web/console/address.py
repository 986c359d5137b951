"""What the address of a page is about."""

from __future__ import annotations

from flask import request


def requested_name() -> str:
    """Return the user, role or artifact that the page is about, from the URL: `?name=…`."""
    # Not from the path, in which `/` and `..` in a name would have a meaning.
    return request.args.get("name", "")


def requested_type() -> str:
    """Return the type of the template that the page is about, or `"faulty"`; often `""`."""
    return request.args.get("type", "")
