"""An OpenLDAP replica that passes changes on to its provider (overlay chain) and is behind it."""

from __future__ import annotations

from tests.hosts.arranged import ArrangedOpenLdap, Arrangement, Database

_CHAIN = """
dn: olcOverlay={{0}}chain,olcDatabase={{-1}}frontend,cn=config
objectClass: olcOverlayConfig
objectClass: olcChainConfig
olcOverlay: {{0}}chain
olcChainReturnError: TRUE

dn: olcDatabase={{0}}ldap,olcOverlay={{0}}chain,olcDatabase={{-1}}frontend,cn=config
objectClass: olcLDAPConfig
objectClass: olcChainDatabase
olcDatabase: {{0}}ldap
olcDbURI: {provider.url}
olcDbIDAssertBind: mode=self bindmethod=simple binddn="{provider.service_dn}"
  credentials="{provider.service_password}"
"""

_REPLICATION = """olcSyncrepl: rid=001 provider={provider.url} searchbase="{provider.base}"
  bindmethod=simple binddn="{provider.manager_dn}" credentials="{provider.manager_password}"
  {timing} retry="1 +"
olcUpdateRef: {provider.url}"""


def provider_of(content: str) -> Arrangement:
    """A server that replicas can follow; the service's account in `content` needs `authzTo`."""
    database = Database(suffix="dc=example,dc=org", overlays=("syncprov",), content=content)
    return Arrangement(databases=[database])


def replica_of(provider: ArrangedOpenLdap, timing: str = "type=refreshAndPersist") -> Arrangement:
    """A replica of a running provider.

    Args:
        provider: where changes are passed on to.
        timing: in words of olcSyncrepl, when it follows: by default at once.
    """
    lines = _REPLICATION.format(provider=provider, timing=timing)
    return Arrangement(
        databases=[Database(suffix=provider.base, lines=lines, overlays=("syncprov",))],
        modules=("back_ldap",),
        frontend_overlay=_CHAIN.format(provider=provider),
    )
