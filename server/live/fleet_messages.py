"""Messages about connections, between nodes and to administrators."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from server.protocol.vitals import History


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One connection. `address`: the network of the client, never the whole address. `user`: null for a reader.

    `request_id`: of the HTTP request that opened it, as in the node's log
    """

    id: str
    request_id: str
    kind: Literal["websocket", "events"]
    user: int | None
    role: str
    address: str
    since: dt.datetime
    channels: list[str]
    buffer_bytes: int
    skipped_count: int


class ChannelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One channel: `at`, the newest position; `lag_ms`, from commit to push, of the last push that has one."""

    name: str
    subscriber_count: int
    at: int
    pushes_per_s: float
    lag_ms: int | None


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A node's summary of itself at `seen_at`. Rates and lags, from commit to push, are of the seconds before.

    `channels`: those with the most subscribers. `untrusted_proxy`: the address of a peer that sends X-Forwarded-For but is not
    in MYSETLIST_TRUSTED_PROXIES; empty: there is none
    """

    node: str
    seen_at: dt.datetime
    connection_count: int
    user_count: int
    subscription_count: int
    channel_count: int
    buffer_bytes: int
    behind_count: int
    pushes_per_s: float
    frames_per_s: float
    skipped_per_s: float
    lag_mean_ms: float | None
    lag_max_ms: int | None
    channels: list[ChannelInfo]
    untrusted_proxy: str = ""


class ConnectionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Connections of one node, the oldest first."""

    items: list[ConnectionInfo]
    next: str | None


class FleetRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to nodes: close a connection, close a channel, or give a page of connections or the last hour."""

    id: str
    node: str | None = None  # None: to all nodes
    close_connection: str | None = None
    close_channel: str | None = None
    after: int = 0
    limit: int = 0
    history: bool = False


class FleetReply(msgspec.Struct, frozen=True, kw_only=True):
    """One node's reply to a request."""

    node: str
    closed_count: int = 0
    page: ConnectionPage | None = None
    history: History | None = None
