"""Entries are decoded as a plain decoder of BER does, whatever the form of their lengths."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mi_ldap.ldap import ber, messages
from mi_ldap.ldap.messages import Entry, Message
from tests.ldap.answers import ENTRY, mutated, mutations


def element(tag: int, content: bytes, length_bytes: int = 0) -> bytes:
    """An element whose length has so many further bytes; 0 for the shortest form."""
    if not length_bytes:
        return ber.element(tag, content)
    length = len(content).to_bytes(length_bytes, "big")
    return bytes((tag, 0x80 | length_bytes)) + length + content


forms = st.sampled_from([0, 0, 0, 0, 2, 4])
names = st.sampled_from([b"uid", b"entryUUID", b"cn;lang-de", b"member;range=0-9", b"", b"n" * 130])
sizes = st.sampled_from([0, 1, 2, 36, *range(116, 130), 300])
values = st.builds(lambda size, form: element(0x04, b"v" * size, form), sizes, forms)


@st.composite
def attributes(draw: st.DrawFn) -> bytes:
    name = element(0x04, draw(names), draw(forms))
    content = b"".join(draw(st.lists(values, max_size=3)))
    return element(0x30, name + element(0x31, content, draw(forms)), draw(forms))


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    """The content of a SearchResultEntry."""
    dn = element(0x04, draw(st.sampled_from([b"", b"uid=a,dc=x", b"d" * 200])), draw(forms))
    content = b"".join(draw(st.lists(attributes(), max_size=4)))
    return dn + element(0x30, content, draw(forms))


def message_of(entry: bytes) -> Message:
    return Message(1, ENTRY, entry, 0, len(entry))


def plainly_decoded(body: bytes) -> Entry:
    """The entry by RFC 4511 §4.5.2, element by element; what follows the values is ignored."""
    (_, dn), (_, described) = ber.contents(body)
    found: dict[str, list[bytes]] = {}
    for _, attribute in ber.contents(described):
        (_, name), (_, content) = islice(ber.contents(attribute), 2)
        found[name.decode().lower()] = [value for _, value in ber.contents(content)]
    return Entry(dn.decode(errors="replace"), found)


def unless_refused(decode: Callable[[], Entry]) -> Entry | None:
    try:
        return decode()
    except (IndexError, ValueError):
        return None


@settings(max_examples=500)
@given(entries())
@example(b"\x04\x00\x30\x07\x30\x05\x04\x01a\x31\x00")  # no value, at the end of the message
def test_an_entry_is_decoded_as_by_a_plain_decoder(body: bytes) -> None:
    assert messages.entry_in(message_of(body)) == plainly_decoded(body)


@settings(max_examples=1000)
@given(entries(), mutations)
def test_a_changed_entry_is_decoded_as_by_a_plain_decoder_or_refused(
    body: bytes, changes: list[tuple[str, int, int]]
) -> None:
    changed = mutated(body, changes)
    decoded = unless_refused(lambda: messages.entry_in(message_of(changed)))
    assert decoded == unless_refused(lambda: plainly_decoded(changed))


MALFORMED = {
    "an attribute that ends beyond its entry": b"\x04\x00\x30\x08\x30\x08\x04\x01a\x31\x01\x04",
    "values that end beyond their attribute": b"\x04\x00\x30\x0a\x30\x06\x04\x01a\x31\x03\x04\x01b",
    "a value that ends beyond its attribute": b"\x04\x00\x30\x0a\x30\x08\x04\x01a\x31\x03\x04\x02b",
    "a name that ends beyond its attribute": b"\x04\x00\x30\x0a\x30\x08\x04\x09a\x31\x03\x04\x01b",
    "no attributes": b"\x04\x00",
    "a third part": b"\x04\x00\x30\x00\x30\x00",
    "a name that is no UTF-8": b"\x04\x00\x30\x0a\x30\x08\x04\x01\xff\x31\x03\x04\x01b",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_entry_is_refused(what: str) -> None:
    with pytest.raises((IndexError, ValueError)):
        messages.entry_in(message_of(MALFORMED[what]))


def test_the_memory_for_attribute_descriptions_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "_KNOWN_NAMES", {})
    for number in range(3000):
        name = f"attribute{number}".encode()
        attribute = element(0x30, element(0x04, name) + element(0x31, element(0x04, b"v")))
        body = element(0x04, b"") + element(0x30, attribute)
        assert messages.entry_in(message_of(body)).attributes == {name.decode(): [b"v"]}
    assert len(messages._KNOWN_NAMES) <= 1000
