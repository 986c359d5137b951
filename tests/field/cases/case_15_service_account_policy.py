"""The service's own account is under a password policy and about to be shut out."""

from __future__ import annotations

from contextlib import ExitStack

from structlog.testing import capture_logs

from tests.checks.doctor_runs import run_doctor
from tests.field.case import Case
from tests.field.place import Field, machine
from tests.hosts.openldap import Setup

POLICY = "cn=default,ou=services,dc=example,dc=org"
USES_IT = f"""
dn: olcOverlay={{1}}ppolicy,olcDatabase={{1}}mdb,cn=config
changetype: modify
replace: olcPPolicyDefault
olcPPolicyDefault: {POLICY}
"""


def told_everywhere(field: Field) -> None:
    """Log, `/ready` and doctor say what the response control of the account's own bind says."""
    ready = field.without_memory.ask("GET", "/ready")
    assert ready.status_code == 200
    assert "the service's account expires in" in ready.get_json()["account"]
    # Expired, with grace logins: each connection uses one up, and each says so.
    field.tool.replace(POLICY, pwdMaxAge="1", pwdExpireWarning="0", pwdGraceAuthnLimit="20")
    with ExitStack() as closing, capture_logs() as said:
        api = machine(field.environment, closing, USER_STORE__INDEX_LIMIT="0")
        first = api.ask("GET", "/ready")
        assert first.status_code == 200
        assert "has expired, 19 grace logins are left" in first.get_json()["account"]
    events = [line["event"] for line in said]
    assert "directory_account_expired" in events
    found = {each.sentence: each.level for each in run_doctor(field.environment).findings}
    assert any("grace logins" in each and found[each] == "warn" for each in found), found
    # It must change its password: the bind is taken, and whatever follows is refused.
    field.tool.replace(POLICY, pwdMaxAge="0", pwdMustChange="TRUE")
    field.tool.replace(field.server.service_dn, pwdReset="TRUE")
    with ExitStack() as closing:
        api = machine(field.environment, closing, USER_STORE__INDEX_LIMIT="0")
        for answer in (api.ask("GET", "/ready"), api.login("alice", "alice-pw")):
            assert answer.status_code == 503
            assert "its password must be changed first" in answer.text
    report = run_doctor(field.environment)
    assert any("must be changed first" in each.sentence for each in report.findings)


CASE = Case(
    name="15-service-account-policy",
    title="The service's own account is under a password policy",
    admins=("alice",),
    others=("bob",),
    setup=Setup(member_of=False, refint=False, ppolicy=True, unique=False, syncprov=True),
    config_changes=USES_IT,
    findings=(("bind", "warn", "expires in"),),
    checks={"own account": told_everywhere},
)
