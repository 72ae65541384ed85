"""Builds the rooms of one node and connects them. Nothing runs yet: node.py starts the loops, web_app.py serves HTTP."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import AsyncExitStack
from email.utils import parseaddr
from functools import partial

from server.abuse.decisions import Decisions
from server.abuse.watch import GroupWatch
from server.admin.levels import Budgets, LevelCounts
from server.admin.overview import Overviews
from server.admin.ring import Ring
from server.cache.cluster import connection_to
from server.catalog.brands import KnownBrands
from server.catalog.shows import find_show_id
from server.clock import SystemClock
from server.game.counting import BoardCounting
from server.game.show_boards import ShowBoards
from server.insight.visits import Visits
from server.ledger.sequencer import Sequencer
from server.live.fleet import Fleet
from server.live.hub import Hub
from server.live.listener import Listener
from server.live.presence import Presence
from server.live.pusher import Pusher
from server.live.seating import Seating
from server.live.sockets import Sockets
from server.live.subscriptions import fetch_histories
from server.live.watchers import WatcherCounts
from server.node.catalogue_sync import CatalogueSync, providers_of
from server.node.channel_refresher import ChannelRefresher
from server.node.channel_states import ChannelStates
from server.node.intervals import Intervals
from server.node.maintenance import Maintenance
from server.node.measures import Measures, Parts, level_counts
from server.node.overview_channel import OverviewChannel
from server.node.rate_limits import RateLimits
from server.node.self_check import SelfCheck
from server.node.vitals import Vitals
from server.outgoing.posting import CheckedPoster
from server.people.access_monitor import AccessMonitor
from server.people.ended_sessions import EndedSessions
from server.people.exports import Exports
from server.people.marks import Marks
from server.people.oidc import OidcVerifier
from server.people.sessions import fetch_installation
from server.protocol.vitals import History
from server.settings import Settings
from server.store.databases import Databases
from server.store.node_login import node_login
from server.sync.providers import Providers
from server.telemetry import FAILURES
from server.tracing import Traces, open_traces
from server.voting.commit_watch import CommitWatch
from server.voting.erasure import HotErasure
from server.voting.intake import Intake
from server.voting.queries import voting
from server.voting.results_access import ResultsAccess
from server.voting.rule_changes import RuleChanges, open_rule_changes
from server.voting.tallies import Tallies
from server.voting.writer import Writer
from server.web.request_log import RequestCounts
from server.webhooks.posting import Poster
from server.webhooks.sender import WebhookSender
from server.webpush.keys import ServiceKey
from server.webpush.notices import Notices
from server.webpush.sender import WebpushSender


async def open_rooms(
    settings: Settings, stack: AsyncExitStack, intervals: Intervals, *, has_own_database: bool
) -> Rooms:
    """Connects to PostgreSQL and builds the rooms.

    Takes:  settings with both addresses; stack, which closes everything that is opened here;
            has_own_database, whether PostgreSQL belongs to this node's own engines
    Raises: StoreUnavailable: PostgreSQL does not answer
    """
    assert settings.database_url is not None
    assert settings.redis_url is not None
    url = await node_login(settings.database_url) if has_own_database else settings.database_url
    databases = await Databases.open(url, pooled_url=settings.database_pooled_url, read_url=settings.database_read_url)
    stack.push_async_callback(databases.close)
    async with databases.writer.connection() as connection:
        shard_count = len([row async for row in voting.fetch_positions(connection)])
    rule_changes = await stack.enter_async_context(open_rule_changes(databases.owner, settings.redis_url))
    installation = await fetch_installation(databases.owner)
    providers = await stack.enter_async_context(
        providers_of(settings, databases.owner, settings.redis_url, SystemClock(), rule_changes)
    )
    rooms = Rooms(
        settings,
        stack,
        databases=databases,
        providers=providers,
        rule_changes=rule_changes,
        installation=installation,
        shard_count=shard_count,
        intervals=intervals,
        has_own_database=has_own_database,
    )
    # Before the first request: a token whose session has ended is refused from the start.
    await rooms.ended_sessions.load()
    return rooms


class Rooms:
    """The rooms of one node. `open_rooms` builds it. Takes: stack, which closes everything that is opened here."""

    is_stopping = False  # node.py sets it
    is_leaving = False  # another process takes the new connections; node.py sets it

    def __init__(
        self,
        settings: Settings,
        stack: AsyncExitStack,
        *,
        databases: Databases,
        providers: Providers,
        rule_changes: RuleChanges,
        installation: str,
        shard_count: int,
        intervals: Intervals,
        has_own_database: bool,
    ) -> None:
        assert settings.redis_url is not None
        redis_url = settings.redis_url
        clock = self.clock = SystemClock()
        self.settings = settings
        self.databases = databases
        self.rule_changes = rule_changes
        self.intervals = intervals
        self.installation = installation
        self.name = secrets.token_hex(4)
        traces = self.traces = _traces(settings, self.name, shard_count)
        if traces is not None:
            stack.push_async_callback(asyncio.to_thread, traces.close)
            FAILURES.trace = traces.failed
            stack.callback(setattr, FAILURES, "trace", None)
        database = databases.writer

        # The catalogue, limits, maintenance.
        self.find_show = partial(find_show_id, databases.requests)
        self.known_brands = KnownBrands(databases.requests)
        self.catalogue_sync = CatalogueSync(databases.owner, clock, providers)
        self.show_boards = ShowBoards(databases.channels)
        self.rate_limits = RateLimits(redis_url, clock, settings.limits)
        stack.push_async_callback(self.rate_limits.close)
        self.maintenance = Maintenance(
            databases.owner,
            databases.reads,
            redis_url,
            clock,
            rule_changes,
            board_counting=BoardCounting(self.show_boards),
            is_own=has_own_database,
            backup_age_max_s=settings.backup_age_hours * 3600,
            kept_days=settings.kept_days,
            secret=settings.secret,
            chores_after_s=intervals.chores_after_s,
            alert_webhook_url=settings.alert_webhook_url,
            alert_webhook_secret=settings.alert_webhook_secret,
        )

        self.sequencer = Sequencer(databases.owner.url, clock, settings.secret, _host(settings))
        self.poster = Poster(settings.webhook_networks)
        self.webhook_sender = WebhookSender(databases.owner, clock, self.poster)
        stack.push_async_callback(self.poster.close)
        self.webpush_key = ServiceKey(databases.owner, clock, _contact(settings))
        push_poster = CheckedPoster(
            settings.webpush_networks, setting="MYSETLIST_WEBPUSH_NETWORKS", keeps_connections=True
        )
        self.webpush_sender = WebpushSender(
            databases.owner, clock, Notices(databases.owner, clock), self.webpush_key, push_poster
        )
        stack.push_async_callback(push_poster.close)

        # Sockets and the users on them.
        self.sockets = Sockets(clock, settings.limits)
        self.ended_sessions = EndedSessions(database, clock)
        self.access_monitor = AccessMonitor(
            database, databases.requests, self.ended_sessions, self.sockets.identities, self.sockets.dismiss
        )
        self.oidc = _oidc(settings, clock)
        if self.oidc is not None:
            stack.push_async_callback(self.oidc.close)

        # The vote path.
        self.tallies = Tallies(redis_url, database, shard_count=shard_count)
        stack.push_async_callback(self.tallies.close)
        self.intake = Intake(
            redis_url,
            database,
            clock,
            shard_count=shard_count,
            votes_per_day_max=settings.votes_per_day_max,
            why_refused=self.access_monitor.why_vote_refused,
        )
        self.results_access = ResultsAccess(redis_url, database, shard_count=shard_count)
        stack.push_async_callback(self.results_access.close)
        self.marks = Marks(database, clock, self.intake.submit_mark)
        self.commit_watch = CommitWatch(redis_url, database, clock)
        self.writer = Writer(
            redis_url,
            database,
            clock,
            shard_count=shard_count,
            secret=settings.secret,
            stalled=self.commit_watch.stalled,
        )
        self.exports = Exports(databases.owner, databases.requests, databases.reads)
        self.decisions = Decisions(
            databases.owner, self.intake.submit_decision, self.writer.held_shards, shard_count=shard_count
        )
        self.writer.decided = self.decisions.committed
        self.group_watch = GroupWatch(databases.owner, self.decisions.hand_in)
        self.writer.watch = self.group_watch.take
        self.hot_erasure = HotErasure(redis_url, shard_count=shard_count)
        stack.push_async_callback(self.hot_erasure.close)

        self.self_check = SelfCheck(databases.owner, redis_url, settings.secret)

        # Channels.
        valkey = connection_to(redis_url)
        stack.push_async_callback(valkey.close)
        self.watchers = WatcherCounts()
        self.presence = Presence(self.watchers, clock, self.name, valkey.ask)
        self.visits = Visits(database, self.watchers.take_visits)
        self.channel_states = ChannelStates(database, databases.channels, self.tallies, clock, self.presence)
        seating = Seating.open() if settings.io_uring == "auto" else None
        if seating is not None:
            stack.callback(seating.close)
        pusher = Pusher(clock, seating=seating, buffer_bytes_max=settings.limits.send_buffer_bytes)
        self.hub = Hub(self.channel_states.load, self.watchers, pusher, clock)
        self.channel_refresher = ChannelRefresher(
            database, self.tallies, self.channel_states, self.hub, clock, tick_s=intervals.tick_s
        )
        self.fleet = Fleet(
            self.name,
            redis_url,
            self.hub,
            self.sockets,
            clock,
            history=self._own_history,
            summary_interval_s=intervals.fleet_summary_s,
            reply_timeout_s=intervals.fleet_reply_timeout_s,
        )
        self.listener = Listener(
            database.url,
            self.hub,
            self.channel_refresher,
            clock,
            committed=self.intake.pending_acks.committed,
            refused=self.intake.pending_acks.refused,
            on_fleet_request=self.fleet.receive,
            fetch_positions=voting.fetch_show_positions,
            shard_count=shard_count,
            compare_interval_s=intervals.compare_s,
        )
        self._open_console(providers, shard_count)
        for stage in (self.intake, self.writer, self.listener, pusher):
            stage.traces = traces

    def why_not_ready(self) -> list[str]:
        """The reasons why this node should get no traffic; empty: it is ready."""
        reasons = [
            "the node is stopping" if self.is_stopping else "",
            "" if self.listener.is_listening else "PostgreSQL does not answer",
            self.intake.why_not_ready,
            self.commit_watch.why_not_ready,
            self.self_check.why_not_ready,
        ]
        return list(dict.fromkeys(reason for reason in reasons if reason))

    def why_paused(self) -> str:
        """Which shards take no votes now, and why, while the others do; empty: none."""
        return self.intake.why_paused

    def _open_console(self, providers: Providers, shard_count: int) -> None:
        """What staff see of this moment: this node's vitals, the overview of all nodes, and its channel."""
        assert self.settings.redis_url is not None
        clock, by_service = self.clock, providers.by_service()
        levels = self.settings.levels
        self.level_counts = LevelCounts(self.databases.owner, clock, levels, level_counts(levels))
        self.request_counts = RequestCounts()
        self.ring = Ring()
        parts = Parts(
            requests=self.request_counts,
            pending_casts=lambda: self.intake.waiting_count + self.intake.pending_acks.cast_count,
            oldest_pending_s=self.intake.pending_acks.oldest_s,
            commits_stalled_s=self.commit_watch.longest_s,
            watchers=self.watchers.total,
            connections=self.sockets.__len__,
            behind=lambda: self.fleet.summary().behind_count,
            why_misfit=lambda: self.self_check.why_not_ready,
            why_replica_left_out=lambda: self.databases.reads.why_replica_left_out,
        )
        self.vitals = Vitals(
            self.name,
            self.settings.redis_url,
            self.databases.channels,
            clock,
            ring=self.ring,
            measures=Measures(parts),
            why_not_ready=self.why_not_ready,
            is_draining=lambda: self.sockets.is_draining,
            is_listening=lambda: self.listener.is_listening,
            held_count=lambda: self.writer.held_count,
            why_key_refused=lambda: {
                name: provider.why_key_refused for name, provider in by_service.items() if provider.why_key_refused
            },
        )
        self.overviews = Overviews(
            self.databases.owner,
            clock,
            fetch_vitals=self.vitals.fetch,
            own_history=self._own_history,
            fetch_histories=partial(fetch_histories, self.databases.owner, self.fleet),
            gates={name: provider.gate for name, provider in by_service.items()},
            shard_count=shard_count,
            backups=self.maintenance.backups,
            budgets=Budgets(clock, levels),
            is_traced=self.traces is not None,
        )
        self.overview_channel = OverviewChannel(self.hub, self.overviews, clock)
        self.channel_states.add("overview", self.overview_channel.load)

    def _own_history(self) -> History:
        return self.ring.history(self.clock.now_ms() // 1000)


def _traces(settings: Settings, node: str, shard_count: int) -> Traces | None:
    """Opens the traces; None: they are off, and each stage of a vote only checks for None."""
    if settings.otlp_endpoint is None:
        return None
    return open_traces(settings.otlp_endpoint, settings.traces_ratio, node, shard_count)


def _host(settings: Settings) -> str:
    """The name of this service for everybody, with which the origins of ledgers begin."""
    url = settings.public_url or next(iter(settings.origins), "http://localhost")
    return url.partition("://")[2].partition("+")[0]


def _contact(settings: Settings) -> str:
    """Whom the operator of a push service may write to."""
    if settings.public_url is not None and settings.public_url.startswith("https://"):
        return settings.public_url
    return f"mailto:{parseaddr(settings.mail_from or '')[1] or f'mysetlist@{socket.gethostname()}'}"


def _oidc(settings: Settings, clock: SystemClock) -> OidcVerifier | None:
    if settings.jwks_url is None:
        return None
    assert settings.jwt_audience is not None
    return OidcVerifier(
        settings.jwks_url,
        settings.jwt_audience,
        clock,
        issuer=settings.jwt_issuer,
        role_claim=settings.jwt_role_claim,
    )
