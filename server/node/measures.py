"""The numbers of one second, and the facts that the counters of this node show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.admin.levels import ReadCounts
from server.node.readings import Quantile, Rise, count_of, sum_of, value_of
from server.protocol.levels import Level
from server.protocol.vitals import Fact, Second
from server.telemetry import (
    ACKNOWLEDGEMENT_SECONDS,
    CASTS,
    CLIENT_GONE,
    DISK_FREE_BYTES,
    FAILURES,
    LEDGER_BEHIND_SECONDS,
    LIMITED,
    LISTENER_RECONNECTS,
    LOG_RESETS,
    MAIL_SERVER_AWAY,
    PENDING_CASTS,
    POOL_WAIT_SECONDS,
    PUSH_LAG_SECONDS,
    VALKEY_MEMORY_BYTES,
    VOTES_COMMITTED,
    VOTES_LOST,
    VOTES_REFUSED,
    WRITER_LAG_MS,
)
from server.web.request_log import RequestCounts

_NOT_TAKEN = ("unavailable", "overloaded", "internal")
_CONNECTION_LIMITS = ("files", "connections", "open_connections")
# Of fewer events than these, a share or a quantile says nothing.
OBSERVED_MIN = 200
CASTS_MIN = 20
REQUESTS_MIN = 20
CONNECTIONS_MIN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Numbers of this node that are no metrics, or metrics of the process: each is read once a second."""

    requests: RequestCounts
    pending_casts: Callable[[], int]
    oldest_pending_s: Callable[[], float]
    commits_stalled_s: Callable[[], float]
    watchers: Callable[[], int]
    connections: Callable[[], int]
    behind: Callable[[], int]
    why_misfit: Callable[[], str]
    why_replica_left_out: Callable[[], str]


class Measures:
    """Reads all of it once a second. Cost: about 1 ms a second."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._committed = Rise(lambda: value_of(VOTES_COMMITTED), 1)
        self._has_committed = False
        self._failed = Rise(lambda: FAILURES.total, 1)
        self._acknowledgement = Quantile(ACKNOWLEDGEMENT_SECONDS, 0.99, 1)
        self._push_lag = Quantile(PUSH_LAG_SECONDS, 0.99, 1)
        self._push_lag_minute = Quantile(PUSH_LAG_SECONDS, 0.99, 60, count_min=OBSERVED_MIN)
        self._pool_wait_minute = Quantile(POOL_WAIT_SECONDS, 0.99, 60, count_min=OBSERVED_MIN)
        self._casts = Rise(lambda: sum_of(CASTS, _is_answered), 120)
        self._casts_not_taken = Rise(lambda: sum_of(CASTS, _NOT_TAKEN.__contains__), 120)
        self._requests = Rise(lambda: parts.requests.all, 120)
        self._requests_failed = Rise(lambda: parts.requests.failed, 120)
        self._mail_away = Rise(lambda: value_of(MAIL_SERVER_AWAY), 120)
        self._rises = {
            "votes_lost": Rise(lambda: value_of(VOTES_LOST), 600),
            "votes_refused_late": Rise(lambda: sum_of(VOTES_REFUSED, bool), 600),
            "hot_copy_resets": Rise(lambda: sum_of(LOG_RESETS, bool), 600),
            "listener_reconnects": Rise(lambda: value_of(LISTENER_RECONNECTS), 600),
            "reads_refused": Rise(lambda: sum_of(LIMITED, lambda limit: limit.startswith("turns_")), 60),
            "codes_guessed": Rise(lambda: sum_of(LIMITED, lambda limit: limit.startswith("wrong_codes")), 600),
        }
        self._refused = {limit: Rise(_reader_of(limit), 60) for limit in _CONNECTION_LIMITS}

    def connection_count(self) -> int:
        """Open websockets and event streams."""
        return self._parts.connections()

    def second(self) -> Second:
        """The numbers since the last call. Call it once a second."""
        committed = round(self._committed.take())
        self._has_committed = committed > 0
        return Second(
            committed_votes=committed,
            acknowledgement_p99_ms=self._acknowledgement.take_ms(),
            oldest_uncommitted_ms=round(max(self._parts.oldest_pending_s(), self._parts.commits_stalled_s()) * 1000),
            push_lag_p99_ms=self._push_lag.take_ms(),
            watchers=self._parts.watchers(),
            sockets_behind=self._parts.behind(),
            errors=round(self._failed.take()),
        )

    def facts(self) -> list[Fact]:
        """What the counters show. Call it once a second, after `second`."""
        connections, behind = self._parts.connections(), self._parts.behind()
        limit_bytes = value_of(VALKEY_MEMORY_BYTES, "limit")
        misfit, left_out = self._parts.why_misfit(), self._parts.why_replica_left_out()
        refused = {limit: rise.take() for limit, rise in self._refused.items()}
        full = [limit for limit, count in refused.items() if count]
        pending_casts = self._parts.pending_casts()
        PENDING_CASTS.set(pending_casts)
        failure = next((one.detail for one in FAILURES.newest(50) if one.action == "mail.waiting"), "")
        return [
            Fact("valkey_memory_share", value_of(VALKEY_MEMORY_BYTES, "used") / limit_bytes if limit_bytes else 0.0),
            Fact("disk_free_bytes", value_of(DISK_FREE_BYTES)),
            Fact("node_misfits", float(bool(misfit)), detail=misfit),
            Fact("commits_stalled_s", self._parts.commits_stalled_s()),
            # The metric keeps the lag of the last batch, however long ago that was.
            Fact("writer_lag_ms", value_of(WRITER_LAG_MS) if self._has_committed else 0.0),
            Fact("ledger_behind_s", round(value_of(LEDGER_BEHIND_SECONDS), 1)),
            Fact("pending_casts", pending_casts),
            Fact("casts_not_taken_share", _share(self._casts_not_taken.take(), self._casts.take(), CASTS_MIN)),
            Fact("requests_failed_share", _share(self._requests_failed.take(), self._requests.take(), REQUESTS_MIN)),
            Fact("push_lag_p99_ms", self._push_lag_minute.take_ms() or 0.0),
            Fact("behind_share", _share(behind, connections, CONNECTIONS_MIN)),
            Fact("pool_wait_p99_ms", self._pool_wait_minute.take_ms() or 0.0),
            Fact("connections_refused", sum(refused.values()), detail=", ".join(full)),
            Fact("replica_left_out", float(bool(left_out)), detail=left_out),
            Fact("mail_away", self._mail_away.take(), detail=failure),
            *(Fact(name, rise.take()) for name, rise in self._rises.items()),
        ]


def level_counts(levels: Sequence[Level]) -> ReadCounts:
    """Reads the events of each service level, and those that missed its objective, from this node's metrics."""
    histograms = {"acknowledgement": ACKNOWLEDGEMENT_SECONDS, "push": PUSH_LAG_SECONDS}

    def count(level: Level) -> tuple[int, int]:
        if level.limit_ms is None:
            return round(sum_of(CASTS, _is_answered)), round(sum_of(CASTS, _NOT_TAKEN.__contains__))
        events, good = count_of(histograms[level.name], level.limit_ms)
        return events, events - good

    return lambda: {level.name: count(level) for level in levels}


def _is_answered(outcome: str) -> bool:
    return outcome != CLIENT_GONE


def _reader_of(limit: str) -> Callable[[], float]:
    return lambda: sum_of(LIMITED, lambda one: one.startswith(limit))


def _share(part: float, whole: float, whole_min: int) -> float:
    return part / whole if whole >= whole_min else 0.0
