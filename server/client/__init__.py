"""client: the Python client for programs.

Owns:      one outgoing websocket and its reconnecting, requests over HTTP
Threads:   one event loop
Lifecycle: `Client` until it is closed
Limits:    KNOWN_PUSHES_MAX (docs/limits.md)
Never:     imports a room of the server; knows PostgreSQL or Valkey; believes a count it has not been sent
"""
