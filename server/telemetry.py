"""Logs and metrics: every log record has an `action` spelled `noun.verb` and its ids as fields."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog
from prometheus_client import Counter, Gauge, Histogram

LogFormat = Literal["auto", "json", "console"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

CASTS = Counter("mysetlist_casts_total", "Casts answered, by outcome", ["outcome"])
ACKNOWLEDGEMENT_SECONDS = Histogram(
    "mysetlist_acknowledgement_seconds",
    "From the log to the acknowledgement, one observation a log entry",
    buckets=_SECONDS,
)
SCRIPT_SECONDS = Histogram("mysetlist_script_seconds", "One round of the vote script", buckets=_SECONDS)
SCRIPT_CASTS = Histogram(
    "mysetlist_script_casts",
    "Casts in one round of the vote script",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
)
PENDING_CASTS = Gauge("mysetlist_pending_casts", "Casts waiting for the script or for their commit")
VOTES_COMMITTED = Counter("mysetlist_votes_committed_total", "Votes moved into PostgreSQL by this node's writer")
COMMIT_SECONDS = Histogram("mysetlist_commit_seconds", "One transaction of the writer", buckets=_SECONDS)
WRITER_LAG_MS = Gauge("mysetlist_writer_lag_ms", "Age of the oldest entry in the writer's last batch")
SHARDS_HELD = Gauge("mysetlist_shards_held", "Shards this node's writer holds")
LOG_RESETS = Counter(
    "mysetlist_log_resets_total", "Times a shard's hot copy was thrown away and begun anew", ["reason"]
)
VOTES_LOST = Counter("mysetlist_votes_lost_total", "Accepted casts of this node that Valkey lost before their commit")
SOCKETS = Gauge("mysetlist_sockets", "Open websockets")
LIMITED = Counter("mysetlist_limited_total", "Connections and requests refused because of a limit", ["limit"])
SUBSCRIPTIONS = Gauge("mysetlist_subscriptions", "Subscriptions of open websockets")
FRAMES = Counter("mysetlist_frames_total", "Push frames written to sockets")
FRAMES_SKIPPED = Counter("mysetlist_frames_skipped_total", "Push frames not written because a socket was behind")
PUSHES = Counter("mysetlist_pushes_total", "Pushes of a channel's state, whatever the number of its subscribers")
PUSH_LAG_SECONDS = Histogram(
    "mysetlist_push_lag_seconds",
    "From the commit of a show's votes to the end of the push that tells of them, on the database's and this node's clocks",
    buckets=_SECONDS,
)
NOTIFY_LAG_SECONDS = Histogram(
    "mysetlist_notify_lag_seconds", "From a commit to its notification, on the same two clocks", buckets=_SECONDS
)
BUFFER_BYTES = Gauge("mysetlist_buffer_bytes", "Bytes waiting in the buffers of all sockets, looked at every 5 s")
LISTENER_RECONNECTS = Counter("mysetlist_listener_reconnects_total", "Times the listener had to connect again")
LETTERS = Counter(
    "mysetlist_letters_total", "Letters this node sent, deferred, failed to send or suppressed", ["kind", "outcome"]
)
LETTERS_QUEUED = Counter("mysetlist_letters_queued_total", "Things to say that this node queued", ["kind"])
LETTERS_DUE = Gauge("mysetlist_letters_due", "Rows of the mail queue whose time has come, as last counted")
PROVIDER_REQUESTS = Counter(
    "mysetlist_provider_requests_total", "Questions to providers, by what became of them", ["service", "outcome"]
)
MAIL_SERVER_AWAY = Counter("mysetlist_mail_server_away_total", "Times the mail server could not be used at all")


def configure_logging(log_format: LogFormat) -> None:
    """Sends all logs to stderr: one JSON object a line, or coloured lines for a person at a terminal."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("action"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # The pool tells of every failed attempt to reconnect, with a traceback; whoever needed the connection says it in a line.
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
