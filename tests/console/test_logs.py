"""Log files of a node: the end, what follows, and the download."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

from mi_ldap.errors import NodeUnavailable
from mi_ldap.micro_integrators.forward import Outcome
from tests.console.console_client import ConsoleClient
from tests.console.nodes_behind import NodeConsole, at, node_console
from tests.micro_integrator.instance import MicroIntegrator
from tests.micro_integrator.modes import Fault

NAME = "wso2 carbon ü.log"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeConsole]:
    with (
        MicroIntegrator(tmp_path_factory.mktemp("mi")) as node,
        node_console(tmp_path_factory.mktemp("console"), node) as started,
    ):
        yield started


@pytest.fixture(params=[True, False], ids=["ranges", "no-ranges"])
def here(request: pytest.FixtureRequest, shared: NodeConsole) -> NodeConsole:
    """A node that sends parts of files, and one that always sends the whole as MI does."""
    shared.mi.set_mode()
    shared.mi.know_ranges(known=request.param)
    assert shared.audited is not None
    return shared


def text_of(page: str) -> str:
    """What the page shows of the file; the first line end is the template's."""
    found = re.search(r"<pre[^>]*>\n(.*?)</pre>", page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def part_url(page: str) -> str:
    found = re.search(r'data-part="/console([^"]+)"', page)
    assert found
    return html.unescape(found[1])


def offset_of(page: str) -> int:
    found = re.search(r'data-offset="(\d+)"', page)
    assert found
    return int(found[1])


def next_part(somebody: ConsoleClient, page: str, offset: int) -> dict[str, Any]:
    answer = somebody.get(f"{part_url(page)}&offset={offset}")
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def test_a_small_file_is_shown_as_a_whole(here: NodeConsole) -> None:
    here.mi.write_log(NAME, "one\n<b>zwölf</b>\n".encode())
    page = here.reader.get(at("logs", "file", name=NAME)).text
    assert text_of(page) == "one\n<b>zwölf</b>\n"
    assert "The whole file" in page
    assert here.audited == [("rita", NAME, "pending"), ("rita", NAME, "done")]


def test_of_a_large_file_the_last_whole_lines_are_shown(here: NodeConsole) -> None:
    lines = [f"line {number:06}\n" for number in range(20_000)]
    here.mi.write_log(NAME, "".join(lines).encode())
    page = here.reader.get(at("logs", "file", name=NAME)).text
    assert text_of(page) == "".join(lines[-(65_536 // 12) :])
    assert "The last 64 kB" in page


def test_an_empty_file_is_said_to_be_empty(here: NodeConsole) -> None:
    page = here.reader.get(at("logs", "file", name="wso2error.log")).text
    assert "The file is empty." in page
    assert next_part(here.reader, page, 0)["text"] == ""
    assert [line[2] for line in here.audited] == ["pending", "done"]


def test_control_characters_and_invalid_bytes_are_shown_harmlessly(here: NodeConsole) -> None:
    here.mi.write_log(NAME, b"\x1b[31mred\x00\x07\r\nb\xffd \xe2\x80\xae\xc2\x9b \ttab")
    page = here.reader.get(at("logs", "file", name=NAME)).text
    assert text_of(page) == "␛[31mred␀␇\nb�d <U+202E>� \ttab"


def test_following_sends_what_was_added(here: NodeConsole) -> None:
    here.mi.write_log(NAME, b"one\n")
    page = here.reader.get(at("logs", "file", name=NAME)).text
    assert here.audited
    here.mi.write_log(NAME, "zwölf".encode()[:3], appends=True)
    first = next_part(here.reader, page, offset_of(page))
    assert (first["text"], first["offset"]) == ("zw", 6)
    here.mi.write_log(NAME, "zwölf".encode()[3:], appends=True)
    second = next_part(here.reader, page, first["offset"])
    assert (second["text"], second["offset"]) == ("ölf", 10)
    third = next_part(here.reader, page, second["offset"])
    assert (third["text"], third["offset"], third["was_replaced"]) == ("", 10, False)
    assert here.audited == []


def test_following_goes_on_in_a_file_that_was_replaced(here: NodeConsole) -> None:
    here.mi.write_log(NAME, b"a long line of yesterday\n")
    page = here.reader.get(at("logs", "file", name=NAME)).text
    here.mi.write_log(NAME, b"today\n")
    part = next_part(here.reader, page, offset_of(page))
    assert (part["text"], part["offset"], part["was_replaced"]) == ("today\n", 6, True)


def test_a_part_needs_the_page_of_its_file(here: NodeConsole) -> None:
    here.mi.write_log(NAME, b"one\n")
    url = part_url(here.reader.get(at("logs", "file", name=NAME)).text)
    for wrong in (
        at("logs", "file/part", name=NAME, offset="0"),
        f"{url.replace('follow=', 'follow=x')}&offset=0",
        f"{re.sub('name=[^&]+', 'name=audit.log', url)}&offset=0",
        f"{url}&offset=-1",
        f"{url}&offset=9999999999999999999",
    ):
        assert here.reader.get(wrong).status_code == 400, wrong
    assert here.admin.get(f"{url}&offset=0").status_code == 400


@pytest.mark.parametrize("name", ["../x", "a/b", "..%2f", "a\\b", "a\nb"])
def test_no_name_leads_out_of_the_folder(shared: NodeConsole, name: str) -> None:
    shared.mi.clear()
    for page in ("file", "file/download"):
        assert shared.reader.get(at("logs", page, name=name)).status_code == 400
    assert shared.mi.forwarded == []


def test_a_file_that_is_not_there_is_404(here: NodeConsole) -> None:
    assert here.reader.get(at("logs", "file", name="none.log")).status_code == 404


def test_a_file_too_large_to_be_read_as_a_whole_is_offered_for_download(
    shared: NodeConsole,
) -> None:
    shared.mi.set_mode()
    shared.mi.add_log("huge.log", 70_000_000)
    shared.mi.know_ranges(known=False)
    answer = shared.reader.get(at("logs", "file", name="huge.log"))
    assert answer.status_code == 502
    assert "larger than 64 MB" in answer.text
    shared.mi.know_ranges(known=True)
    assert shared.reader.get(at("logs", "file", name="huge.log")).status_code == 200


def test_a_range_that_is_not_told_is_refused(shared: NodeConsole) -> None:
    shared.mi.set_mode(Fault.ANSWER, status=206, text="x", content_type="text/plain")
    answer = shared.reader.get(at("logs", "file", name="audit.log"))
    assert answer.status_code == 502
    assert "gave no valid answer" in answer.text


def test_a_download_is_left_to_the_server_and_audited(shared: NodeConsole) -> None:
    assert shared.audited is not None
    answer, forward = shared.forward_of(shared.reader, at("logs", "file/download", name=NAME))
    assert (forward.node, forward.method, forward.is_write) == ("mi-1", "GET", False)
    assert forward.target == "/logs?file=wso2%20carbon%20%C3%BC.log"
    assert [name for name, _ in forward.fields] == ["x-request-id"]
    expected = "attachment; filename*=UTF-8''wso2%20carbon%20%C3%BC.log"
    assert answer.headers["Content-Disposition"] == expected
    forward.finished(Outcome(200, 0, 10, 0.1))
    forward.refused(NodeUnavailable("The node is down."))
    outcomes = ["pending", "done", "undone"]
    assert shared.audited == [("rita", NAME, outcome) for outcome in outcomes]


def test_without_a_server_that_forwards_there_is_no_download(shared: NodeConsole) -> None:
    answer = shared.reader.get(at("logs", "file/download", name=NAME))
    assert answer.status_code == 503
    assert "start the service with" in answer.text
