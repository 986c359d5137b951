"""`mi`: manage the users and roles of a service, and its artifacts, from the command line.

`main` runs a command and translates errors into messages and exit statuses. `root`, `remote`,
`user`, `role`, `node`, `log` and `transaction` have the commands; `artifact` makes those for
artifacts from the table in `kinds`. `commands` has the classes and options that all commands share,
`options` their values. `prompts` asks questions; `output` prints results and messages, `details`
the answers of Micro Integrators.
May import `client`, `name_rules` and `errors`; must not know HTTP, which is the client's.
"""

_EXTRA = ("httpx2", "rich")
"""The packages that only the extra `cli` of pyproject.toml brings."""


def entry_point() -> None:
    """Run `mi` with the arguments of the process, and exit."""
    import sys
    from importlib.util import find_spec

    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        sys.exit(f"mi needs {' and '.join(missing)}: run pip install 'mi-ldap[cli]'.")
    try:
        # Inside, because Ctrl-C may come while the packages are imported.
        from mi_ldap.cli.main import end_like_interrupted, run

        end_like_interrupted()
        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
