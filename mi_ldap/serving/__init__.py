"""The process: the commands of `mi-ldap`, gunicorn and its worker, the embedded directory's life.

`commands` has the entry points; `service` assembles a running service; `processes` describes the
tree of processes, and `supervisor` restarts them. `worker` is the class that gunicorn runs. It may
import every other package but `cli` and `client`; no other package imports it.
"""
