"""The Micro Integrators (MIs) behind this service: requests to their management API.

`forward` has what a view hands to the server when it has allowed a request: the server sends it to
the node and streams both bodies. `node` has the state of one MI that all requests share: the token
of this service's account there, the circuit breaker and the counters. It may import settings,
errors and the helpers below them, and it is the only importer of httpx2 beside the client. It must
not know users, roles, Flask or the sockets of clients.
"""
