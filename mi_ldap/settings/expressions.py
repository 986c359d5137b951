"""Java's regular expressions in RE2's words.

MI's `*_java_regex` are java.util.regex. RE2 runs in linear time and has most of their syntax.
Three kinds of difference are met here: what RE2 spells otherwise is respelled, what it cannot do
is refused by RE2 itself, and what it would silently read otherwise (the union `[a[b]]` and the
intersection `[a&&b]` of classes) is refused here.
"""

from __future__ import annotations

import re

import re2  # type: ignore[import-untyped, unused-ignore]

_TOKEN = re.compile(
    r"(?P<quoted>\\Q.*?(?:\\E|\Z))"
    r"|\\u(?P<unicode>[0-9A-Fa-f]{4})"
    r"|\\(?P<sign>[pP])\{(?P<posix>[A-Za-z]+)\}"
    r"|(?P<intersection>&&)"
    r"|(?P<open>\[\^?\]?)"
    r"|(?P<close>\])"
    r"|\\.|.",
    re.DOTALL,
)
_POSIX = "Lower Upper ASCII Alpha Digit Alnum Punct Graph Print Blank Cntrl XDigit Space"
_QUIET = re2.Options()
# RE2 writes the pattern to stderr by itself when it refuses one.
_QUIET.log_errors = False


def translate_java_regex(expression: str) -> str:
    r"""The expression as RE2 reads it; `"\p{Alpha}+"` becomes `"[[:alpha:]]+"`.

    MI demands that the whole name matches: use `fullmatch`.

    Raises:
        ValueError: it cannot be said in RE2.
    """
    translated = _respell(expression)
    try:
        re2.compile(translated, _QUIET)
    except re2.error:
        raise ValueError(
            "must be a regular expression that RE2 can run: without lookaround, back-references, "
            "possessive quantifiers and atomic groups, and with at most 1000 repetitions"
        ) from None
    return translated


def _respell(expression: str) -> str:
    pieces: list[str] = []
    in_class = False
    for token in _TOKEN.finditer(expression):
        if in_class and (token["open"] or token["intersection"]):
            raise ValueError(
                "must be a regular expression without unions or intersections of classes: "
                "write [ab] for [a[b]]"
            )
        in_class = bool(token["open"]) or (in_class and not token["close"])
        pieces.append(_respell_token(token, in_class))
    return "".join(pieces)


def _respell_token(token: re.Match[str], in_class: bool) -> str:
    if token["unicode"]:
        return rf"\x{{{token['unicode']}}}"
    if token["posix"] not in _POSIX.split():
        return token[0]
    negated = "^" if token["sign"] == "P" else ""
    name = f"[:{negated}{token['posix'].lower()}:]"
    return name if in_class else f"[{name}]"
