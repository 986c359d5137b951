"""The Micro Integrators (MIs) behind this service: requests to their management API.

`forward` has what a view leaves for the server when it has allowed a request: the server sends the
request to the node and streams both bodies. `node` has the state of one MI that all requests share:
the token of this service's account there, the circuit breaker and the counters. `exchange` is one
request and its answer, in the event loop of a worker; `fetch` sends requests for a thread.

The package may import settings, `ldap.name_resolution`, errors and the helpers below them. It must
not know users, roles, Flask or the sockets of clients.

It uses h11 over its own sockets, and not httpx2, which sends the whole body before it reads an
answer, does not report whether a byte of a request was sent, and copies each byte several times.
"""
