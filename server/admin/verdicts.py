"""The table of verdicts: what can be wrong, how it is seen, why, and what to do.

The Now page of the console, docs/alerts.yml and docs/runbook.md come from this table. `make verdicts` writes
both files, and a test compares them. A row comes before the rows of its consequences: the page names the first one that holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from server.protocol.identity import Role
from server.protocol.levels import BURN_PAIRS
from server.protocol.overview import Actor, Severity
from server.protocol.vitals import Fact


class Button(NamedTuple):
    """What the page offers: the name of an act, and the page of the console where it is done."""

    label: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row.

    Takes: name, of the alert and in the runbook; fact, of protocol/vitals.py, which the page compares with `limit`;
           is_below, it holds below the limit instead of above; expr, of Prometheus, None: there is no alert; {limit} in it
           stands for the limit; lasts, for how long it must hold before Prometheus alerts; symptom and act, sentences;
           cause, one too, in which {subject}, {value} and {detail} are those of the fact; button, None: the act is a
           command; by, who does the act: staff on the console, or the operator, who has the servers, their settings and
           logs; role, the least that can act
    """

    name: str
    severity: Severity
    fact: str
    limit: float
    symptom: str
    cause: str
    act: str
    is_below: bool = False
    expr: str | None = None
    lasts: str | None = None
    button: Button | None = None
    by: Actor = "operator"
    role: Role = "admin"

    def holds(self, fact: Fact) -> bool:
        """Whether a fact of this name is past the limit."""
        return fact.value < self.limit if self.is_below else fact.value > self.limit


class Found(NamedTuple):
    """A verdict that holds, and the facts that show it, the worst one first."""

    verdict: Verdict
    facts: list[Fact]

    @property
    def cause(self) -> str:
        """The cause, about the worst fact."""
        worst = self.facts[0]
        value = f"{worst.value:,.1f}".removesuffix(".0")
        return self.verdict.cause.format(subject=worst.subject, value=value, percent=f"{worst.value:.0%}",
                                         detail=worst.detail)  # fmt: skip


def verdicts_of(facts: Iterable[Fact]) -> list[Found]:
    """The verdicts that hold, causes before their consequences."""
    by_name: dict[str, list[Fact]] = {}
    for fact in facts:
        by_name.setdefault(fact.name, []).append(fact)
    found = []
    for verdict in VERDICTS:
        holding = [fact for fact in by_name.get(verdict.fact, []) if verdict.holds(fact)]
        if holding:
            found.append(Found(verdict, sorted(holding, key=lambda fact: fact.value, reverse=not verdict.is_below)))
    return found


# Of a level, only the most urgent burn (server/protocol/levels.py) is a verdict.
_BURN_CAUSE = "The error budget of {subject} burns at {value} times the allowed pace: {detail}."
_FAST, _MEDIUM, _SLOW = BURN_PAIRS
_DATABASE = Button("Open the database page", "database")
_CONNECTIONS = Button("Open the connections", "connections")
_SYNC = Button("Open the sync page", "sync")
_ABUSE = Button("Open the abuse page", "abuse")
_WEBHOOKS = Button("Open the webhooks", "webhooks")

VERDICTS: tuple[Verdict, ...] = (
    Verdict(
        name="PostgresConnectionsFull", severity="critical", fact="postgres_connections_share", limit=0.95,
        symptom="PostgreSQL refuses new connections.",
        cause="PostgreSQL has nearly all the connections that max_connections allows ({percent}).",
        act="Stop what holds them (`select * from pg_stat_activity`), or raise max_connections and restart PostgreSQL.",
        button=_DATABASE,
    ),
    Verdict(
        name="PostgresAway", severity="critical", fact="postgres_away_s", limit=1.5,
        symptom="Votes are accepted and not committed; new voters wait.",
        cause="PostgreSQL does not answer. {detail}",
        act="Start PostgreSQL, and look at its log. Accepted votes are committed as soon as it answers.",
    ),
    Verdict(
        name="ValkeyRefuses", severity="critical", fact="valkey_refuses", limit=0,
        symptom="Votes are refused as unavailable, though Valkey answers.",
        cause="{detail}.",
        act="OOM: raise maxmemory. READONLY: point REDIS_URL at the primary. MISCONF: free space on its disk.",
    ),
    Verdict(
        name="ValkeyAway", severity="critical", fact="valkey_away_s", limit=1.5,
        symptom="Votes are refused as unavailable; counts stand still.",
        cause="Valkey does not answer. {detail}",
        act="Start Valkey, and look at its log. Nodes rebuild its data from PostgreSQL.",
    ),
    Verdict(
        name="DiskNearlyFull", severity="critical", fact="disk_free_bytes", limit=1e9, is_below=True,
        expr="min(mysetlist_disk_free_bytes) < {limit}", lasts="1m",
        symptom="Less than 1 GB is free where a node keeps its data.",
        cause="The disk of node {subject} is nearly full: {value} bytes are free.",
        act="Free space: old backups and logs first. PostgreSQL stops when the disk is full.",
    ),
    Verdict(
        name="ValkeyMemoryNearlyFull", severity="critical", fact="valkey_memory_share", limit=0.8,
        expr='max(mysetlist_valkey_memory_bytes{{kind="used"}})\n'
        '  > {limit} * max(mysetlist_valkey_memory_bytes{{kind="limit"}} > 0)', lasts="1m",
        symptom="Valkey uses more than four fifths of maxmemory. When it is full, it refuses votes.",
        cause="Valkey uses {percent} of maxmemory.",
        act="Raise maxmemory: `valkey-cli config set maxmemory 2gb`, and in its configuration.",
    ),
    Verdict(
        name="NodeMisfits", severity="critical", fact="node_misfits", limit=0,
        symptom="A node is not ready, though its engines answer.",
        cause="Node {subject}: {detail}.",
        act="Upgrade the node, or give all nodes one MYSETLIST_SECRET. `mysetlist doctor` checks both.",
    ),
    Verdict(
        name="ClocksDiffer", severity="warning", fact="clock_difference_s", limit=1,
        expr="max(mysetlist_clock_ahead_seconds) > {limit} or min(mysetlist_clock_ahead_seconds) < -{limit}", lasts="1m",
        symptom="The clocks of nodes, PostgreSQL and Valkey differ by more than a second: windows open and close at a wrong time.",
        cause="The clocks of node {subject} and its engines differ by {value} s. {detail}",
        act="Synchronise them with NTP: `timedatectl set-ntp true`.",
    ),
    Verdict(
        name="StatementSlow", severity="warning", fact="statement_s", limit=3,
        symptom="Requests wait behind one statement.",
        cause="A statement has been running for {value} s. {detail}",
        act="Let it end, or end it: `select pg_cancel_backend(PID)`. Look for a missing index.",
        button=_DATABASE,
    ),
    Verdict(
        name="ListenerCut", severity="critical", fact="listener_away_s", limit=1.5,
        symptom="Counts move late, though votes are committed.",
        cause="Node {subject} has lost its listening connection to PostgreSQL, which answers otherwise.",
        act="Look between them: a pooler in transaction mode, or a firewall that cuts idle connections.",
    ),
    Verdict(
        name="CommitsStalled", severity="critical", fact="commits_stalled_s", limit=2,
        expr="max(mysetlist_commits_stalled_seconds) > {limit}", lasts="10s",
        symptom="Accepted votes wait and no node commits them.",
        cause="The writer is stuck: accepted votes have waited for {value} s, and nobody commits them.",
        act="Search the logs for commits.stalled and writer.waiting. Restart the node that holds the shards.",
    ),
    Verdict(
        name="NodeDown", severity="critical", fact="node_silent_s", limit=3,
        expr='up{{job="mysetlist"}} == 0 or absent(up{{job="mysetlist"}})', lasts="1m",
        symptom="Prometheus cannot scrape a node (job: mysetlist), or none is configured.",
        cause="Node {subject} has told nothing for {value} s, and it was not stopped.",
        act="Start it again. Its votes are safe: another node commits them.",
    ),
    Verdict(
        name="NodeNotReady", severity="critical", fact="node_not_ready", limit=0,
        expr="mysetlist_ready == 0", lasts="1m",
        symptom="A node is not ready: it gets no traffic.",
        cause="Node {subject} is not ready: {detail}.",
        act="GET /readyz and the log record node.not_ready give the reasons.",
    ),
    Verdict(
        name="ShardsWithoutWriter", severity="critical", fact="shards_unheld", limit=0,
        expr="sum(mysetlist_shards_held) < 16", lasts="1m",
        symptom="Some shards have no writer: nodes accept their votes but do not commit them.",
        cause="No node's writer holds {value} of the shards.",
        act="Search the logs for writer.waiting. Restart a node when this lasts.",
    ),
    Verdict(
        name="VotesLost", severity="critical", fact="votes_lost", limit=0,
        expr="increase(mysetlist_votes_lost_total[10m]) > {limit}",
        symptom="Valkey lost accepted votes before their commit.",
        cause="Valkey lost {value} accepted votes of node {subject} before their commit.",
        act="Search the log for votes.lost. Let Valkey write its log to a disk (`appendonly yes`).",
    ),
    Verdict(
        name="CastsPileUp", severity="critical", fact="pending_casts", limit=10_000,
        expr="sum(mysetlist_pending_casts) > {limit}", lasts="1m",
        symptom="More than 10,000 casts wait for Valkey or PostgreSQL.",
        cause="{value} casts wait on node {subject}.",
        act="Look at the engines on the Now page. Add a node when its processor is busy.",
    ),
    Verdict(
        name="WriterBehind", severity="warning", fact="writer_lag_ms", limit=5000,
        expr="max(mysetlist_writer_lag_ms) > {limit} and sum(rate(mysetlist_votes_committed_total[1m])) > 0", lasts="1m",
        symptom="Votes wait more than 5 s for their commit.",
        cause="The writer of node {subject} is {value} ms behind.",
        act="Look at PostgreSQL's disk and at slow statements.",
        button=_DATABASE,
    ),
    Verdict(
        name="PoolExhausted", severity="warning", fact="pool_wait_p99_ms", limit=500,
        expr="histogram_quantile(0.99, sum by (le, pool) (rate(mysetlist_pool_wait_seconds_bucket[5m]))) * 1000 > {limit}",
        lasts="5m",
        symptom="Requests wait for a connection to PostgreSQL.",
        cause="Requests of node {subject} wait {value} ms for a connection to PostgreSQL.",
        act="Look at slow statements and locks. Add a node when PostgreSQL is idle.",
        button=_DATABASE,
    ),
    Verdict(
        name="KeyRefused", severity="warning", fact="key_refused", limit=0,
        symptom="Sync jobs of one provider fail.",
        cause="{subject} does not accept our key: {detail}.",
        act="Get a new key from the provider, set it in the settings of the nodes, and restart them.",
        button=_SYNC,
    ),
    Verdict(
        name="ProviderLeftAlone", severity="warning", fact="provider_left_alone", limit=0,
        expr="max by (service) (mysetlist_provider_circuit) > {limit}", lasts="30m",
        symptom="A provider fails or refuses our requests; no node asks it for now.",
        cause="{subject} fails: {detail}. No node asks it for now.",
        act="Wait: nodes ask it again by themselves. Its status page may say more.",
        by="staff", button=_SYNC,
    ),
    Verdict(
        name="MailServerAway", severity="warning", fact="mail_away", limit=0,
        expr="increase(mysetlist_mail_server_away_total[30m]) > {limit} and max(mysetlist_letters_due) > 100", lasts="30m",
        symptom="Emails wait, and the mail server is unusable.",
        cause="The mail server refuses node {subject} or does not answer. {detail}",
        act="Check SMTP_URL: address, user and password. Waiting emails are sent afterwards.",
    ),
    Verdict(
        name="LedgerLate", severity="warning", fact="ledger_behind_s", limit=5,
        expr="max(mysetlist_ledger_behind_seconds) > {limit}", lasts="10s",
        symptom="Committed votes are not in the public ledger within a second.",
        cause="The ledger of node {subject} is {value} s behind the votes.",
        act="Search the logs for ledger.turn_lost and ledger.waiting. Votes are safe; the ledger catches up by itself.",
    ),
    Verdict(
        name="WebhooksPileUp", severity="warning", fact="webhook_behind_s", limit=600,
        expr="max(mysetlist_webhook_behind_seconds) > {limit}", lasts="1m",
        symptom="Events for a webhook have waited for more than 10 minutes.",
        cause="The webhook {subject} gets nothing: its oldest event has waited for {value} s. {detail}",
        act="Ask its owner, press Test, or disable it. What waits is sent by itself when it answers again.",
        by="staff", button=_WEBHOOKS,
    ),
    Verdict(
        name="ServiceInTrouble", severity="warning", fact="service_in_trouble", limit=0,
        expr="max by (service) (mysetlist_service_in_trouble) > {limit}", lasts="10m",
        symptom="An engine or provider gives bad answers or none.",
        cause="{subject} is in trouble: {detail}.",
        act="Look at its row on the Now page, and at its log.",
        button=_DATABASE,
    ),
    Verdict(
        name="VoteGroup", severity="warning", fact="group_ballots", limit=0,
        expr="increase(mysetlist_vote_groups_total[10m]) > {limit}",
        symptom="Ballots of a show are alike as no crowd's are.",
        cause="{value} ballots look like the work of one hand: {subject}. They count until somebody decides.",
        act="Read the reasons, and set the group aside or let it count.",
        button=_ABUSE, by="staff", role="moderator",
    ),
    Verdict(
        name="TicketCodesGuessed", severity="warning", fact="codes_guessed", limit=0,
        expr='sum(increase(mysetlist_limited_total{{limit=~"wrong_codes.*"}}[10m])) > {limit}',
        symptom="An address or a show is over its budget of wrong ticket codes.",
        cause="Somebody may be guessing ticket codes at node {subject}: too many were wrong.",
        act="Nothing at once: the limit holds. Make longer codes when it goes on.",
        by="staff",
    ),
    Verdict(
        name="ConnectionsRefused", severity="warning", fact="connections_refused", limit=0,
        expr='sum by (limit) (rate(mysetlist_limited_total{{limit=~"files|connections|open_connections.*|'
        'connections_per_address"}}[5m])) > {limit}', lasts="5m",
        symptom="Connections are refused.",
        cause="Node {subject} refuses connections, because a limit is full: {detail}.",
        act="Raise the limit, add a node, or block the address that has too many.",
        button=_CONNECTIONS,
    ),
    Verdict(
        name="ReadsRefused", severity="warning", fact="reads_refused", limit=60,
        expr='sum by (limit) (increase(mysetlist_limited_total{{limit=~"turns_.*"}}[1m])) > {limit}', lasts="5m",
        symptom="Reads are refused, because too many come at the same time.",
        cause="Node {subject} has refused {value} reads in the last minute: too many come at the same time.",
        act="Add a node, or block who floods this one.",
        button=_CONNECTIONS,
    ),
    Verdict(
        name="CastsNotTaken", severity="critical", fact="casts_not_taken_share", limit=0.05,
        expr='sum(rate(mysetlist_casts_total{{outcome=~"unavailable|overloaded|internal"}}[2m]))\n'
        '  > {limit} * sum(rate(mysetlist_casts_total{{outcome!="gone"}}[2m]))', lasts="1m",
        symptom="More than one cast in twenty, over websockets and HTTP, is refused because of this service's state.",
        cause="Node {subject} refuses {percent} of the casts because of this service's state.",
        act="Look at the engines and the errors on the Now page.",
    ),
    Verdict(
        name="RequestsFail", severity="critical", fact="requests_failed_share", limit=0.05,
        expr='sum(rate(mysetlist_request_seconds_count{{status=~"5.."}}[5m]))\n'
        "  > {limit} * sum(rate(mysetlist_request_seconds_count[5m]))", lasts="5m",
        symptom="More than one request in twenty fails with a server error.",
        cause="{percent} of the requests at node {subject} fail with a server error.",
        act="Look at the errors on the Now page, and search the log for their request ids.",
    ),
    Verdict(
        name="WatchersBehind", severity="warning", fact="push_lag_p99_ms", limit=500,
        expr="histogram_quantile(0.99, sum by (le) (rate(mysetlist_push_lag_seconds_bucket[5m]))) * 1000 > {limit}",
        lasts="5m",
        symptom="One push in a hundred takes more than 0.5 s from its commit to its watchers.",
        cause="Node {subject} needs {value} ms from a commit to its watchers.",
        act="Add a node: the processor of this one may be busy.",
        button=_CONNECTIONS,
    ),
    Verdict(
        name="BudgetBurnsFast", severity="critical", fact="budget_burn_1h", limit=_FAST.limit,
        expr="mysetlist:burns:1h",
        symptom="At this pace, a service level uses the error budget of 30 days in two days.",
        cause=_BURN_CAUSE,
        act="Mend what the other rows name. Without one, look at the engines and the errors on the Now page.",
    ),
    Verdict(
        name="BudgetBurns", severity="critical", fact="budget_burn_6h", limit=_MEDIUM.limit,
        expr="mysetlist:burns:6h unless mysetlist:burns:1h",
        symptom="At this pace, a service level uses the error budget of 30 days in five days.",
        cause=_BURN_CAUSE,
        act="Mend what the other rows name. Without one, look at the charts of the Now page for when it began.",
    ),
    Verdict(
        name="SlowClients", severity="warning", fact="behind_share", limit=0.05,
        expr="sum(mysetlist_sockets_behind) > {limit} * sum(mysetlist_sockets)", lasts="5m",
        symptom="More than one connection in twenty is too slow for its pushes.",
        cause="{percent} of the connections of node {subject} are too slow for their pushes.",
        act="Nothing at once: they skip states and lose nothing. Look at the venue's network.",
        by="staff", button=_CONNECTIONS,
    ),
    Verdict(
        name="HotCopyReset", severity="warning", fact="hot_copy_resets", limit=0,
        expr="sum by (reason) (increase(mysetlist_log_resets_total[10m])) > {limit}",
        symptom="A node reset a shard's hot copy: Valkey lost data or was emptied.",
        cause="Node {subject} reset {value} hot copies: Valkey lost data or was emptied.",
        act="Look at Valkey's log. Nothing that was committed is lost.",
    ),
    Verdict(
        name="VotesRefusedLate", severity="warning", fact="votes_refused_late", limit=0,
        expr="sum by (reason) (increase(mysetlist_votes_refused_total[10m])) > {limit}",
        symptom="Valkey accepted votes against the rules, and PostgreSQL refused them.",
        cause="PostgreSQL refused {value} votes that Valkey had accepted.",
        act="Search the log for votes.refused. It comes from a show whose rules changed at that moment.",
    ),
    Verdict(
        name="NoNotifications", severity="warning", fact="listener_reconnects", limit=3,
        expr="increase(mysetlist_listener_reconnects_total[10m]) > {limit}",
        symptom="A node repeatedly loses its listening connection to PostgreSQL.",
        cause="Node {subject} has lost its listening connection {value} times in ten minutes.",
        act="Look between them: a pooler in transaction mode, or a firewall that cuts idle connections.",
    ),
    Verdict(
        name="BudgetBurnsSlowly", severity="warning", fact="budget_burn_3d", limit=_SLOW.limit,
        expr="mysetlist:burns:3d unless mysetlist:burns:6h unless mysetlist:burns:1h",
        symptom="At this pace, the error budget of a service level does not last 30 days.",
        cause=_BURN_CAUSE,
        act="Nothing at once. Find in the next days what makes it miss its objective, before the budget is gone.",
        by="staff",
    ),
    Verdict(
        name="ReplicaLeftOut", severity="warning", fact="replica_left_out", limit=0,
        expr="max(mysetlist_replica_left_out) > {limit}", lasts="5m",
        symptom="Reads go to the primary, though a replica is set.",
        cause="Node {subject} sends all reads to the primary and none to the replica: {detail}.",
        act="Look at the replica's log, and at pg_stat_replication on the primary. Nodes use it again by themselves.",
        button=_DATABASE,
    ),
    Verdict(
        name="BackupOverdue", severity="warning", fact="backup_overdue_h", limit=0,
        expr="(max(mysetlist_backup_age_seconds) - max(mysetlist_backup_age_max_seconds)) / 3600 > {limit}", lasts="5m",
        symptom="The newest backup is older than it may be.",
        cause="The newest backup is overdue: {detail}.",
        act="Run `mysetlist backup FILE`, and find out why its timer did not.",
        button=_DATABASE,
    ),
    Verdict(
        name="NodeDraining", severity="info", fact="node_draining", limit=0,
        symptom="Connections move from one node to others.",
        cause="Node {subject} is being stopped, or was in the last minute. Its clients reconnect to the other nodes.",
        act="Nothing, when you stopped it. Else look for signal.received in its log.",
    ),
)  # fmt: skip
