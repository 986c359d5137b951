"""`mi`: users and roles of a service from the command line.

`running` turns what goes wrong into sentences and exit statuses; `root` has the commands, and
`remote`, `user` and `role` their own; `commands` is what all of them can do, `options` what they
were told and know; `asking` and `output` speak with the person.
"""


def main() -> None:
    """The entry point."""
    import sys

    try:
        from mi_ldap.cli.running import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
