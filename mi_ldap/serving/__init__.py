"""The process: the commands of `mi-ldap`, gunicorn and its worker, the embedded directory's life.

`commands` is where it begins; `service` puts a running service together; `processes` draws the
tree of processes, and `supervisor` looks after it. `worker` is what gunicorn runs.
"""
