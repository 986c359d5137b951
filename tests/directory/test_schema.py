"""Our schema, in the form of cn=config and in that of slapd.conf."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from mi_ldap.embedded.configuration import find_installation

SCHEMA_DIR = Path(__file__).parents[2] / "config" / "schema"


def definitions(text: str) -> list[str]:
    """Each `( … )` with what names it, white space apart."""
    text = re.sub(r"(?m)^#.*\n", "", text).replace("\n ", " ")
    words = re.compile(r"(?i)^(?:olc)?(objectidentifier|attributetype|objectclass)(?:e?s)?:? (.*)$")
    found = [match for line in re.split(r"\n+", text) if (match := words.match(line))]
    return [f"{match[1].lower()} {' '.join(match[2].split())}" for match in found]


def test_both_forms_of_the_schema_say_the_same() -> None:
    ldif = definitions((SCHEMA_DIR / "mi-ldap.ldif").read_text())
    schema = definitions((SCHEMA_DIR / "mi-ldap.schema").read_text())
    assert len(schema) == 11
    assert [line for line in ldif if "olcSchemaConfig" not in line] == schema


def test_the_schema_is_good_for_slapd_conf(tmp_path: Path) -> None:
    conf = tmp_path / "slapd.conf"
    conf.write_text(f"include {SCHEMA_DIR / 'mi-ldap.schema'}\n")
    test = ["slaptest", "-u", "-f", str(conf)]
    subprocess.run(test, executable=find_installation().slapd, check=True, capture_output=True)
