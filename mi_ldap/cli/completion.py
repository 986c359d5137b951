"""Completion in bash, zsh and fish: click's, without names that a shell would execute."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Final

import click
from click import shell_completion

_VARIABLE: Final = "_MI_COMPLETE"
# click's own script splits a name at its spaces, and offers it unquoted.
_BASH: Final = r"""%(complete_func)s() {
    # bash 5.2 assigns COMP_WORDS for the command before it expands what follows: copy first.
    local kind value words="${COMP_WORDS[*]}" word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS=',' read -r kind value; do
        case $kind in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            plain) COMPREPLY+=("$(printf %%q "$value")") ;;
            quoted) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_WORDS=$words COMP_CWORD=$COMP_CWORD COMP_WORD=$word \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ESCAPED: Final = re.compile(r"\\.")
# Characters that bash interprets between these quotes: names with them are not offered. Outside of
# quotes, printf %q escapes the name. But the command may be in `…`, where bash interprets
# backslashes and backticks before all quotes.
_SPECIAL: Final = {"'": "\\`'", '"': '\\`"$!', "": "\\`"}


class _Bash(shell_completion.BashComplete):
    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Do nothing."""
        # click would run bash, to ask for its version, at each completion.

    def get_completions(self, args: list[str], incomplete: str) -> list[Any]:
        """Return the completions that the shell would not execute at the cursor."""
        word = os.environ["COMP_WORD"]
        quote = _open_quote(word)
        if quote:
            is_code = _has(word.removeprefix(quote), _SPECIAL[quote])
        else:
            is_code = "`" in word or _has(_ESCAPED.sub("", word), "'\"")
        if is_code:
            return []
        found = super().get_completions(args, incomplete)
        return [item for item in found if not _has(item.value, _SPECIAL[quote])]

    def format_completion(self, item: shell_completion.CompletionItem[Any]) -> str:
        """Return a completion between quotes unquoted."""
        if item.type == "plain" and _open_quote(os.environ["COMP_WORD"]):
            return f"quoted,{item.value}"
        return super().format_completion(item)


class _Fish(shell_completion.FishComplete):
    # click splits at every comma, and a name may contain commas.
    source_template = shell_completion.FishComplete.source_template.replace(
        'string split ","', 'string split -m 1 ","'
    )


_BY_SHELL: Final[dict[str, type[shell_completion.ShellComplete]]] = {
    "bash": _Bash,
    "zsh": shell_completion.ZshComplete,
    "fish": _Fish,
}


def script(mi: click.Command, shell: str) -> str:
    """Return the shell code that turns on completion for `mi`."""
    return _completion(mi, shell).source()


def complete(mi: click.Command, instruction: str) -> int:
    """Print the answer to the shell's `instruction`, `"bash_complete"`; return the exit status."""
    shell, _, action = instruction.partition("_")
    if shell not in _BY_SHELL or action not in {"complete", "source"}:
        return 2
    completion = _completion(mi, shell)
    output = completion.complete() if action == "complete" else completion.source()
    sys.stdout.write(f"{output}\n")
    return 0


def _completion(mi: click.Command, shell: str) -> shell_completion.ShellComplete:
    return _BY_SHELL[shell](mi, {}, "mi", _VARIABLE)


def _open_quote(word: str) -> str:
    return word[:1] if word[:1] in {"'", '"'} else ""


def _has(text: str, characters: str) -> bool:
    return any(char in text for char in characters)
