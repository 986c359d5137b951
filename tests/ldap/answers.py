"""Encoded responses of servers, and mutations of them."""

from __future__ import annotations

from hypothesis import strategies as st

from mi_ldap.ldap import ber, messages

PPOLICY = "1.3.6.1.4.1.42.2.27.8.5.1"
POLICY_SAYS = ber.element(ber.SEQUENCE, b"\x81\x01\x02")
ENTRY, DONE, EXTENDED = 0x64, 0x65, 0x78

mutations = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "cut"]),
        st.integers(0, 10_000),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)
"""Changes of an answer: what is done, where, and with which byte."""


def answer(number: int, code: int = 0, *, tag: int = 0x61, controls: bytes = b"") -> bytes:
    """A whole message that ends an operation."""
    result = ber.element(
        tag,
        ber.element(ber.ENUMERATED, bytes((code,))),
        ber.element(ber.OCTET_STRING),
        ber.element(ber.OCTET_STRING, "né".encode()),
    )
    return messages.message(number, result, controls)


def entry(number: int, dn: str, **attributes: str) -> bytes:
    """A whole message with an entry that a search has found."""
    described = [
        ber.element(
            ber.SEQUENCE,
            ber.element(ber.OCTET_STRING, name.encode()),
            ber.element(ber.SET, ber.element(ber.OCTET_STRING, value.encode())),
        )
        for name, value in attributes.items()
    ]
    content = (ber.element(ber.OCTET_STRING, dn.encode()), ber.element(ber.SEQUENCE, *described))
    return messages.message(number, ber.element(ENTRY, *content))


def mutated(sent: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    """The answer with those changes."""
    found = bytearray(sent)
    for what, place, byte in changes:
        at = place % (len(found) + 1)
        match what:
            case "set" if at < len(found):
                found[at] = byte
            case "insert":
                found.insert(at, byte)
            case "delete":
                del found[at : at + 1 + byte % 4]
            case "cut":
                del found[at:]
    return bytes(found)
