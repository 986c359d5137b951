"""Completion in bash, zsh and fish: click's, with names quoted for bash as it wants them."""

from __future__ import annotations

import sys
from typing import Final

from click import shell_completion

from mi_ldap.cli.root import mi

_VARIABLE: Final = "_MI_COMPLETE"
# click's own script splits a name at its spaces, and offers it unquoted.
_BASH: Final = r"""%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=',' read -r kind value; do
        case $kind in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            plain) COMPREPLY+=("$(printf %%q "$value")") ;;
        esac
    done < <(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    # Between quotes nothing else needs quoting.
    if [[ ${COMP_WORDS[COMP_CWORD]} == [\'\"]* ]]; then
        COMPREPLY=("${COMPREPLY[@]//\\/}")
    fi
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(shell_completion.BashComplete):
    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Any bash that reads this script will do; asking it takes longer than the script."""


def script(shell: str) -> str:
    """What the shell reads once."""
    return _completion(shell).source()


def complete(asked: str) -> int:
    """Answer the shell: `bash_complete` and the like."""
    shell, _, instruction = asked.partition("_")
    if shell not in {"bash", "zsh", "fish"} or instruction not in {"complete", "source"}:
        return 2
    found = _completion(shell)
    said = found.complete() if instruction == "complete" else found.source()
    sys.stdout.write(f"{said}\n")
    return 0


def _completion(shell: str) -> shell_completion.ShellComplete:
    kind = _Bash if shell == "bash" else shell_completion.get_completion_class(shell)
    if kind is None:
        sys.exit(2)
    return kind(mi, {}, "mi", _VARIABLE)
