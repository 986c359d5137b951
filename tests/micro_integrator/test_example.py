"""config/micro-integrators.toml, with the addresses of two stand-ins."""

from __future__ import annotations

from pathlib import Path

from tests.micro_integrator.instance import MicroIntegrator
from tests.service import Caller, free_port, running

EXAMPLE = Path(__file__).parents[2] / "config" / "micro-integrators.toml"


def test_the_example_serves_both_nodes(node: MicroIntegrator, tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    port = free_port()
    for written, own in {
        "https://mi-1.example.org:9164/management": node.url,
        "https://mi-2.example.org:9164/management": node.url,
        '"mi-ldap"': f'"{node.username}"\nca_file = "{node.ca_file}"',
        "= 9165": f"= {port}",
    }.items():
        assert written in text
        text = text.replace(written, own)
    config = tmp_path / "config.toml"
    config.write_text(text, encoding="utf-8")
    passwords = {f"MI_LDAP_MICRO_INTEGRATOR__MI_{n}__PASSWORD": node.password for n in (1, 2)}
    own_settings = {"MI_LDAP_CONFIG": str(config), "MI_LDAP_STATE_DIR": str(tmp_path / "state")}
    environment = {**own_settings, "MI_LDAP_SERVER__WORKERS": "1", **passwords}
    with running(environment) as service, service.caller() as call:
        token = call.login("admin", "correct horse")
        assert call("GET", "/apis", token=token).json["count"] > 1
        path = "/nodes/mi-2/management/server"
        assert call.ask("GET", path, token=token).json["productName"].startswith("WSO2")
        with Caller(port) as second:
            found = second("GET", "/server", token=token).json
        assert found["productName"].startswith("WSO2")
