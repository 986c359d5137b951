"""Values for the next page, kept in signed cookies, so that a link cannot inject them."""

from __future__ import annotations

import json
from typing import Any, Final

from flask import Response, after_this_request, current_app, redirect, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer

from mi_ldap.web.context import services

NOTICE_S: Final = 60
# Browsers must store 4096 bytes of a cookie, with name and attributes (RFC 6265 §6.1).
MAX_COOKIE_BYTES: Final = 3500

_NOTICE: Final = "notice"
_COOKIE_ATTRIBUTES: Final = {"secure": True, "httponly": True, "samesite": "Strict"}


def redirect_to(endpoint: str, notice: str = "", **values: Any) -> Response:
    """Return a redirect to a page of the console, which then shows the notice."""
    # 303 makes the browser fetch the page with GET (RFC 9110 §15.4.4); 302 leaves that open.
    response: Response = redirect(url_for(f"console.{endpoint}", **values), 303)  # type: ignore[assignment]
    if notice:
        set_notice(response, notice)
    return response


def set_notice(response: Response, sentence: str) -> None:
    """Set the cookie that makes the next page show the sentence."""
    put(response, _NOTICE, sentence, NOTICE_S)


def pop_notice() -> str:
    """Return the notice for this page and delete its cookie; `""` for none."""
    sentence = get(_NOTICE, NOTICE_S)
    if sentence is None:
        return ""

    @after_this_request
    def forget(response: Response) -> Response:
        # Browsers ignore a `__Host-` cookie without `Secure`, even one that deletes.
        response.delete_cookie(_cookie_name(_NOTICE), **_COOKIE_ATTRIBUTES)  # type: ignore[arg-type]
        return response

    return str(sentence)


def put(response: Response, kind: str, value: object, seconds: int) -> bool:
    """Set a cookie with a JSON value; return False if it is too large for a cookie."""
    # Signed: cookies ignore ports, so another service on this host may set one of this name.
    signed = _signer(kind).dumps(value)
    text = signed if isinstance(signed, str) else signed.decode()
    if len(text) > MAX_COOKIE_BYTES:
        return False
    response.set_cookie(_cookie_name(kind), text, max_age=seconds, **_COOKIE_ATTRIBUTES)  # type: ignore[arg-type]
    return True


def get(kind: str, seconds: int) -> Any:
    """Return the value of a cookie that is at most `seconds` old, or None."""
    sent = request.cookies.get(_cookie_name(kind))
    if sent is None:
        return None
    try:
        return _signer(kind).loads(sent, max_age=seconds)
    except BadSignature:
        return None


class _Json:
    """JSON without escapes of non-ASCII characters."""

    # An escape takes 6 bytes for each character, and a cookie has room for 3500.

    @staticmethod
    def dumps(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    loads = staticmethod(json.loads)


def _signer(kind: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        services().keys.signing_key, salt=f"console:{kind}", serializer=_Json
    )


def _cookie_name(kind: str) -> str:
    return f"{current_app.config['JWT_ACCESS_COOKIE_NAME']}-{kind}"
