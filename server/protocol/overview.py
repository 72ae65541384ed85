"""The documents of the page Now: `GET /api/admin/overview`, the channel `overview`, and `GET /api/admin/errors`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from server.protocol.levels import BudgetWindow, LevelName
from server.protocol.vitals import ErrorGroup, History, Second, State

Severity = Literal["critical", "warning", "info"]
Actor = Literal["staff", "operator"]
WithHistory = Annotated[bool, msgspec.Meta(description="Whether the last hour of all nodes is asked for too.")]


class OverviewQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of `GET /api/admin/overview`."""

    history: WithHistory = True


class ConsoleButton(msgspec.Struct, frozen=True, kw_only=True):
    """A button of the console: its text, and the page that it opens."""

    label: str
    page: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong: its row in the runbook, the cause and the act as sentences; `by`: who does the act, staff on
    the console or the operator of the servers. `button` null: the console has no page for it.
    """

    name: str
    severity: Severity
    cause: str
    act: str
    by: Actor
    button: ConsoleButton | None


class VerdictSentence(msgspec.Struct, frozen=True, kw_only=True):
    """The one sentence: the first finding, or that all is well."""

    level: Literal["well"] | Severity
    sentence: str
    act: str
    by: Actor
    button: ConsoleButton | None


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A node, as it told last. `state` silent: it has told nothing for seconds and was not stopped."""

    node: str
    state: State | Literal["silent"]
    reasons: list[str]
    version: str
    started_at: dt.datetime
    seen_at: dt.datetime
    shards_held: int
    connection_count: int
    figures: Second


class ServiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """An engine or a provider; `status` null: nobody has asked it lately."""

    service: str
    kind: Literal["engine", "provider"]
    status: Literal["ok", "degraded", "down"] | None
    detail: str
    seen_at: dt.datetime | None
    availability_24h: float | None
    latency_mean_ms: float | None


class LiveShow(msgspec.Struct, frozen=True, kw_only=True):
    """A show that is live, or an upcoming one with open voting and suspicion; `votes_per_s` null: not known yet; `suspicion`: groups that look like cheats."""

    id: int
    slug: str
    name: str
    status: Literal["live", "upcoming"]
    artist: str
    venue: str
    votes: int
    votes_per_s: float | None
    suspicion: int


class Burn(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as fast as allowed a budget was used over a window that ends now; null: there were no events.
    `missed_minutes`: the minutes in which events missed the objective.
    """

    window: BudgetWindow
    burn: float | None
    missed_count: int
    missed_minutes: int


class LevelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A service level of all nodes. `objective`: the share of events that must be good, over `days_counted` days; `since`: the first
    minute with an event; `budget_left`: the share of the budget of misses that is left, below 0: it is overdrawn; null: there
    were no events. `burn_by_day`: the oldest day first, each 24 hours long and the last one until now.
    """

    name: LevelName
    words: str
    objective: float
    days_counted: int
    since: dt.datetime | None
    event_count: int
    missed_count: int
    budget_left: float | None
    burns: list[Burn]
    burn_by_day: list[float | None]


class ErrorRow(ErrorGroup, frozen=True, kw_only=True):
    """Failures of one kind on all nodes, with the ids of the newest request and of its trace."""

    nodes: list[str]


class ActRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the audit log; `actor` null: a command."""

    at: dt.datetime
    actor: int | None
    action: str
    subject: str


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The page Now. Moderators get what they may act on; the other lists are null. `findings`: causes before their
    consequences; `seen_at`: when, by Valkey's clock; `is_complete` false: only the node that answers is known; `levels` empty:
    PostgreSQL, which keeps them, does not answer; `is_traced` false: traces are off, so errors have no trace id; `history` null: not asked for, or not for this role.
    """

    seen_at: dt.datetime
    is_complete: bool
    verdict: VerdictSentence
    findings: list[Finding]
    figures: Second
    nodes: list[NodeRow] | None
    services: list[ServiceRow] | None
    levels: list[LevelRow] | None
    shows: list[LiveShow]
    errors: list[ErrorRow] | None
    acts: list[ActRow] | None
    is_traced: bool
    history: History | None = None


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """The failures that nodes have logged since their start, the newest first; `is_complete` and `is_traced` as in the
    overview.
    """

    items: list[ErrorRow]
    is_complete: bool
    is_traced: bool
