"""An LDAP-backed user store with WSO2 Micro Integrator's management API."""

__version__ = "0.2.0"
