"""`python -m mi_ldap.embedded`: an embedded directory without the service, for docker compose."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import ConfigurationError


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options: folder, url, suffix, slapd, service_password_file."""
    parser = argparse.ArgumentParser(prog="python -m mi_ldap.embedded")
    parser.add_argument("--folder", type=Path, required=True, help="its folder; created if missing")
    parser.add_argument(
        "--url",
        type=_ldap_url,
        help="its address on TCP; default: none, only its socket",
    )
    parser.add_argument("--suffix", default="dc=mi", help="the DN at its top")
    parser.add_argument("--slapd", type=Path, help="the path of slapd, if it is not found")
    parser.add_argument(
        "--service-password-file",
        type=Path,
        help="file of the service account's password; created if missing",
    )
    return parser.parse_args(arguments)


def _ldap_url(text: str) -> SplitResult:
    url = urlsplit(text)
    if url.scheme != "ldap" or not url.hostname or not url.port:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form ldap://0.0.0.0:389")
    return url


def main() -> int:
    """Run the directory until SIGTERM or SIGINT; return 1 if slapd ends before."""
    options = parse_arguments()
    # As an exception, so that the `with` block below stops slapd.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    directory = EmbeddedDirectory(
        options.folder,
        suffix=options.suffix,
        port=options.url.port if options.url else None,
        host=options.url.hostname if options.url else "127.0.0.1",
        slapd=options.slapd,
        service_password_file=options.service_password_file,
    )
    with directory:
        print(f"{directory.suffix} is at {' and '.join(directory.urls)}", flush=True)
        directory.wait()
    print(f"slapd has ended by itself, see {directory.log_file}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConfigurationError as error:
        sys.exit(str(error))
