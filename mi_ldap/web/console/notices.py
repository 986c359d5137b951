"""What was just done, said on the next page: a cookie carries it, which no link can bring along."""

from __future__ import annotations

from flask import Response, after_this_request, current_app, request

from mi_ldap.web.console import words

SECONDS = 60
_OURS = {"secure": True, "httponly": True, "samesite": "Strict"}


def carry(response: Response, done: str) -> None:
    """Have the next page say it; `done` is a word of `words.DONE`."""
    response.set_cookie(_name(), done, max_age=SECONDS, **_OURS)  # type: ignore[arg-type]


def taken() -> str:
    """What this page is to say, once."""
    done = request.cookies.get(_name())
    if done is None:
        return ""

    @after_this_request
    def forget(response: Response) -> Response:
        response.delete_cookie(_name(), **_OURS)  # type: ignore[arg-type]
        return response

    return words.DONE.get(done, "")


def _name() -> str:
    return f"{current_app.config['JWT_ACCESS_COOKIE_NAME']}-done"
