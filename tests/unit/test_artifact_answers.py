"""Answers of Micro Integrators that are no JSON of RFC 8259."""

from __future__ import annotations

import pytest

from mi_ldap.errors import NodeFailed
from mi_ldap.web.console.artifact_answers import parse_object


@pytest.mark.parametrize(
    "body",
    [
        b'{"version": "\xed\xa0\x80"}',  # a surrogate, which `json.loads` accepts in bytes
        '{"version": "4"}'.encode("utf-16"),
        '{"version": "\\ud800"}'.encode("utf-32"),
        b'{"version": "\\ud800"}',
        b"\xff",
    ],
)
def test_what_could_not_be_written_to_a_page_is_no_answer(body: bytes) -> None:
    with pytest.raises(NodeFailed):
        parse_object("mi-1", body)
