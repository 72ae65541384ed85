"""protocol: the messages on the wire, as types and plain functions.

Owns:      message types, error and close codes, websocket frames, log positions, channel names
Threads:   pure functions and immutable values, safe anywhere
Limits:    INBOUND_BYTES_MAX, VOTES_PER_CAST_MAX, CHANNELS_PER_REQUEST_MAX (docs/limits.md)
Never:     does I/O, reads a clock, knows a connection
"""
