"""live: pushes the states of channels to the clients of this node.

Owns:      websockets and event streams, channels and their subscribers, the listener on PostgreSQL's notifications
Threads:   event loop only; the hub's methods are synchronous, so each is atomic
Lifecycle: the listener and the pusher run from before the first socket until after the last
Limits:    PUSH_INTERVAL_S, BUFFER_BYTES_MAX, BACKLOG_MAX, protocol/limits.py (docs/limits.md)
Never:     writes to PostgreSQL, except the audit log of what administrators close; writes to Valkey, except counts of
           watchers and the fleet's summaries and answers; waits for a socket
"""
