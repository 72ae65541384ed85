"""client: the Python client for programs.

Owns:      one outgoing websocket that reconnects by itself, and requests over HTTP
Threads:   one event loop
Lifecycle: a `Client` lives until it is closed
Limits:    REQUEST_TIMEOUT_S, QUIET_S, CONNECTIONS_MAX, ATTEMPTS_MAX (docs/limits.md); one unread state for each channel
Never:     imports a room of the server; knows PostgreSQL or Valkey; shows a count that the server did not send
"""
