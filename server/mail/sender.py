"""Sends emails: claims due rows of the queue and passes them to the mail server.

Delivery is at least once. An email is marked as sent after the mail server accepted it, in a transaction of its own. A
node that crashes or loses PostgreSQL in between leaves its rows as `sending`, and ten minutes later another node sends
them again. So no email is lost, and one email for each crash may arrive twice. Its Message-ID is the same both times, so
that the receiver can drop the second. Without a crash nothing is sent twice: a lock lets one node claim a row.

The `not_before` of a claimed row is the instant at which the claim ends. Only the node with exactly this instant may
settle the row, so a node whose claim ended cannot overwrite the result of another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import MessageError
from typing import Any

import structlog

from server.clock import Clock, backoff_s, utc_now
from server.errors import MailUnavailable, StoreError, StoreUnavailable
from server.mail.composer import EmailComposer
from server.mail.items import EmailItem, why_suppressed
from server.mail.queries import sender as queries
from server.mail.smtp import CONNECT_TIMEOUT_S, SEND_TIMEOUT_S, SmtpClient
from server.mail.tokens import mailbox_hash
from server.mail.unsubscribes import stop_address
from server.store.database import Database
from server.store.finishing import GRACE_S, to_its_end
from server.store.named_queries import columns
from server.telemetry import LETTERS, MAIL_SERVER_AWAY

log = structlog.get_logger()

POLL_INTERVAL_S = 2.0
BATCH_EMAILS_MAX = 10
DIGEST_ITEMS_MAX = 50
EMAILS_PER_MINUTE_MAX = 300
# Of these, the ones that ask for a confirmation.
STRANGERS_PER_MINUTE_MAX = 60
ATTEMPTS_MAX = 6
CLAIM_TTL = timedelta(minutes=10)
RETRY_S = 60.0
RETRY_FACTOR = 4
RETRY_S_MAX = 256 * 60.0
BACKOFF_S = 1.0
BACKOFF_S_MAX = 60.0
SETTLE_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0)

# A batch ends long before its claim does.
assert (
    timedelta(seconds=BATCH_EMAILS_MAX * (CONNECT_TIMEOUT_S + SEND_TIMEOUT_S) + sum(SETTLE_DELAYS_S) + 60) < CLAIM_TTL
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A row that this node has claimed."""

    id: int
    user_id: int
    attempts: int  # including this one
    was_due: datetime


class EmailSender:
    """Runs on every node that can send emails.

    Takes:  database, of the owner; minute_max, emails a minute of all nodes together; strangers_max, those of them that
            ask for a confirmation; batch_max, emails in one batch;
            digest_max, items in one digest; stop_grace_s, how long a cancelled delivery may take to be sent
    Cancel: the current email is sent first, for up to stop_grace_s, and its result is stored; the others go back to the queue
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        client: SmtpClient,
        composer: EmailComposer,
        *,
        minute_max: int = EMAILS_PER_MINUTE_MAX,
        strangers_max: int = STRANGERS_PER_MINUTE_MAX,
        batch_max: int = BATCH_EMAILS_MAX,
        digest_max: int = DIGEST_ITEMS_MAX,
        stop_grace_s: float = GRACE_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._client = client
        self._composer = composer
        self._minute_max = minute_max
        self._strangers_max = strangers_max
        self._batch_max = batch_max
        self._digest_max = digest_max
        self._stop_grace_s = stop_grace_s

    async def run(self) -> None:
        """Sends until cancelled. While PostgreSQL or the mail server is down, it waits."""
        failures = 0
        try:
            while True:
                try:
                    count = await self.send_due()
                except (StoreError, MailUnavailable) as error:
                    if isinstance(error, MailUnavailable):
                        MAIL_SERVER_AWAY.inc()
                    failures += 1
                    delay_s = backoff_s(failures, first_s=BACKOFF_S, max_s=BACKOFF_S_MAX)
                    log.warning("mail.waiting", error=str(error), retry_s=delay_s)
                    await asyncio.sleep(delay_s)
                else:
                    failures = 0
                    if not count:
                        # An idle connection would only use resources of the mail server.
                        await self._client.close()
                        await asyncio.sleep(POLL_INTERVAL_S)
        finally:
            await self._client.close()

    async def send_due(self) -> int:
        """Sends one batch.

        Gives:  the number of claimed rows; 0: no row is due, or the limit of this minute is reached
        Raises: MailUnavailable, StoreUnavailable: rows without an attempt are back in the queue
        """
        now = utc_now(self._clock)
        claimed_until = now + CLAIM_TTL
        claims = await self._claim(now, claimed_until)
        untried = set(claims)
        try:
            items = await self._fetch(claims)
            for reason, suppressed in _suppressed_items(items, now).items():
                untried.difference_update(suppressed)
                await self._settle(suppressed, claimed_until, "suppressed", reason)
                for item_id in suppressed:
                    LETTERS.labels(items[item_id].kind, "suppressed").inc()
            for group in _group_into_emails(claims, items):
                wanted = [item for item in group if item.id in untried]
                if wanted:
                    message_id = self._composer.message_id(group)
                    attempts = claims[group[0].id].attempts
                    delivery = self._deliver(wanted, message_id, attempts, claimed_until, untried)
                    await to_its_end(delivery, grace_s=self._stop_grace_s)
        finally:
            if untried:
                await self._release(untried, claimed_until)
        return len(claims)

    async def _claim(self, now: datetime, claimed_until: datetime) -> dict[int, _Claim]:
        async with self._database.transaction() as connection:
            async for _ in queries.lock_claims(connection):
                pass
            rows = queries.claim_due(
                connection,
                instant=now,
                claimed_until=claimed_until,
                emails_max=self._batch_max,
                minute_max=self._minute_max,
                strangers_max=self._strangers_max,
                digest_max=self._digest_max,
            )
            return {row["id"]: _Claim(**columns(row)) async for row in rows}

    async def _fetch(self, claims: Iterable[int]) -> dict[int, EmailItem]:
        """Fetches the current items of claimed rows. Rows that were erased since are left out."""
        ids = list(claims)
        if not ids:
            return {}
        async with self._database.connection() as connection:
            return {row["id"]: EmailItem.from_row(row) async for row in queries.fetch_items(connection, ids=ids)}

    async def _deliver(
        self, items: list[EmailItem], message_id: str, attempts: int, claimed_until: datetime, untried: set[int]
    ) -> None:
        """Sends an email and settles its rows."""
        ids = [item.id for item in items]
        untried.difference_update(ids)
        try:
            email = self._composer.compose(items, message_id=message_id, now=utc_now(self._clock))
        except (ValueError, MessageError) as error:
            # The address of the row is invalid, although no route accepts one. The other emails must still be sent. The text
            # of the error may contain the address, so only its type is logged.
            LETTERS.labels(items[0].kind, "failed").inc()
            log.error("mail.not_written", queue=ids, error=type(error).__name__)  # noqa: TRY400
            await self._settle(ids, claimed_until, "failed", f"cannot be composed: {type(error).__name__}")
            return
        try:
            result = await self._client.send(email.address, email.data)
        except MailUnavailable:
            untried.update(ids)
            raise
        status, detail, not_before = result.status, result.detail, None
        if status == "deferred" and attempts >= ATTEMPTS_MAX:
            status, detail = "failed", f"given up after {attempts} attempts: {detail}"
        if status == "deferred":
            not_before = utc_now(self._clock) + timedelta(seconds=retry_s(attempts))
        LETTERS.labels(email.kind, status).inc()
        if status != "sent":
            log.warning("mail.not_sent", queue=ids, status=status, attempts=attempts, detail=detail)
        settling = self._settle(
            ids,
            claimed_until,
            "queued" if status == "deferred" else status,
            detail,
            not_before=not_before,
            bounced=email.address if result.is_bounce else None,
        )
        # The mail server may have taken the whole grace of this delivery.
        await to_its_end(settling)

    async def _settle(
        self,
        ids: Iterable[int],
        claimed_until: datetime,
        status: str,
        detail: str,
        *,
        not_before: datetime | None = None,
        bounced: str | None = None,
    ) -> None:
        """Stores the result of rows. It retries for a while, because an email that was sent cannot be undone."""
        ids = list(ids)
        for delay_s in (*SETTLE_DELAYS_S, None):
            try:
                async with self._database.transaction() as connection:
                    now = utc_now(self._clock)
                    settled = await queries.settle(
                        connection,
                        ids=ids,
                        claimed_until=claimed_until,
                        status=status,
                        not_before=not_before or now,
                        detail=detail[:500],
                        instant=now,
                    )
                    if bounced is not None:
                        await stop_address(connection, mailbox_hash(bounced), "bounce", now)
                break
            except StoreUnavailable:
                if delay_s is None:
                    raise
                await asyncio.sleep(delay_s)
        if settled < len(ids):
            # The rows were erased, or the claim ended and another node took them over.
            log.warning("mail.not_settled", queue=ids, settled=settled, status=status)

    async def _release(self, ids: Iterable[int], claimed_until: datetime) -> None:
        try:
            async with self._database.connection() as connection:
                await queries.release(
                    connection, ids=list(ids), claimed_until=claimed_until, not_before=utc_now(self._clock)
                )
        except StoreError as error:
            # Another node takes the rows over in ten minutes.
            log.warning("mail.not_given_back", error=str(error))


def retry_s(attempts: int) -> float:
    """Gives the delay after this number of attempts: 1, 4, 16, 64, 256 minutes, plus or minus a quarter."""
    return backoff_s(attempts, first_s=RETRY_S, max_s=RETRY_S_MAX, factor=RETRY_FACTOR)


def _suppressed_items(items: dict[int, EmailItem], now: datetime) -> dict[str, list[int]]:
    """Gives the ids of items that must not be sent, by reason."""
    suppressed: dict[str, list[int]] = {}
    for item in items.values():
        reason = why_suppressed(item, now)
        if reason is not None:
            suppressed.setdefault(reason, []).append(item.id)
    return suppressed


def _group_into_emails(claims: dict[int, _Claim], items: dict[int, EmailItem]) -> list[list[EmailItem]]:
    """Groups items into emails. Items that were tried together stay together, so that the Message-ID stays the same."""
    groups: dict[tuple[Any, ...], list[EmailItem]] = {}
    for claim in claims.values():
        item = items.get(claim.id)
        if item is None:
            continue  # erased since the claim
        previous = claim.was_due if claim.attempts > 1 else None
        key = ("digest", item.user_id, claim.attempts, previous) if item.is_for_digest else ("single", item.id)
        groups.setdefault(key, []).append(item)
    return list(groups.values())
