"""A running case: its server, and the service over it with memory and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mi_ldap.checks import Report
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.settings import load_settings
from mi_ldap.web import create_app
from mi_ldap.wiring import services
from tests.api.client import Api
from tests.checks.doctor_runs import run_doctor
from tests.field.case import Case
from tests.hosts.process import DirectoryHost
from tests.subtree import Tool
from tests.until import until

_BEING_FILLED = "it is being filled"
_SIGNING_KEY = "MANAGEMENT_API__JWT_TOKEN_SECURITY_HANDLER__TOKEN_CONFIG__KEY"


@dataclass(frozen=True)
class Field:
    """A running case, as the checks see it.

    Attributes:
        tool: the directory's manager, for what another tool changes and for looking.
        without_memory, with_memory: the API of two machines, as a stranger sees it.
        environment: the settings of both, for starting more.
    """

    case: Case
    server: DirectoryHost
    tool: Tool
    without_memory: Api
    with_memory: Api
    environment: dict[str, str]

    @property
    def apis(self) -> tuple[Api, Api]:
        return self.without_memory, self.with_memory

    def admin(self, api: Api | None = None) -> Api:
        """The API as the case's first admin sees it, by default without memory."""
        return self.logged_in(self.case.admins[0], api)

    def logged_in(self, name: str, api: Api | None = None) -> Api:
        return (api or self.without_memory).logged_in(name, password_of(name))

    def report(self) -> Report:
        """What the doctor finds."""
        return run_doctor(self.environment)


def password_of(name: str) -> str:
    """By convention of the trees."""
    return f"{name}-pw"


@contextmanager
def running(case: Case, folder: Path) -> Iterator[Field]:
    """The case's directory and two machines of the service over it, until the block ends."""
    with ExitStack() as closing:
        server = closing.enter_context(case.started(folder / "server"))
        tool = Tool(server.ldaps_url, *server.manager, ca_file=server.ca_file)
        closing.callback(tool.close)
        if case.after_start:
            case.after_start(tool)
        environment = _environment(case, server, folder / "state")
        yield Field(
            case=case,
            server=server,
            tool=tool,
            without_memory=machine(environment, closing, USER_STORE__INDEX_LIMIT="0"),
            with_memory=_with_memory(case, environment, closing),
            environment=environment,
        )


def machine(environment: dict[str, str], closing: ExitStack, **settings: str) -> Api:
    """The API of one more machine with a state folder of its own, as a stranger sees it."""
    state = Path(environment["MI_LDAP_STATE_DIR"])
    own = state.with_name(f"machine{len(list(state.parent.iterdir()))}")
    own.mkdir()
    more = {f"MI_LDAP_{key}": value for key, value in settings.items()}
    made = services(load_settings({**environment, **more, "MI_LDAP_STATE_DIR": str(own)}))
    assert isinstance(made.store, DirectoryStore)
    for close in (made.state.close, made.audit.close, made.store.close):
        closing.callback(close)
    return Api(made, create_app(made).test_client(use_cookies=False))


def _environment(case: Case, server: DirectoryHost, state: Path) -> dict[str, str]:
    state.mkdir()
    given = {
        "USER_STORE__CONNECTION_URL": server.ldaps_url,
        "USER_STORE__CA_FILE": str(server.ca_file),
        "CONFIG": str(case.config_file),
        _SIGNING_KEY: "machines of one installation share a key",
        "STATE_DIR": str(state),
        **case.settings,
    }
    return {f"MI_LDAP_{key}": value for key, value in given.items()}


def _with_memory(case: Case, environment: dict[str, str], closing: ExitStack) -> Api:
    """A machine whose memory is filled, or that has said why it is not."""
    api = machine(environment, closing)
    store = api.services.store
    assert store.view()
    until(lambda: store.read_source().why != _BEING_FILLED)
    if case.memory is not None:
        assert (store.read_source().source == "memory") is case.memory, store.read_source().why
    return api
