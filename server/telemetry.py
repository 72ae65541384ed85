"""Logs, metrics and the failures that the log told of. Every log record has an `action`, spelled `noun.verb`, and ids as fields."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from structlog.typing import EventDict

# The environment variable with the folder for the metrics of all workers of a parent. prometheus_client reads it at its import.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "console"]

# Kinds of failures that are kept, and the length of their details.
FAILURES_KEPT_MAX = 50
# Failures of one kind within this time share a trace: a loop may fail a thousand times a second.
TRACE_EVERY_S = 1.0
FAILURE_CHARS_MAX = 300

# Times are counted up to these. The limit of a service level is one of them.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _gauge(name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
    """A gauge; the values of several workers are added."""
    return Gauge(name, about, labels, multiprocess_mode="livesum")


REQUEST_SECONDS = Histogram(
    "mysetlist_request_seconds",
    "Requests over HTTP, without websockets and event streams",
    ["method", "route", "status"],
    buckets=(0.005, 0.025, 0.1, 0.5, 2.5, 10.0),
)
POOL_WAIT_SECONDS = Histogram(
    "mysetlist_pool_wait_seconds", "Wait for a connection of a pool to PostgreSQL", ["pool"], buckets=SECONDS
)
TURN_WAIT_SECONDS = Histogram(
    "mysetlist_turn_wait_seconds",
    "Wait of a read for its turn, when others of its kind run",
    ["kind"],
    buckets=SECONDS,
)
VALKEY_SECONDS = Histogram(
    "mysetlist_valkey_seconds",
    "One round trip to Valkey, by its first command; XREAD and BLPOP wait on purpose",
    ["command"],
    buckets=SECONDS,
)
# The outcome of a cast whose client left before it was decided: nobody waits for an answer.
CLIENT_GONE = "gone"
CASTS = Counter("mysetlist_casts_total", "Casts answered, by outcome", ["outcome"])
ACKNOWLEDGEMENT_SECONDS = Histogram(
    "mysetlist_acknowledgement_seconds",
    "From the log to the acknowledgement, one observation for each log entry",
    buckets=SECONDS,
)
INTAKE_WAIT_SECONDS = Histogram("mysetlist_intake_wait_seconds", "Wait of the oldest cast of a round", buckets=SECONDS)
SCRIPT_SECONDS = Histogram("mysetlist_script_seconds", "One round of the vote script", buckets=SECONDS)
SCRIPT_CASTS = Histogram(
    "mysetlist_script_casts",
    "Casts in one round of the vote script",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
)
PENDING_CASTS = _gauge("mysetlist_pending_casts", "Casts waiting for the script or for their commit")
VOTES_COMMITTED = Counter("mysetlist_votes_committed_total", "Votes moved into PostgreSQL by this node's writer")
COMMIT_SECONDS = Histogram("mysetlist_commit_seconds", "One transaction of the writer", buckets=SECONDS)
COMMIT_VOTES = Histogram(
    "mysetlist_commit_votes",
    "Votes in one transaction of the writer, after compaction",
    buckets=(0, 1, 5, 10, 50, 100, 200, 400, 600),
)
WRITER_LAG_MS = Gauge(
    "mysetlist_writer_lag_ms", "Age of the oldest entry in the writer's last batch", multiprocess_mode="livemax"
)
COMMITS_STALLED_SECONDS = Gauge(
    "mysetlist_commits_stalled_seconds",
    "For how long nobody has committed a log that has entries; 0: every log is committed",
    multiprocess_mode="livemax",
)
SHARDS_HELD = _gauge("mysetlist_shards_held", "Shards this node's writer holds")
LOG_RESET_REASONS = ("gone", "behind", "cut", "forked", "log_lost")
LOG_RESETS = Counter("mysetlist_log_resets_total", "Times a shard's hot copy was discarded", ["reason"])
VOTES_REFUSED = Counter(
    "mysetlist_votes_refused_total",
    "Votes that Valkey accepted against the rules, by reason: final, window, played",
    ["reason"],
)
VOTES_LOST = Counter("mysetlist_votes_lost_total", "Accepted casts of this node that Valkey lost before their commit")
SOCKETS = _gauge("mysetlist_sockets", "Open connections by kind: websocket, events", ["kind"])
CLOSES = Counter(
    "mysetlist_closes_total", "Websockets that ended, by close code; 1006: without a close frame", ["code"]
)
LIMITED = Counter("mysetlist_limited_total", "Connections and requests refused because of a limit", ["limit"])
VOTE_GROUPS = Counter("mysetlist_vote_groups_total", "Groups of ballots that look like the work of one hand")
BALLOTS_WATCHED = _gauge("mysetlist_ballots_watched", "Ballots among which this node looks for groups")
OPEN_CONNECTIONS = _gauge("mysetlist_open_connections", "Open connections of clients, idle ones too")
SUBSCRIPTIONS = _gauge("mysetlist_subscriptions", "Subscriptions of open websockets")
FRAMES = Counter("mysetlist_frames_total", "Push frames written to sockets")
FRAMES_SKIPPED = Counter("mysetlist_frames_skipped_total", "Push frames not written because a socket was behind")
PUSH_SECONDS = Histogram(
    "mysetlist_push_seconds", "Time to write one push of a channel to all its subscribers", ["kind"], buckets=SECONDS
)
CONFLATED = Counter("mysetlist_conflated_total", "Changes that were pushed together with the one before", ["kind"])
PUSH_LAG_SECONDS = Histogram(
    "mysetlist_push_lag_seconds",
    "From the commit of a show's votes to the end of their push, by the clocks of the database and this node",
    buckets=SECONDS,
)
NOTIFY_LAG_SECONDS = Histogram(
    "mysetlist_notify_lag_seconds", "From a commit to its notification, by the same two clocks", buckets=SECONDS
)
BUFFER_BYTES = _gauge("mysetlist_buffer_bytes", "Bytes waiting in the buffers of all sockets, read every 5 s")
SOCKETS_BEHIND = _gauge("mysetlist_sockets_behind", "Sockets that skip states, read every 5 s")
LISTENER_RECONNECTS = Counter("mysetlist_listener_reconnects_total", "Reconnects of the listener")
LETTERS = Counter(
    "mysetlist_letters_total", "Emails this node sent, deferred, failed to send or suppressed", ["kind", "outcome"]
)
LETTERS_QUEUED = Counter("mysetlist_letters_queued_total", "Emails that this node queued", ["kind"])
LETTERS_DUE = Gauge(
    "mysetlist_letters_due", "Rows of the mail queue that are due, as last counted", multiprocess_mode="livemax"
)
WEBHOOK_DELIVERIES = Counter(
    "mysetlist_webhook_deliveries_total",
    "Deliveries to webhooks: queued, delivered, failed (they are tried again), dead",
    ["outcome"],
)
WEBHOOK_BEHIND_SECONDS = Gauge(
    "mysetlist_webhook_behind_seconds",
    "Age of the oldest delivery that waits for its webhook, read every 30 s",
    multiprocess_mode="livemax",
)
WEBPUSH_NOTICES = Counter("mysetlist_webpush_notices_total", "Fans whom this node queued a notice for", ["kind"])
WEBPUSH_DELIVERIES = Counter(
    "mysetlist_webpush_deliveries_total",
    "Notices to devices: delivered, later (they are tried again), failed, gone (the device is deleted), dropped (too late)",
    ["outcome"],
)
WEBPUSH_BEHIND_SECONDS = Gauge(
    "mysetlist_webpush_behind_seconds",
    "Age of the oldest notice that is due to a device, read every 30 s",
    multiprocess_mode="livemax",
)
LEDGER_ENTRIES = Counter("mysetlist_ledger_entries_total", "Entries that this node has appended to ledgers")
LEDGER_BEHIND_SECONDS = Gauge(
    "mysetlist_ledger_behind_seconds",
    "Age of the oldest change of votes that is in no signed ledger yet",
    multiprocess_mode="livemax",
)
PROVIDER_REQUESTS = Counter(
    "mysetlist_provider_requests_total", "Requests to providers, by outcome", ["service", "outcome"]
)
PROVIDER_SECONDS = Histogram(
    "mysetlist_provider_seconds", "One request to a provider, until its response", ["service"], buckets=SECONDS
)
PROVIDER_CIRCUIT = Gauge(
    "mysetlist_provider_circuit",
    "1: the circuit of this provider is open, as this node last saw",
    ["service"],
    multiprocess_mode="livemax",
)
SYNC_JOBS = Counter("mysetlist_sync_jobs_total", "Jobs of this node that ended", ["service", "kind", "outcome"])
SERVICE_IN_TROUBLE = Gauge(
    "mysetlist_service_in_trouble",
    "1: this engine or provider is in trouble, as seen by the node that does the chores",
    ["service"],
    multiprocess_mode="livemax",
)
IS_READY = Gauge("mysetlist_ready", "1: this node gets traffic, as /readyz says", multiprocess_mode="livemin")
DISK_FREE_BYTES = Gauge(
    "mysetlist_disk_free_bytes", "Free space where the data dir is, read every second", multiprocess_mode="livemin"
)
VALKEY_MEMORY_BYTES = Gauge(
    "mysetlist_valkey_memory_bytes",
    "Memory of Valkey: used, and limit, its maxmemory; 0: it has no limit",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
BACKUP_AGE_SECONDS = Gauge(
    "mysetlist_backup_age_seconds",
    "Age of the newest backup that `mysetlist backup` noted, read once a minute; 0: none",
    multiprocess_mode="livemax",
)
BACKUP_AGE_MAX_SECONDS = Gauge(
    "mysetlist_backup_age_max_seconds",
    "The age from which on it is overdue, as this node is set",
    multiprocess_mode="livemax",
)
REPLICA_READS = Counter(
    "mysetlist_replica_reads_total", "Reads that could go to the replica, by the server that answered", ["server"]
)
REPLICA_LEFT_OUT = Gauge(
    "mysetlist_replica_left_out", "1: a replica is set, and reads go to the primary", multiprocess_mode="livemax"
)
REPLICA_BEHIND_SECONDS = Gauge(
    "mysetlist_replica_behind_seconds",
    "How long the replica needed to catch up, looked at every second",
    multiprocess_mode="livemax",
)
LEVELS = ("availability", "acknowledgement", "push")
LEVEL_EVENTS = Counter("mysetlist_level_events_total", "Events of a service level", ["level"])
LEVEL_MISSED = Counter("mysetlist_level_missed_total", "Events that missed the objective of a service level", ["level"])
LEVEL_MISSED_MINUTES = Counter(
    "mysetlist_level_missed_minutes_total",
    "Minutes with events that missed the objective of a service level",
    ["level"],
)
LEVEL_BUDGET = Gauge(
    "mysetlist_level_budget",
    "Share of a service level's events that may miss its objective, as this node is set",
    ["level"],
    multiprocess_mode="livemostrecent",
)
MAIL_SERVER_AWAY = Counter("mysetlist_mail_server_away_total", "Times the mail server was unavailable")


CLOCK_AHEAD_SECONDS = Gauge(
    "mysetlist_clock_ahead_seconds",
    "The clock of this engine minus this node's, as last compared",
    ["server"],
    multiprocess_mode="livemostrecent",
)


# A series that appears with its first event has no increase, so an alert on it would miss that event.
for _reason in ("final", "window", "played"):
    VOTES_REFUSED.labels(_reason)
for _reason in LOG_RESET_REASONS:
    LOG_RESETS.labels(_reason)
for _limit in ("wrong_codes", "wrong_codes_show"):
    LIMITED.labels(_limit)
for _level in LEVELS:
    LEVEL_EVENTS.labels(_level)
    LEVEL_MISSED.labels(_level)
    LEVEL_MISSED_MINUTES.labels(_level)


@dataclass(slots=True)
class Failure:
    """Failures of one kind. Takes: action and detail, as in the log; request_id and trace_id, of the newest one, empty: it has
    none; traced_at_s, when a failure outside requests got its trace.
    """

    action: str
    detail: str
    count: int
    last_at_s: float
    request_id: str
    trace_id: str
    traced_at_s: float = 0.0


class Failures:
    """The failures of this process: its log records of errors, and its warnings that name an `error`. Grouped, bounded.

    trace: makes a trace of a failure outside requests out of action, detail and loop, and gives its id; None: traces are off
    """

    def __init__(self) -> None:
        self.trace: Callable[[str, str, str], str] | None = None
        self._groups: dict[tuple[str, str], Failure] = {}  # the newest last
        self.total = 0

    def note(self, _logger: object, level: str, event: EventDict) -> EventDict:
        """Notes a log record that is a failure: a processor of structlog."""
        if level in ("error", "critical") or event.get("error"):
            detail = str(event.get("error") or _raised(event.get("exc_info")))[:FAILURE_CHARS_MAX]
            key = str(event["event"]), detail
            group = self._groups.pop(key, None) or Failure(*key, 0, 0.0, "", "")
            now_s = time.time()
            if self.trace is not None and "request_id" not in event and "trace_id" not in event:
                if now_s - group.traced_at_s >= TRACE_EVERY_S:
                    group.trace_id = self.trace(*key, str(event.get("loop", "")))
                    group.traced_at_s = now_s
                event["trace_id"] = group.trace_id
            group.count += 1
            group.last_at_s = now_s
            group.request_id = str(event.get("request_id", ""))
            group.trace_id = str(event.get("trace_id", ""))
            self._groups[key] = group
            self.total += 1
            if len(self._groups) > FAILURES_KEPT_MAX:
                del self._groups[next(iter(self._groups))]
        return event

    def name_trace(self, trace_id: str) -> bool:
        """Whether the newest failure of a group is of this trace."""
        return any(group.trace_id == trace_id for group in self._groups.values())

    def newest(self, count: int) -> list[Failure]:
        """The newest groups, the newest first."""
        return list(reversed(self._groups.values()))[:count]


def _raised(exc_info: object) -> str:
    """The class of the exception of a record, whose text may hold a user's data."""
    error = exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1] if exc_info else None
    return "" if error is None else type(error).__name__


FAILURES = Failures()


def exposition() -> bytes:
    """All metrics in the text format of Prometheus; with several workers, the metrics of all workers together."""
    if METRICS_FOLDER not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
    return generate_latest(registry)


def configure_logging(log_format: LogFormat, log_level: LogLevel = "info") -> None:
    """Sends the logs from a level on to stderr: one JSON object on each line, or coloured lines at a terminal."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            FAILURES.note,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("action"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # The pool logs a traceback for every failed reconnect; the code that needed the connection logs one line already.
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
