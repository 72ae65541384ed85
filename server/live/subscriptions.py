"""HTTP endpoints for administrators: lists connections and channels of every node, closes a connection or a channel."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated

import msgspec

from server.errors import CacheError, Refused
from server.live.fleet import Fleet
from server.live.fleet_messages import ChannelInfo, ConnectionPage, FleetRequest, NodeInfo
from server.live.queries import subscriptions as queries
from server.protocol.channels import parse_channel
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.messages import CHANNEL_CHARS_MAX
from server.protocol.vitals import History
from server.store.database import Database

CHANNELS_LISTED_MAX = 100
_NAME_CHARS_MAX = 64

NodeName = Annotated[
    str, msgspec.Meta(max_length=_NAME_CHARS_MAX, description="The node whose connections are listed.")
]
ConnectionName = Annotated[str, msgspec.Meta(max_length=_NAME_CHARS_MAX, description="The id of a connection.")]
ChannelToClose = Annotated[str, msgspec.Meta(max_length=CHANNEL_CHARS_MAX, description="A channel, like `votes:7`.")]


class SubscriptionQuery(PageQuery, frozen=True, kw_only=True):
    """The node whose connections are listed, and the page."""

    node: NodeName | None = None


class CloseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A connection or a channel to close."""

    connection: ConnectionName | None = None
    channel: ChannelToClose | None = None

    def __post_init__(self) -> None:
        """Raises: Refused: bad_request."""
        if (self.connection is None) == (self.channel is None):
            raise Refused(Code.BAD_REQUEST, "Name either a `connection` or a `channel`.")


class FleetTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over all nodes."""

    node_count: int
    connection_count: int
    subscription_count: int
    buffer_bytes: int
    pushes_per_s: float
    frames_per_s: float
    skipped_per_s: float
    lag_max_ms: int | None


class Subscriptions(msgspec.Struct, frozen=True, kw_only=True):
    """Connections and channels. `node`: the node of these connections; `is_complete` false: Valkey does not answer, so only
    the node that answers is listed. Channels are those with the most subscribers on all nodes together.
    """

    node: str
    is_complete: bool
    totals: FleetTotals
    nodes: list[NodeInfo]
    channels: list[ChannelInfo]
    connections: ConnectionPage


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """The number of closed connections or removed subscribers. Nodes that did not answer in time may still close theirs."""

    closed_count: int
    unanswered: list[str]


class SubscriptionRoutes:
    """The endpoints for connections and channels. Takes: owner, a database with the rights of its owner."""

    def __init__(self, owner: Database, fleet: Fleet) -> None:
        self._owner = owner
        self._fleet = fleet

    def endpoints(self) -> list[Endpoint]:
        """Endpoints for the web application."""
        path = "/api/realtime/subscriptions"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_subscriptions, access="admin", query=SubscriptionQuery,
                answer=Subscriptions, codes=(Code.NOT_FOUND,),
                summary="Connections, channels, rates and lag of every node.",
                description="Summaries are at most a few seconds old. The connections are those of `node`; without it, those "
                "of the node that answers.",
            ),
            Endpoint(
                method="DELETE", path=path, handler=self.delete_subscriptions, access="admin", query=CloseQuery,
                answer=Closed, codes=(Code.NOT_FOUND,),
                summary="Close a connection, or remove every subscriber of a channel, on any node.",
                description="A removed subscriber gets `unsubscribed` and may subscribe again; its connection stays open.",
            ),
        ]  # fmt: skip

    async def get_subscriptions(self, call: Call) -> Answer:
        """`GET /api/realtime/subscriptions`."""
        query: SubscriptionQuery = call.query
        after = 0 if query.cursor is None else decode_cursor(query.cursor, IdCursor).id
        try:
            nodes, is_complete = await self._fleet.nodes(), True
        except CacheError:
            nodes, is_complete = [self._fleet.summary()], False
        node = query.node or self._fleet.node
        if node not in [known.node for known in nodes]:
            raise Refused(Code.NOT_FOUND, "No such node. Leave `node` out to see the names of all.")
        document = Subscriptions(
            node=node,
            is_complete=is_complete,
            totals=_totals(nodes),
            nodes=nodes,
            channels=_merged(nodes),
            connections=await self._page(node, after, query.limit),
        )
        return Answer(document=document)

    async def delete_subscriptions(self, call: Call) -> Answer:
        """`DELETE /api/realtime/subscriptions`."""
        query: CloseQuery = call.query
        nodes = [known.node for known in await self._fleet.nodes()]
        node = None
        if query.connection is not None:
            node = query.connection.rpartition("-")[0]
            if node not in nodes:
                raise Refused(Code.NOT_FOUND, "No such connection. It may have ended.")
            nodes = [node]
        if query.channel is not None:
            parse_channel(query.channel)
        request = FleetRequest(
            id=secrets.token_hex(8), node=node, close_connection=query.connection, close_channel=query.channel
        )
        kind = "connection" if query.channel is None else "channel"
        async with self._owner.transaction() as connection:
            await queries.log_closing(
                connection,
                actor_id=call.user.user_id,
                action=f"{kind}.close",
                subject=f"{kind}:{query.connection or query.channel}",
            )
            await queries.ask_nodes(connection, question=msgspec.json.encode(request).decode())
        replies = await self._fleet.replies(request.id, nodes)
        closed_count = sum(reply.closed_count for reply in replies)
        unanswered = sorted(set(nodes) - {reply.node for reply in replies})
        if not closed_count and unanswered:
            raise Refused(Code.UNAVAILABLE, "Not every node has answered. Try again in a second.", retry_after_ms=1_000)
        if not closed_count:
            raise Refused(
                Code.NOT_FOUND,
                "No such connection. It may have ended."
                if query.channel is None
                else "This channel has no subscriber.",
            )
        return Answer(document=Closed(closed_count=closed_count, unanswered=unanswered))

    async def _page(self, node: str, after: int, limit: int) -> ConnectionPage:
        if node == self._fleet.node:
            return self._fleet.page(after, limit)
        request = FleetRequest(id=secrets.token_hex(8), node=node, after=after, limit=limit)
        async with self._owner.transaction() as connection:
            await queries.ask_nodes(connection, question=msgspec.json.encode(request).decode())
        for reply in await self._fleet.replies(request.id, [node]):
            if reply.page is not None:
                return reply.page
        raise Refused(Code.UNAVAILABLE, "This node does not answer. Try again in a second.", retry_after_ms=1_000)


async def fetch_histories(owner: Database, fleet: Fleet, nodes: Sequence[str]) -> list[History]:
    """The last hour of other nodes; a node that does not reply in time is left out.

    Raises: StoreUnavailable, CacheError
    """
    if not nodes:
        return []
    request = FleetRequest(id=secrets.token_hex(8), history=True)
    async with owner.transaction() as connection:
        await queries.ask_nodes(connection, question=msgspec.json.encode(request).decode())
    # This node gets its own question too.
    replies = await fleet.replies(request.id, [*nodes, fleet.node])
    return [reply.history for reply in replies if reply.history is not None and reply.node in nodes]


def _totals(nodes: list[NodeInfo]) -> FleetTotals:
    return FleetTotals(
        node_count=len(nodes),
        connection_count=sum(node.connection_count for node in nodes),
        subscription_count=sum(node.subscription_count for node in nodes),
        buffer_bytes=sum(node.buffer_bytes for node in nodes),
        pushes_per_s=round(sum(node.pushes_per_s for node in nodes), 1),
        frames_per_s=round(sum(node.frames_per_s for node in nodes), 1),
        skipped_per_s=round(sum(node.skipped_per_s for node in nodes), 1),
        lag_max_ms=max((node.lag_max_ms for node in nodes if node.lag_max_ms is not None), default=None),
    )


def _merged(nodes: list[NodeInfo]) -> list[ChannelInfo]:
    """Merges the channels of all nodes: adds subscribers and pushes, keeps the newest position and the longest lag."""
    merged: dict[str, ChannelInfo] = {}
    for channel in (channel for node in nodes for channel in node.channels):
        known = merged.get(channel.name)
        if known is not None:
            lags = [lag for lag in (known.lag_ms, channel.lag_ms) if lag is not None]
            channel = ChannelInfo(  # noqa: PLW2901  the two together
                name=channel.name,
                subscriber_count=known.subscriber_count + channel.subscriber_count,
                at=max(known.at, channel.at),
                pushes_per_s=round(known.pushes_per_s + channel.pushes_per_s, 1),
                lag_ms=max(lags, default=None),
            )
        merged[channel.name] = channel
    return sorted(merged.values(), key=lambda channel: -channel.subscriber_count)[:CHANNELS_LISTED_MAX]
