"""`mi`: users and roles of a service from the command line.

`running` turns what goes wrong into sentences and exit statuses; `root` has the commands, and
`remote`, `user` and `role` their own; `commands` is what all of them can do, `options` what they
were told and know; `asking` and `output` speak with the person.
"""

_EXTRA = ("httpx2", "rich")
"""The packages that only the extra `cli` of pyproject.toml brings."""


def main() -> None:
    """The entry point."""
    import sys
    from importlib.util import find_spec

    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        sys.exit(f"mi needs {' and '.join(missing)}: run pip install 'mi-ldap[cli]'.")
    try:
        from mi_ldap.cli.running import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
