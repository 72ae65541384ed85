"""What a node tells of itself once a second, and the facts by which verdicts are reached; data only."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

# What the verdicts (server/admin/verdicts.py) compare with their thresholds. A node finds these about itself.
NODE_FACTS = {
    "postgres_away_s": "how long PostgreSQL has not answered this node",
    "valkey_away_s": "how long Valkey has not answered this node",
    "valkey_refuses": "1: Valkey answers, but takes no writes",
    "valkey_memory_share": "memory of Valkey, as a share of its limit",
    "disk_free_bytes": "free space where the node keeps its data",
    "clock_difference_s": "the largest difference between the clocks of this node, PostgreSQL and Valkey",
    "node_misfits": "1: the schema or the secret is not this node's",
    "listener_away_s": "how long the listening connection has been lost while PostgreSQL answers",
    "commits_stalled_s": "how long nobody has committed a log that has entries",
    "writer_lag_ms": "age of the oldest entry in the writer's last batch",
    "ledger_behind_s": "age of the oldest change of votes that is in no signed ledger",
    "pending_casts": "casts that wait for Valkey or PostgreSQL",
    "casts_not_taken_share": "casts of the last two minutes that were refused because of this service's state",
    "requests_failed_share": "requests of the last two minutes that failed with a server error",
    "push_lag_p99_ms": "time from commit to push of one push in a hundred, over the last minute",
    "behind_share": "connections that skip states, as a share of all",
    "pool_wait_p99_ms": "wait for a connection to PostgreSQL of one request in a hundred, over the last minute",
    "votes_lost": "accepted votes of the last ten minutes that Valkey lost",
    "votes_refused_late": "votes of the last ten minutes that PostgreSQL refused",
    "hot_copy_resets": "resets of a shard's hot copy in the last ten minutes",
    "listener_reconnects": "reconnects of the listener in the last ten minutes",
    "connections_refused": "connections that a limit refused in the last minute",
    "reads_refused": "reads that a limit refused in the last minute",
    "codes_guessed": "ticket codes refused in the last ten minutes because too many were wrong",
    "mail_away": "attempts of the last two minutes that found the mail server unusable",
    "replica_left_out": "1: a replica is set, and reads go to the primary",
    "node_draining": "1: the node stops in order",
    "node_not_ready": "1: the node gets no traffic for another reason",
}
# The node that answers finds these about the whole service.
FLEET_FACTS = {
    "node_silent_s": "how long a node has told nothing, though it was not stopped",
    "shards_unheld": "shards that no node's writer holds",
    "postgres_connections_share": "connections to PostgreSQL, as a share of its limit",
    "statement_s": "how long the longest statement has been running",
    "key_refused": "1: a provider does not accept our key",
    "provider_left_alone": "1: a provider fails, and no node asks it for now",
    "service_in_trouble": "1: an engine or provider gives bad answers or none",
    "budget_burn_1h": "how many times as fast as allowed a service level used its budget, over 1 h and over 5 min: the lesser",
    "budget_burn_6h": "the same, over 6 h and over 30 min",
    "budget_burn_3d": "the same, over 3 days and over 6 h",
    "backup_overdue_h": "hours by which the newest backup is older than it may be; 0: none was ever noted",
    "group_ballots": "ballots of a show with open voting that look like the work of one hand, and nobody has decided on them",
    "webhook_behind_s": "age of the oldest event that waits for its webhook",
}

State = Literal["ready", "not ready", "draining", "stopped"]


class Fact(msgspec.Struct, frozen=True):
    """Something measured now: its name, its value, what it is about, and the reason in words where there is one."""

    name: str
    value: float
    subject: str = ""
    detail: str = ""


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """A node's numbers of one second; null: nothing to measure."""

    committed_votes: int
    acknowledgement_p99_ms: float | None
    oldest_uncommitted_ms: float
    push_lag_p99_ms: float | None
    watchers: int
    sockets_behind: int
    errors: int


# The steps of a history, and how the seconds of a step, and the nodes of a fleet, are put together.
STEP_S = 10
STEPS = 360
MEANS = ("committed_votes", "errors")  # of the seconds of a step; of the others the worst second is kept
SUMS = (
    "committed_votes",
    "watchers",
    "sockets_behind",
    "errors",
)  # over the nodes; of the others the worst node is kept


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour, in steps of `step_s`, the oldest first; null: nothing was measured. `until`: the end of the last step."""

    step_s: int
    until: dt.datetime
    committed_votes: list[float | None]
    acknowledgement_p99_ms: list[float | None]
    oldest_uncommitted_ms: list[float | None]
    push_lag_p99_ms: list[float | None]
    watchers: list[float | None]
    sockets_behind: list[float | None]
    errors: list[float | None]


class ErrorGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Failures of one kind: `action` as in the log, the newest one's request and trace (empty: it has none), and how often it
    came since the node's start.
    """

    action: str
    detail: str
    count: int
    last_at: dt.datetime
    request_id: str = ""
    trace_id: str = ""


class NodeVitals(msgspec.Struct, frozen=True, kw_only=True):
    """What a node tells of itself once a second. `seen_at` is by Valkey's clock, so that the clocks of nodes may differ."""

    node: str
    version: str
    seen_at: dt.datetime
    started_at: dt.datetime
    state: State
    reasons: list[str]
    shards_held: int
    connection_count: int
    second: Second
    facts: list[Fact]
    errors: list[ErrorGroup]
