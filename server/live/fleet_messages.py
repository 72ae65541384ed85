"""What nodes tell each other, and administrators, about who is connected."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One connection; `address` is the network it comes from, never the whole address; `user` null: a reader.

    `request_id`: of its upgrade, as in the node's log
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
    """One channel: `at`, the newest position; `lag_ms`, from commit to push, of the last push that tells it."""

    name: str
    subscriber_count: int
    at: int
    pushes_per_s: float
    lag_ms: int | None


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A node as it saw itself at `seen_at`; rates over the seconds before; lag, from commit to push, over those too.

    `channels`: those with the most subscribers
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


class ConnectionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Connections of one node, the oldest first."""

    items: list[ConnectionInfo]
    next: str | None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of nodes: to close a connection or a channel, or for a page of connections."""

    id: str
    node: str | None = None  # None: of all
    close_connection: str | None = None
    close_channel: str | None = None
    after: int = 0
    limit: int = 0


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What one node did or found."""

    node: str
    closed_count: int = 0
    page: ConnectionPage | None = None
