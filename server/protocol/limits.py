"""Limits of clients. Every number is a setting (README); docs/limits.md says what happens past it."""

from __future__ import annotations

from dataclasses import dataclass

from server.protocol.messages import INBOUND_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The defaults are far above what people do, and below what would hurt a node with two cores."""

    # Of one node. An address is a weak signal: a whole stadium may have the same.
    connections: int = 30_000
    connections_per_address: int = 20_000
    connections_per_user: int = 20
    open_connections: int = 40_000  # of all kinds: websockets, event streams, requests, and idle ones
    open_connections_per_address: int = 25_000
    handshake_s: int = 10  # from the connection to the whole of its first request
    idle_s: int = 15  # from an answer to the next request
    body_s: int = 30  # from the headers of a request to the end of its body
    hello_s: int = 10  # from the upgrade to the first request on the websocket
    stalled_s: int = 30  # a client that takes nothing for this time, while bytes wait, is cut
    frame_bytes: int = INBOUND_BYTES_MAX
    channels_per_connection: int = 100
    requests_per_s: int = 200  # of a connection; twice as many may come at once
    requests_per_s_of_user: int = 400  # of all connections of a user; twice as many may come at once
    requests_per_s_of_address: int = 10_000  # of all its clients that are not signed in; twice as many may come at once
    send_buffer_bytes: int = 64 * 1024  # a socket with more waiting bytes skips states
    reply_buffer_bytes: int = 1024 * 1024  # a socket with more waiting bytes is cut
    # Of all nodes together.
    connects_per_minute: int = 120  # of a user
    http_requests_per_minute: int = 6_000  # of a user
    sessions_per_address: int = 10_000  # new sessions in ten minutes
    redemptions_per_minute: int = 10  # ticket codes that a user tries
    wrong_codes_per_address: int = 600  # wrong ticket codes in ten minutes; a whole stadium may have one address
    wrong_codes_per_show: int = 3_000  # wrong ticket codes in ten minutes, of all addresses
    wrong_sign_in_codes_per_address: int = 100  # wrong codes of other devices in ten minutes
    wrong_sign_in_codes: int = 3_000  # the same, of all addresses
    confirmations_per_address: int = 100  # emails in an hour that ask for a confirmation, by the address of the client
    erasures_per_address: int = 600  # accounts in an hour that erase themselves
    suggestions_waiting: int = 5  # of a user in one show


DEFAULT_LIMITS = Limits()
