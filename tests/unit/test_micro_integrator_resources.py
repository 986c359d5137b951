"""The table of what is forwarded to a Micro Integrator."""

from __future__ import annotations

import pytest

from mi_ldap.micro_integrators.resources import (
    RESOURCES,
    Audience,
    Body,
    Resource,
    split_node,
    streams_body,
)

BY_PATH = {each.path: each for each in RESOURCES}


def methods(path: str) -> dict[str, Audience]:
    return {each.method: each.audience for each in BY_PATH[path].operations}


def test_each_path_and_method_is_listed_once() -> None:
    assert len(BY_PATH) == len(RESOURCES)
    for resource in RESOURCES:
        assert len(methods(resource.path)) == len(resource.operations)


def test_only_admins_change_the_server_and_see_its_configuration() -> None:
    assert methods("/configs") == {"GET": Audience.ADMINS, "PUT": Audience.ADMINS}
    assert methods("/external-vaults/hashicorp") == {"POST": Audience.ADMINS}
    assert methods("/server") == {"GET": Audience.READERS, "PATCH": Audience.ADMINS}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.path)
def test_reading_is_for_readers_and_all_else_is_for_operators(resource: Resource) -> None:
    if resource.kind in ("configs", "external-vaults", "server"):
        return
    for operation in resource.operations:
        expected = Audience.OPERATORS if operation.is_write else Audience.READERS
        assert operation.audience is expected


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.path)
def test_what_an_operation_names_can_be_read_from_its_request(resource: Resource) -> None:
    for operation in resource.operations:
        assert not operation.is_write or operation.is_audited
        if operation.name_key and operation.body is not Body.JSON:
            assert operation.name_key in (*resource.query, "name")


def test_users_roles_and_sessions_are_never_forwarded() -> None:
    assert not {"users", "roles", "login", "logout"} & {each.kind for each in RESOURCES}


def test_a_target_has_the_keys_of_the_table_only() -> None:
    query = [("apiName", "a b+c&d=é/?"), ("x", "1"), ("searchKey", "")]
    target = BY_PATH["/apis"].target({}, query)
    assert target == "/apis?apiName=a%20b%2Bc%26d%3D%C3%A9%2F%3F&searchKey="


def test_a_name_in_a_path_stays_one_segment() -> None:
    target = BY_PATH["/applications/{name}"].target({"name": "a/b?c#d%2e"}, [("name", "x")])
    assert target == "/applications/a%2Fb%3Fc%23d%252e"


@pytest.mark.parametrize(
    ("path", "node", "rest"),
    [
        ("/nodes/mi-1/management/apis", "mi-1", "/management/apis"),
        ("/nodes/mi-1//management", "mi-1", "//management"),
        ("/nodes//management", "", "/management"),
        ("/nodes/mi-1", None, "/nodes/mi-1"),
        ("/Nodes/mi-1/management", None, "/Nodes/mi-1/management"),
        ("//nodes/mi-1/management", None, "//nodes/mi-1/management"),
        ("/management/nodes/a/b", None, "/management/nodes/a/b"),
        ("", None, ""),
    ],
)
def test_a_node_is_named_by_the_first_segments(path: str, node: str | None, rest: str) -> None:
    assert split_node(path) == (node, rest)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/management/applications"),
        ("POST", "/management/applications/"),
        ("PUT", "/management/registry-resources"),
        ("POST", "/management/registry-resources/content"),
        ("POST", "/nodes/mi-1/management/applications"),
    ],
)
def test_large_bodies_are_streamed_if_there_is_a_node(method: str, path: str) -> None:
    assert streams_body(method, path, ["mi-1"])
    assert not streams_body(method, path, [])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/management/applications"),
        ("post", "/management/applications"),
        ("POST", "/management/applications/x"),
        ("POST", "//management/applications"),
        ("POST", "/management/applications//"),
        ("POST", "/management/apis"),
        ("POST", "/management/users"),
        ("POST", "/nodes/mi-2/management/applications"),
        ("POST", "/nodes//management/applications"),
        ("POST", "/nodes/mi-1/nodes/mi-1/management/applications"),
    ],
)
def test_all_other_bodies_are_collected(method: str, path: str) -> None:
    assert not streams_body(method, path, ["mi-1"])
