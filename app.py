"""The service: `python app.py`, or `gunicorn 'app:create_app()'` on a directory of your own.

`python app.py --help` lists the commands.
"""

from mi_ldap.serving.commands import create_app, main

__all__ = ["create_app"]

if __name__ == "__main__":
    main()
