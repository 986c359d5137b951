"""A server's schema (RFC 4512 §4.2): names of attributes and classes, and how values compare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from mi_ldap.directory import names

_OID = re.compile(r"\(\s*([\w.-]+)")
_NAME = re.compile(r"\bNAME\s+(?:'(?P<one>[^']+)'|\((?P<many>[^)]*)\))")
_LIST = r"\b{}\s+(?:\((?P<many>[^)]*)\)|(?P<one>[\w.;-]+))"
_SUP, _MUST, _MAY = (re.compile(_LIST.format(word)) for word in ("SUP", "MUST", "MAY"))
_RULE = r"\b{}\s+([\w.-]+)"
_EQUALITY, _SUBSTRINGS = (re.compile(_RULE.format(word)) for word in ("EQUALITY", "SUBSTR"))

_DEPTH: Final = 10
"""So many supertypes are followed, at most."""

_BY_LETTERS: Final = frozenset(
    {
        *("caseignorematch", "caseexactmatch", "caseignoreia5match", "caseexactia5match"),
        *("octetstringmatch", "numericstringmatch"),
    }
)
"""Rules under which values that `index.words.word` tells apart are never equal."""

_PARTS_WITHOUT_CASE: Final = frozenset(
    {"caseignoresubstringsmatch", "caseignoreia5substringsmatch"}
)


@dataclass(frozen=True, slots=True)
class Schema:
    """The definitions by lower-case name and by OID, as the server writes them.

    Attributes:
        attributes: of attribute types; empty where they can't be read.
        classes: of object classes.
    """

    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)
    classes: Mapping[str, str] = field(default_factory=dict, repr=False)
    _supertypes: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def from_definitions(cls, attributes: Iterable[str], classes: Iterable[str]) -> Self:
        """The schema of definitions as the subschema entry has them."""
        known = _by_name(attributes)
        supertypes = frozenset(name for each in set(known.values()) for name in _listed(_SUP, each))
        return cls(known, _by_name(classes), supertypes)

    def attribute(self, name: str) -> str:
        """The name that the server gives the attribute in entries, where it is known.

        Args:
            name: as configured: any of its names in any case, or its OID.
        """
        return _first_name(self.attributes.get(name.lower(), "")) or name

    def object_class(self, name: str) -> str:
        """As `attribute`, for a class."""
        return _first_name(self.classes.get(name.lower(), "")) or name

    def dn(self, dn: str) -> str:
        """The DN, or a pattern of DNs, with the server's names of its attributes."""
        return names.with_types(dn, self.attribute)

    def knows(self, attribute: str) -> bool:
        return attribute.lower() in self.attributes

    def equality_of(self, attribute: str) -> str:
        """The lower-case name of the rule by which values are equal; `""` for none or unknown."""
        return self._rule(attribute, _EQUALITY)

    def substrings_of(self, attribute: str) -> str:
        """The same for parts of values."""
        return self._rule(attribute, _SUBSTRINGS)

    def has_subtypes(self, attribute: str) -> bool:
        """Whether a search for the attribute finds values of other attributes too."""
        own = {attribute.lower(), *_names(self.attributes.get(attribute.lower(), ""))}
        return not own.isdisjoint(self._supertypes)

    def compares_by_letters(self, attribute: str) -> bool:
        """Whether values with other letters and digits are never equal."""
        by_letters = self.equality_of(attribute) in _BY_LETTERS
        return by_letters and not self.has_subtypes(attribute)

    def finds_parts_without_case(self, attribute: str) -> bool:
        """Whether a search for a part of a value finds it in either case."""
        return self.substrings_of(attribute) in _PARTS_WITHOUT_CASE

    def required_by(self, name: str) -> set[str]:
        """The attributes that an entry of the class must have, by their lower-case names."""
        return {each for kind in self.superiors(name) for each in _listed(_MUST, self._of(kind))}

    def superiors(self, name: str) -> set[str]:
        """The class and those above it, by their lower-case names."""
        found, wanted = set[str](), [name.lower()]
        while wanted:
            each = wanted.pop()
            if each not in found:
                found.add(each)
                wanted += _listed(_SUP, self._of(each))
        return found

    def is_structural(self, name: str) -> bool:
        """Whether the class can make an entry (RFC 4512 §2.4.2)."""
        return not re.search(r"\b(ABSTRACT|AUXILIARY)\b", self._of(name))

    def names_of(self, attribute: str) -> set[str]:
        """All names of the attribute, in lower case."""
        return {attribute.lower(), *_names(self.attributes.get(attribute.lower(), ""))}

    def is_single(self, attribute: str) -> bool:
        return "SINGLE-VALUE" in self.attributes.get(attribute.lower(), "")

    def allows(self, classes: Iterable[str], attribute: str) -> bool:
        """Whether an entry of the classes may have the attribute."""
        aliases = set(_names(self.attributes.get(attribute.lower(), ""))) | {attribute.lower()}
        return any(aliases & self._allowed_by(each.lower(), set()) for each in classes)

    def _allowed_by(self, name: str, seen: set[str]) -> set[str]:
        definition = self.classes.get(name, "")
        if name in seen or not definition:
            return set()
        seen.add(name)
        allowed = {*_listed(_MUST, definition), *_listed(_MAY, definition)}
        for parent in _listed(_SUP, definition):
            allowed |= self._allowed_by(parent, seen)
        return allowed

    def _of(self, name: str) -> str:
        return self.classes.get(name.lower(), "")

    def _rule(self, attribute: str, pattern: re.Pattern[str]) -> str:
        """The attribute's own, or that of its supertype (RFC 4512 §2.5.1)."""
        name = attribute.lower()
        for _ in range(_DEPTH):
            definition = self.attributes.get(name, "")
            found = pattern.search(definition)
            if found:
                return found[1].lower()
            name = next(iter(_listed(_SUP, definition)), "")
        return ""


def _by_name(definitions: Iterable[str]) -> dict[str, str]:
    return {name: text for text in definitions for name in (*_names(text), *_oid(text))}


def _oid(definition: str) -> list[str]:
    found = _OID.match(definition)
    return [found[1].lower()] if found else []


def _first_name(definition: str) -> str:
    found = _NAME.search(definition)
    if not found:
        return ""
    return found["one"] or next(iter(re.findall(r"[\w.;-]+", found["many"])), "")


def _names(definition: str) -> list[str]:
    match = _NAME.search(definition)
    if not match:
        return []
    return [match["one"].lower()] if match["one"] else re.findall(r"[\w.;-]+", match[0].lower())[1:]


def _listed(pattern: re.Pattern[str], definition: str) -> list[str]:
    match = pattern.search(definition)
    if not match:
        return []
    return re.findall(r"[\w.;-]+", (match["one"] or match["many"]).lower())
