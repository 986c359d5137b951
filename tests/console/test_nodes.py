"""Pages of Micro Integrators: health, lists, details, and who may change what."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from tests.console.console_client import ConsoleClient, console_client, goes_to
from tests.console.nodes_behind import NodeConsole, at, node_console
from tests.micro_integrator.artifacts import NAMES
from tests.micro_integrator.instance import MicroIntegrator
from tests.micro_integrator.modes import Fault
from tests.world import make_world

KINDS = (
    *("apis", "proxy-services", "endpoints", "inbound-endpoints", "sequences", "templates"),
    *("tasks", "message-stores", "message-processors", "local-entries", "data-services"),
    *("data-sources", "connectors", "applications", "logs", "logging"),
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MicroIntegrator]:
    with MicroIntegrator(tmp_path_factory.mktemp("mi")) as started:
        yield started


@pytest.fixture(scope="module")
def shared(
    node: MicroIntegrator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeConsole]:
    with node_console(tmp_path_factory.mktemp("console"), node) as started:
        yield started


@pytest.fixture
def here(shared: NodeConsole) -> NodeConsole:
    """The node without a fault and without records."""
    shared.mi.set_mode()
    shared.mi.clear()
    assert shared.audited is not None
    return shared


def shown(client: ConsoleClient, path: str) -> list[str]:
    found = re.findall(r'class="row" href="[^"]*"><bdi>([^<]*)</bdi>', client.get(path).text)
    return [html.unescape(each) for each in found]


def links(client: ConsoleClient, path: str) -> list[str]:
    found = re.findall(r'class="row" href="/console([^"]*)"', client.get(path).text)
    return [html.unescape(each) for each in found]


def test_nodes_are_listed_with_health_and_version(here: NodeConsole) -> None:
    text = here.reader.get("/nodes").text
    assert ">Up<" in text
    assert "4.4.0" in text
    assert "The Micro Integrator mi-2 cannot be reached." in text
    assert "Reason: connection refused." in text


def test_the_menu_offers_nodes_to_everybody_where_there_are_some(
    here: NodeConsole,
) -> None:
    assert goes_to(here.reader.get("")) == "/nodes"
    assert 'href="/console/nodes"' in here.reader.get("/account").text
    assert 'href="/console/users"' not in here.reader.get("/account").text
    assert 'href="/console/nodes"' in here.admin.get("/users").text


def test_without_nodes_the_menu_has_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("none"))
    world.add_first_admin()
    world.add("rita")
    rita = console_client(world)
    rita.log_in("rita")
    assert goes_to(rita.get("")) == "/account"
    assert "/console/nodes" not in rita.get("/account").text
    assert "No Micro Integrator is configured" in rita.get("/nodes").text
    world.services.state.close()
    world.services.audit.close()


def test_a_node_has_the_numbers_of_its_artifacts(here: NodeConsole) -> None:
    text = here.reader.get("/nodes/mi-1").text
    numbers = re.findall(r'kind number">([\d,]+|<span class="muted">–</span>)<', text)
    assert numbers == ["12"] * 5 + ["24"] + ["12"] * 7 + ["13", "7", "12"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_artifact_has_a_page_whatever_its_name(here: NodeConsole, kind: str) -> None:
    found = links(here.reader, at(kind))
    assert len(found) >= 7
    for link in found:
        answer = here.reader.get(link)
        if kind == "logs":
            answer = here.reader.get(goes_to(answer))
        assert answer.status_code == 200, link


def test_names_are_shown_as_they_are(here: NodeConsole) -> None:
    assert sorted(shown(here.reader, at("apis"))) == sorted(NAMES)


def test_a_search_is_passed_on_and_filters(here: NodeConsole) -> None:
    assert shown(here.reader, at("apis", q="ORDER")) == ["orders v2", "OrderService"]
    assert [each.target for each in here.mi.forwarded] == ["/management/apis?searchKey=ORDER"]
    assert "Nothing found" in here.reader.get(at("apis", q="zzz")).text


def test_details_show_nested_values_and_the_configuration(here: NodeConsole) -> None:
    text = here.reader.get(at("sequences", "details", name="OrderService")).text
    assert "LogMediator" in text
    assert "&lt;definition xmlns=&#34;http://ws.apache.org/ns/synapse&#34;/&gt;" in text
    assert ">OrderService<" in here.reader.get(at("applications", "details", name="a+b")).text


def test_readers_get_no_operations(here: NodeConsole) -> None:
    text = here.reader.get(at("endpoints", "details", name="what?")).text
    assert "Only operators and admins may do this." in text
    assert "/change?" not in text
    for answer in (
        here.reader.get(at("endpoints", "change", name="what?", change="deactivate")),
        here.reader.send(at("endpoints", "change", name="what?", change="deactivate")),
    ):
        assert answer.status_code == 403
        assert "Only operators and admins may do this." in answer.text
    assert [each.method for each in here.mi.forwarded] == ["GET"]
    assert here.audited == [("rita", "what?", "refused")]


def test_a_change_at_a_node_that_is_not_there_takes_nothing_of_the_audit_log(
    here: NodeConsole,
) -> None:
    address = f"/nodes/{'é' * 1000}/endpoints/change?name=a&change=deactivate"
    assert here.reader.send(address).status_code == 403
    assert here.audited == []


def test_a_name_that_the_audit_log_cannot_hold_is_refused(here: NodeConsole) -> None:
    name = "a" * 1025
    here.operator.send(at("endpoints", "change", name=name, change="deactivate"))
    for page in ("file", "file/download"):
        assert here.reader.get(at("logs", page, name=name)).status_code == 400
    assert here.mi.forwarded == []
    assert here.audited == []


CHANGES = (
    ("endpoints", "deactivate", "is inactive", ">Inactive<"),
    ("endpoints", "activate", "is active", ">Active<"),
    ("apis", "trace-on", "is traced", ">Tracing<"),
    ("apis", "trace-off", "is not traced", "Turn tracing on"),
    ("sequences", "statistics-on", "has statistics", ">Statistics<"),
    ("tasks", "trigger", "was started", "Run now"),
    ("inbound-endpoints", "deactivate", "is inactive", ">Inactive<"),
)


@pytest.mark.parametrize(("kind", "change", "result", "state"), CHANGES)
def test_operators_change_artifacts_after_a_question(
    here: NodeConsole, kind: str, change: str, result: str, state: str
) -> None:
    address = at(kind, "change", name="c#sharp", change=change)
    assert "c#sharp" in here.operator.get(address).text
    assert here.mi.forwarded == []
    page = here.operator.get(goes_to(here.operator.send(address)))
    assert f"c#sharp {result}." in page.text
    assert state in page.text
    assert here.audited == [("olga", "c#sharp", "pending"), ("olga", "c#sharp", "done")]


def test_templates_are_changed_by_name_and_type(here: NodeConsole) -> None:
    query = {"name": "50% off", "type": "endpoint"}
    answer = here.operator.send(at("templates", "change", **query, change="trace-on"))
    assert ">Tracing<" in here.operator.get(goes_to(answer)).text
    other = at("templates", "details", name="50% off", type="sequence")
    assert ">Tracing<" not in here.operator.get(other).text


def test_the_level_of_a_logger_is_changed(here: NodeConsole) -> None:
    page = here.operator.get(at("logging", "details", name="AUDIT_LOG")).text
    assert '<option value="INFO" selected>' in page
    address = at("logging", "change", name="AUDIT_LOG", change="level", level="DEBUG")
    assert "Change the level of logger" in here.operator.get(address).text
    page = here.operator.get(goes_to(here.operator.send(address))).text
    assert "AUDIT_LOG has the level DEBUG." in page
    assert '<option value="DEBUG" selected>' in page
    wrong = at("logging", "change", name="AUDIT_LOG", change="level", level="LOUD")
    assert here.operator.get(wrong).status_code == 400


def test_an_application_is_deleted(here: NodeConsole) -> None:
    address = at("applications", "change", name="Tom & Jerry", change="delete")
    assert goes_to(here.operator.send(address)) == "/nodes/mi-1/applications"
    assert "Tom & Jerry" not in shown(here.operator, at("applications"))
    # A name with a slash would be another path at the node.
    answer = here.operator.send(at("applications", "change", name="it's/odd", change="delete"))
    assert "There is no artifact of that name." in here.operator.get(goes_to(answer)).text


def test_a_refusal_of_the_node_is_shown_beside_the_artifact(here: NodeConsole) -> None:
    here.mi.set_mode(Fault.ANSWER, method="POST", status=400, text='{"Error": "No <b>luck</b>"}')
    answer = here.operator.send(at("tasks", "change", name="a+b", change="deactivate"))
    assert "No &lt;b&gt;luck&lt;/b&gt;" in here.operator.get(goes_to(answer)).text
    assert [line[2] for line in here.audited] == ["pending", "failed"]


def test_a_change_without_an_answer_is_said_to_be_unknown(here: NodeConsole) -> None:
    here.mi.set_mode(Fault.CLOSE_AFTER_WRITE, method="POST")
    answer = here.operator.send(at("tasks", "change", name="a+b", change="deactivate"))
    assert answer.status_code == 502
    assert "check whether the change was made" in answer.text
    assert [line[2] for line in here.audited] == ["pending", "unknown"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nodes/none", 404),
        ("/nodes/none/apis", 404),
        ("/nodes/mi-1/users", 404),
        ("/nodes/mi-1/configs", 404),
        (at("apis", "details", name="none"), 404),
        (at("logging", "details", name="none"), 404),
        (at("connectors", "details", name="none"), 404),
        (at("templates", "details", name="a+b", type="none"), 502),
        (at("apis", "change", name="a+b", change="activate"), 404),
        ("/nodes/mi-2/apis", 503),
    ],
)
def test_missing_nodes_and_artifacts_are_reported(
    here: NodeConsole, path: str, status: int
) -> None:
    assert here.admin.get(path).status_code == status


def test_a_node_that_is_down_leaves_other_pages_alone(here: NodeConsole) -> None:
    answer = here.admin.get("/nodes/mi-2")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "cannot be reached" in answer.text
    assert here.admin.get("/users").status_code == 200
    assert here.admin.get(at("apis")).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        *("", "no JSON", "[]", "{}", '{"list": {}}', '{"list": ["x"]}', '{"list": [{}]}'),
        *('{"list": [{"name": 1}]}', '{"list": [{"name": "\\ud800"}]}', "[" * 100_000),
        '{"list": ' + "1" * 5000 + "}",
    ],
)
def test_invalid_answers_are_said_to_be_so(here: NodeConsole, text: str) -> None:
    here.mi.set_mode(Fault.ANSWER, status=200, text=text, content_type="application/json")
    answer = here.reader.get(at("apis"))
    assert answer.status_code == 502
    assert "The Micro Integrator mi-1 gave no valid answer." in answer.text
    assert here.reader.get("/nodes").status_code == 200


def test_any_object_is_shown_as_details(here: NodeConsole) -> None:
    deep = '{"a": ' * 200 + "1" + "}" * 200
    text = (
        '{"name": null, "x": [[1, {"y": "\\u202e\\u0000<script>"}]], "z": ' + deep + ', "": false}'
    )
    here.mi.set_mode(Fault.ANSWER, status=200, text=text, content_type="application/json")
    page = here.reader.get(at("apis", "details", name="x")).text
    assert "&lt;U+202E&gt;␀&lt;script&gt;" in page
    assert "<script>" not in page


def test_a_list_of_20000_is_cut_into_pages(here: NodeConsole) -> None:
    items = ", ".join(f'{{"name": "api-{number:05}"}}' for number in range(20_000))
    text = f'{{"count": 20000, "list": [{items}]}}'
    here.mi.set_mode(Fault.ANSWER, status=200, text=text, content_type="application/json")
    assert shown(here.reader, at("apis", page="800"))[-1] == "api-19999"
    assert len(here.reader.get(at("apis")).data) < 40_000
    assert "20,000" in here.reader.get("/nodes/mi-1").text


def test_a_list_that_is_too_large_is_said_to_be_so(here: NodeConsole) -> None:
    text = '{"list": [' + " " * 9_000_000 + "]}"
    here.mi.set_mode(Fault.ANSWER, status=200, text=text, content_type="application/json")
    assert "is too large" in here.reader.get(at("apis")).text


def test_a_reserved_kind_is_for_admins(
    node: MicroIntegrator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    node.set_mode()
    settings = 'resources = ["/users", "/roles", "/logs", "/applications/a+b"]'
    folder = tmp_path_factory.mktemp("reserved")
    with node_console(folder, node, authorization=settings) as here:
        for somebody in (here.reader, here.operator):
            assert somebody.get(at("logs")).status_code == 403
            assert somebody.get(at("logs", "file", name="audit.log")).status_code == 403
            assert "/nodes/mi-1/logs" not in somebody.get("/nodes/mi-1").text
            assert somebody.get(at("apis")).status_code == 200
        for name, status in (("a+b", 403), ("what?", 200)):
            address = at("applications", "change", name=name, change="delete")
            assert here.operator.get(address).status_code == status
        assert here.admin.get(at("logs")).status_code == 200


def test_everybody_is_an_operator_if_the_settings_say_so(
    node: MicroIntegrator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    node.set_mode()
    settings = 'operators_are = "everybody"\nresources = ["/users", "/roles", "/server", "/tasks"]'
    with node_console(tmp_path_factory.mktemp("all"), node, authorization=settings) as here:
        assert "Deactivate…" in here.reader.get(at("endpoints", "details", name="a+b")).text
        answer = here.reader.send(at("apis", "change", name="a+b", change="trace-on"))
        assert "a+b is traced." in here.reader.get(goes_to(answer)).text
        assert goes_to(here.reader.get("")) == "/account"
        answer = here.reader.send(at("tasks", "change", name="a+b", change="trigger"))
        assert answer.status_code == 403
        assert here.audited[-1] == ("rita", "a+b", "refused")


def test_a_node_that_hangs_leaves_the_overview_alone(here: NodeConsole) -> None:
    here.mi.set_mode(Fault.HANG_BEFORE_HEAD)
    text = here.reader.get("/nodes").text
    assert "The Micro Integrator mi-1 did not answer in time." in text
    assert "The Micro Integrator mi-2 cannot be" in text


def test_few_pages_at_once_wait_for_a_node(here: NodeConsole) -> None:
    threads = here.nodes["mi-1"].threads
    with threads, threads:
        answer = here.reader.get(at("apis"))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "Too many requests to the Micro Integrator mi-1" in answer.text
    assert here.reader.get(at("apis")).status_code == 200
