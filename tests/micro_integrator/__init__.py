"""A stand-in for a WSO2 Micro Integrator (MI): its management API, in a process of its own.

with MicroIntegrator(tmp_path) as mi:
    mi.set_mode(Fault.CLOSE_IN_BODY, resource="logs")
    ...  # ask `mi.url`, verify `mi.ca_file`, log in as `mi.username` with `mi.password`
    assert [one.method for one in mi.requests] == ["GET", "GET"]

It answers what the source of MI 4.x answers (org.wso2.micro.integrator.management.apis), and is
stricter where a lenient answer would hide a fault of the client: a malformed request, an unknown
query key of a write, or a field that is missing is 400.
"""

from tests.micro_integrator.instance import MicroIntegrator
from tests.micro_integrator.log_content import log_bytes, log_sha256
from tests.micro_integrator.modes import Fault, Mode
from tests.micro_integrator.recording import Received

__all__ = ["Fault", "MicroIntegrator", "Mode", "Received", "log_bytes", "log_sha256"]
