"""Translation of Java's regular expressions, which MI's `*_java_regex` are, to RE2's syntax."""

from __future__ import annotations

import re

import re2  # type: ignore[import-untyped, unused-ignore]

_TOKEN = re.compile(
    r"(?P<quoted>\\Q.*?(?:\\E|\Z))"
    r"|\\u(?P<unicode>[0-9A-Fa-f]{4})"
    r"|\\(?P<sign>[pP])\{(?P<posix>[A-Za-z]+)\}"
    r"|(?P<intersection>&&)"
    r"|(?P<open>\[\^?\]?)"  # a `]` right after the bracket stands for itself
    r"|(?P<close>\])"
    r"|\\.|.",
    re.DOTALL,
)
_POSIX = "Lower Upper ASCII Alpha Digit Alnum Punct Graph Print Blank Cntrl XDigit Space"
_QUIET = re2.Options()
_QUIET.log_errors = False  # else RE2 writes a pattern that it refuses to stderr


def translate_java_regex(expression: str) -> str:
    r"""Return the expression in RE2's syntax; `"\p{Alpha}+"` becomes `"[[:alpha:]]+"`.

    In MI the whole name must match: use `fullmatch`.

    Raises:
        ValueError: RE2 does not support the expression.
    """
    # Java's engine backtracks: a pattern can take exponential time. RE2 runs in linear time.
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
        # RE2 would accept the union [a[b]] and the intersection [a&&b] with another meaning.
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
