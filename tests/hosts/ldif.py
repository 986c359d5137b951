"""The little of LDIF that our own files are written in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator


def changes_in(text: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """By DN the attributes of each record, directives such as `add: aci` left out."""
    unfolded = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for record in unfolded.replace("\n ", "").strip().split("\n\n"):
        values: defaultdict[str, list[str]] = defaultdict(list)
        for line in record.splitlines():
            name, _, value = line.partition(": ")
            values[name].append(value)
        (dn,) = values.pop("dn")
        yield dn, {name: given for name, given in values.items() if name not in _DIRECTIVES}


_DIRECTIVES = {"changetype", "add", "replace", "delete", "-"}
