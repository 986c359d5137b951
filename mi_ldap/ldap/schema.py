"""A server's schema (RFC 4512 §4.2): names of attributes and classes, and how values compare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

_OID = re.compile(r"\(\s*([\w.-]+)")
_NAME = re.compile(r"\bNAME\s+(?:'(?P<one>[^']+)'|\((?P<many>[^)]*)\))")
# One word, or several in parentheses: `SUP top`, `MUST ( cn $ sn )` (RFC 4512 §4.1).
_LIST = r"\b{}\s+(?:\((?P<many>[^)]*)\)|(?P<one>[\w.;-]+))"
_SUP, _MUST, _MAY = (re.compile(_LIST.format(word)) for word in ("SUP", "MUST", "MAY"))
_RULE = r"\b{}\s+([\w.-]+)"
_EQUALITY, _ORDERING, _SUBSTRINGS = (
    re.compile(_RULE.format(word)) for word in ("EQUALITY", "ORDERING", "SUBSTR")
)

# Bounded, since the supertypes in a broken schema may be a cycle.
_MAX_SUPERTYPES: Final = 10
"""Number of levels of supertypes that are searched for a matching rule."""

_LETTER_RULES: Final = frozenset(
    {
        *("caseignorematch", "caseexactmatch", "caseignoreia5match", "caseexactia5match"),
        *("octetstringmatch", "numericstringmatch"),
    }
)
"""Rules by which equal values differ at most in case, accents, width and spaces."""

_CASE_IGNORING_SUBSTRING_RULES: Final = frozenset(
    {"caseignoresubstringsmatch", "caseignoreia5substringsmatch"}
)


@dataclass(frozen=True, slots=True)
class Schema:
    """The definitions by lower-case name and by OID, as the server writes them.

    Attributes:
        attributes: definitions of attribute types; empty where they can't be read.
        classes: definitions of object classes.
    """

    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)
    classes: Mapping[str, str] = field(default_factory=dict, repr=False)
    _supertypes: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def from_definitions(cls, attributes: Iterable[str], classes: Iterable[str]) -> Self:
        """Build the schema from the values of the subschema entry."""
        known = _by_name(attributes)
        supertypes = frozenset(name for each in set(known.values()) for name in _listed(_SUP, each))
        return cls(known, _by_name(classes), supertypes)

    def attribute(self, name: str) -> str:
        """Return the name by which the server returns the attribute; `name` itself if unknown.

        Args:
            name: as configured: any of its names in any case, or its OID.
        """
        return _first_name(self.attributes.get(name.lower(), "")) or name

    def object_class(self, name: str) -> str:
        """Return the first name of an object class; `name` itself if unknown."""
        return _first_name(self.classes.get(name.lower(), "")) or name

    def knows(self, attribute: str) -> bool:
        """Whether the schema defines the attribute, by any of its names."""
        return attribute.lower() in self.attributes

    def equality_of(self, attribute: str) -> str:
        """Return the lower-case name of the EQUALITY rule; `""` for none or unknown."""
        return self._rule(attribute, _EQUALITY)

    def ordering_of(self, attribute: str) -> str:
        """Return the lower-case name of the ORDERING rule; `""` for none or unknown."""
        return self._rule(attribute, _ORDERING)

    def substrings_of(self, attribute: str) -> str:
        """Return the lower-case name of the SUBSTR rule; `""` for none or unknown."""
        return self._rule(attribute, _SUBSTRINGS)

    def has_subtypes(self, attribute: str) -> bool:
        """Whether a search for the attribute also finds values of its subtypes."""
        return not self.names_of(attribute).isdisjoint(self._supertypes)

    def equal_values_share_letters(self, attribute: str) -> bool:
        """Whether values of the attribute that the server finds equal have the same letters."""
        by_letters = self.equality_of(attribute) in _LETTER_RULES
        return by_letters and not self.has_subtypes(attribute)

    def substring_match_ignores_case(self, attribute: str) -> bool:
        """Whether a substring search of the attribute ignores case."""
        return self.substrings_of(attribute) in _CASE_IGNORING_SUBSTRING_RULES

    def required_by(self, name: str) -> set[str]:
        """Return the attributes that an entry of the class must have, by lower-case name."""
        return {each for kind in self.superiors(name) for each in _listed(_MUST, self._of(kind))}

    def superiors(self, name: str) -> set[str]:
        """Return the class and its superclasses, by lower-case name."""
        found, wanted = set[str](), [name.lower()]
        while wanted:
            each = wanted.pop()
            if each not in found:
                found.add(each)
                wanted += _listed(_SUP, self._of(each))
        return found

    def is_structural(self, name: str) -> bool:
        """Whether the class is structural (RFC 4512 §2.4.2)."""
        return not re.search(r"\b(ABSTRACT|AUXILIARY)\b", self._of(name))

    def names_of(self, attribute: str) -> set[str]:
        """Return all names of the attribute, in lower case."""
        return {attribute.lower(), *_names(self.attributes.get(attribute.lower(), ""))}

    def is_single(self, attribute: str) -> bool:
        """Whether the attribute is SINGLE-VALUE."""
        return "SINGLE-VALUE" in self.attributes.get(attribute.lower(), "")

    def allows(self, classes: Iterable[str], attribute: str) -> bool:
        """Whether an entry of the classes may have the attribute."""
        aliases = self.names_of(attribute)
        return any(not aliases.isdisjoint(self._allowed_by(each)) for each in classes)

    def _allowed_by(self, name: str) -> set[str]:
        definitions = [self._of(each) for each in self.superiors(name)]
        return {
            attribute
            for definition in definitions
            for attribute in (*_listed(_MUST, definition), *_listed(_MAY, definition))
        }

    def _of(self, name: str) -> str:
        return self.classes.get(name.lower(), "")

    def _rule(self, attribute: str, pattern: re.Pattern[str]) -> str:
        """Return the attribute's own rule, or that of its supertype (RFC 4512 §2.5.1)."""
        name = attribute.lower()
        for _ in range(_MAX_SUPERTYPES):
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
    return next(iter(_words(_NAME, definition)), "")


def _names(definition: str) -> list[str]:
    return [name.lower() for name in _words(_NAME, definition)]


def _listed(pattern: re.Pattern[str], definition: str) -> list[str]:
    return [word.lower() for word in _words(pattern, definition)]


def _words(pattern: re.Pattern[str], definition: str) -> list[str]:
    """Return what follows a keyword: a single word, or the words in parentheses."""
    match = pattern.search(definition)
    return re.findall(r"[\w.;-]+", match["one"] or match["many"]) if match else []
