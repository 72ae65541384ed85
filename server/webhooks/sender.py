"""Sends events to webhooks: makes their deliveries, claims those that are due, and posts them.

Delivery is at least once. A node that crashes, or loses PostgreSQL, between the post and the end of its own transaction leaves
its row as `sending`; CLAIM_TTL later a node sends it again, with the same webhook-id. No two nodes send it at once: a lock lets
one node claim a row. The `not_before` of a claimed row is the instant at which the claim ends, and only the node with
exactly this instant may settle the row.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass

import msgspec
import structlog

from server.clock import Clock, backoff_s, utc_now
from server.errors import StoreError, StoreUnavailable
from server.outgoing.posting import TIMEOUT_S, Posted
from server.outgoing.sending import keep_sending
from server.protocol.instants import iso
from server.store.database import Database
from server.store.finishing import to_its_end
from server.store.named_queries import columns
from server.telemetry import WEBHOOK_BEHIND_SECONDS, WEBHOOK_DELIVERIES
from server.webhooks.posting import Message, Poster, message_id_of
from server.webhooks.queries import sender as queries

log = structlog.get_logger()

AT_ONCE_MAX = 16
EACH_AT_ONCE_MAX = 4
EVENTS_PER_PASS = 500
CHECK_EVERY_S = 30.0
# After the first attempt. Source: Standard Webhooks, "Retry schedule".
RETRIES_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS_MAX = len(RETRIES_S) + 1
FAILING_DAYS_MAX = 5
WAITING_MAX = 10_000
CLAIM_TTL = dt.timedelta(seconds=60)
SETTLE_DELAYS_S = (0.5, 1.0, 2.0, 4.0)

assert dt.timedelta(seconds=TIMEOUT_S + sum(SETTLE_DELAYS_S) + 15) < CLAIM_TTL


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A delivery that this node sends. attempts: their number, this one included."""

    id: int
    webhook_id: int
    attempts: int
    sequence: int
    message_id: str
    type: str
    at: dt.datetime
    data: str
    url: str
    secret: bytes
    previous_secret: bytes | None


class WebhookSender:
    """Runs on every node.

    Takes:  database, of the owner
    Cancel: as keep_sending; another node sends unfinished deliveries again
    """

    def __init__(self, database: Database, clock: Clock, poster: Poster) -> None:
        self._database = database
        self._clock = clock
        self._poster = poster
        self._sending: set[asyncio.Task[None]] = set()
        self._noted_until: dt.datetime | None = None
        self._checked_s = float("-inf")

    async def run(self) -> None:
        """Sends until cancelled. While PostgreSQL is away, it waits."""
        await keep_sending(self.start_due, self._sending, waiting="webhooks.waiting")

    async def start_due(self) -> int:
        """Notes voting that the clock opened or closed, makes deliveries of new events, and starts due deliveries.

        Gives:  the number of started deliveries
        Raises: StoreError
        """
        now = utc_now(self._clock)
        claimed_until = now + CLAIM_TTL
        async with self._database.connection() as connection:
            self._noted_until = await queries.note_due_voting(connection, since=self._noted_until)
            WEBHOOK_DELIVERIES.labels("queued").inc(
                await queries.fan_out(connection, instant=now, count=EVENTS_PER_PASS)
            )
            claims = [
                _Claim(**columns(row))
                async for row in queries.claim_due(
                    connection,
                    instant=now,
                    claimed_until=claimed_until,
                    count=AT_ONCE_MAX - len(self._sending),
                    each_max=EACH_AT_ONCE_MAX,
                )
            ]
        for claim in claims:
            task = asyncio.create_task(self._deliver(claim, claimed_until), name="webhook-delivery")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if self._clock.monotonic_s() - self._checked_s >= CHECK_EVERY_S:
            self._checked_s = self._clock.monotonic_s()
            await self._check(now)
        return len(claims)

    async def finished(self) -> None:
        """Returns when the deliveries that were started have ended."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def _deliver(self, claim: _Claim, claimed_until: dt.datetime) -> None:
        keys = [claim.secret, *([claim.previous_secret] if claim.previous_secret else [])]
        posted = await self._poster.post(claim.url, _message(claim), keys)
        is_delivered, is_last = not posted.error, claim.attempts >= ATTEMPTS_MAX or posted.is_gone
        state = "delivered" if is_delivered else "dead" if is_last else "queued"
        try:
            await to_its_end(self._settle(claim, claimed_until, state, posted))
        except StoreError as error:
            # The claim ends, and the receiver gets the message again with the same webhook-id.
            log.warning("webhook.not_settled", webhook=claim.webhook_id, delivery=claim.id, error=str(error))

    async def _settle(self, claim: _Claim, claimed_until: dt.datetime, state: str, posted: Posted) -> None:
        """Stores the result. It retries for a while, because a posted message cannot be undone."""
        now = utc_now(self._clock)
        not_before = now + dt.timedelta(seconds=retry_s(claim.attempts) if state == "queued" else 0)
        for delay_s in (*SETTLE_DELAYS_S, None):
            try:
                async with self._database.transaction() as connection:
                    await queries.note_health(
                        connection, webhook_id=claim.webhook_id, is_delivered=state == "delivered", instant=now
                    )
                    if posted.is_gone:
                        await queries.disable(
                            connection, webhook_id=claim.webhook_id, why="The receiver wants no more: it answered 410."
                        )
                    settled = await queries.settle(
                        connection,
                        id=claim.id,
                        claimed_until=claimed_until,
                        new_state=state,
                        not_before=not_before,
                        status=posted.status,
                        took_ms=posted.took_ms,
                        error=posted.error,
                        instant=now,
                    )
                break
            except StoreUnavailable:
                if delay_s is None:
                    raise
                await asyncio.sleep(delay_s)
        if settled is None:
            log.warning("webhook.not_settled", webhook=claim.webhook_id, delivery=claim.id, state=state)
            return
        WEBHOOK_DELIVERIES.labels("failed" if settled == "queued" else settled).inc()
        if posted.error:
            log.warning(
                "webhook.not_delivered", webhook=claim.webhook_id, delivery=claim.id, attempts=claim.attempts,
                state=settled, error=posted.error,
            )  # fmt: skip

    async def _check(self, now: dt.datetime) -> None:
        """Disables webhooks that get nothing any more, and measures how far the others are behind."""
        async with self._database.connection() as connection:
            hopeless = queries.list_hopeless(connection, instant=now, days=FAILING_DAYS_MAX, waiting_max=WAITING_MAX)
            for row in [row async for row in hopeless]:
                why = (
                    f"Every attempt failed for {FAILING_DAYS_MAX} days." if row["is_failing"]
                    else f"More than {WAITING_MAX:,} deliveries waited."
                )  # fmt: skip
                await queries.disable(connection, webhook_id=row["id"], why=why)
                log.warning("webhook.disabled", webhook=row["id"], error=why)
            await queries.bury_abandoned(connection, instant=now)
            WEBHOOK_BEHIND_SECONDS.set(max(0.0, await queries.oldest_waiting(connection, instant=now) or 0.0))


def retry_s(attempts: int) -> float:
    """The delay after this number of attempts, plus or minus a quarter."""
    delay_s = RETRIES_S[attempts - 1]
    return backoff_s(1, first_s=delay_s, max_s=delay_s)


def _message(claim: _Claim) -> Message:
    data = msgspec.json.decode(claim.data) | {"sequence": claim.sequence}
    body = {"type": claim.type, "timestamp": iso(claim.at), "data": data}
    return Message(message_id_of(claim.message_id), msgspec.json.encode(body))
