"""The sockets on which the service listens: its own port, and those of Micro Integrators."""

from __future__ import annotations

import socket

import pytest

from mi_ldap.errors import ConfigurationError
from mi_ldap.serving.http_server import listening
from mi_ldap.settings import ServerSettings
from tests.hosts.process import free_ports


def test_each_node_with_a_port_has_a_socket() -> None:
    own, first, second = free_ports(3)
    server = ServerSettings(host="127.0.0.1", port=own)
    with listening(server, {"mi-1": first, "mi-2": second}) as listeners:
        assert [each.getsockname()[1] for each in listeners] == [own, first, second]
    assert all(each.fileno() == -1 for each in listeners)


def test_a_port_of_a_node_that_is_in_use_is_refused_and_all_sockets_are_closed() -> None:
    (own,) = free_ports(1)
    server = ServerSettings(host="127.0.0.1", port=own)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        sentence = (
            f"The service cannot listen on port {port} of 127.0.0.1 .*: stop the program that uses "
            r"it, or set another port for the \[\[micro_integrator\]\] mi-1."
        )
        with pytest.raises(ConfigurationError, match=sentence), listening(server, {"mi-1": port}):
            pass
    with listening(server, {}) as listeners:
        assert len(listeners) == 1
