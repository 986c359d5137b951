"""The service: `scripts/serve`, or `gunicorn 'app:create_app()'` on a directory of your own.

This is the `mi-ldap` of a checkout. `scripts/serve --help` lists the commands.
"""

import sys

try:
    from mi_ldap.serving.commands import create_app, main

    if __name__ == "__main__":
        main(prog_name="mi-ldap")
except ModuleNotFoundError as error:
    if __name__ != "__main__" or str(error.name).startswith("mi_ldap"):
        raise
    sys.exit(
        f"The Python package {error.name} is missing: run scripts/serve, which installs it, "
        "or pip install --require-hashes -r requirements.txt."
    )

__all__ = ["create_app"]
