"""The sender: takes what is due from the queue and hands it to the mail server.

At least once, honestly: a letter is marked sent after the mail server has taken it, in a transaction of its own. A node
that dies, or loses PostgreSQL, between the two leaves its rows `sending`; ten minutes later another node sends them
again. Nothing is lost, one letter a crash may arrive twice, and its Message-ID is the same both times, so that the
receiver's side can drop the second. In normal running nothing is sent twice: a row is claimed by one node, under a lock.

A row is held by its `not_before`: the instant until which its claim is good. Only who claimed it until that very
instant may settle it, so a node that was given up comes too late.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import MessageError
from typing import Any

import structlog

from server.clock import Clock
from server.errors import MailUnavailable, StoreError, StoreUnavailable
from server.mail.composer import Letterhead
from server.mail.enqueuer import queries
from server.mail.items import Item, why_not
from server.mail.smtp import CONNECT_TIMEOUT_S, LETTER_TIMEOUT_S, MailServer
from server.mail.tokens import mailbox_hash
from server.protocol.instants import from_ms
from server.store.database import Database
from server.telemetry import LETTERS, MAIL_SERVER_AWAY

log = structlog.get_logger()

POLL_INTERVAL_S = 2.0
BATCH_LETTERS_MAX = 10
DIGEST_ITEMS_MAX = 50
LETTERS_PER_MINUTE_MAX = 300
ATTEMPTS_MAX = 6
HELD = timedelta(minutes=10)
RETRY_S = 60.0
RETRY_FACTOR = 4
BACKOFF_S_MAX = 60.0
STOP_GRACE_S = 5.0
SETTLE_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0)

# A batch is through long before anybody takes it over.
assert timedelta(seconds=BATCH_LETTERS_MAX * (CONNECT_TIMEOUT_S + LETTER_TIMEOUT_S) + sum(SETTLE_DELAYS_S) + 60) < HELD


@dataclass(frozen=True, slots=True)
class _Claim:
    """One row that this node holds."""

    id: int
    user_id: int
    attempts: int  # with this one
    was_due: datetime


class Sender:
    """Runs on every node that can send.

    Takes:  database, the owner's; minute_max, letters a minute of all nodes together
    Cancel: the letter on its way is finished first, for up to STOP_GRACE_S; the others go back to the queue
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        server: MailServer,
        letterhead: Letterhead,
        *,
        minute_max: int = LETTERS_PER_MINUTE_MAX,
    ) -> None:
        self._database = database
        self._clock = clock
        self._server = server
        self._letterhead = letterhead
        self._minute_max = minute_max

    async def run(self) -> None:
        """Sends until cancelled; a database or a mail server that is away is waited for."""
        backoff_s = 1.0
        try:
            while True:
                try:
                    count = await self.send_due()
                except (StoreError, MailUnavailable) as error:
                    if isinstance(error, MailUnavailable):
                        MAIL_SERVER_AWAY.inc()
                    log.warning("mail.waiting", error=str(error), retry_s=backoff_s)
                    await asyncio.sleep(_jittered(backoff_s))
                    backoff_s = min(backoff_s * 2, BACKOFF_S_MAX)
                else:
                    backoff_s = 1.0
                    if not count:
                        # Between batches too: the other side need not keep a connection that nobody uses.
                        await self._server.close()
                        await asyncio.sleep(POLL_INTERVAL_S)
        finally:
            await self._server.close()

    async def send_due(self) -> int:
        """Sends one batch.

        Gives:  how many rows were settled or tried; 0: nothing is due, or the minute is full
        Raises: MailUnavailable, StoreUnavailable: what was not tried is back in the queue
        """
        now = self._now()
        held_until = now + HELD
        claims = await self._claim(now, held_until)
        untried = set(claims)
        try:
            items = await self._fetch(claims)
            for reason, refused in _refusals(items, now).items():
                untried.difference_update(refused)
                await self._settle(refused, held_until, "suppressed", reason)
                for number in refused:
                    LETTERS.labels(items[number].kind, "suppressed").inc()
            for group in _letters_of(claims, items):
                wanted = [item for item in group if item.id in untried]
                if wanted:
                    message_id = self._letterhead.message_id(group)
                    attempts = claims[group[0].id].attempts
                    await self._finish(self._deliver(wanted, message_id, attempts, held_until, untried))
        finally:
            if untried:
                await self._give_back(untried, held_until)
        return len(claims)

    async def _claim(self, now: datetime, held_until: datetime) -> dict[int, _Claim]:
        async with self._database.transaction() as connection:
            async for _ in queries.lock_claims(connection):
                pass
            rows = queries.claim_due(
                connection,
                instant=now,
                held_until=held_until,
                letters_max=BATCH_LETTERS_MAX,
                minute_max=self._minute_max,
                digest_max=DIGEST_ITEMS_MAX,
            )
            return {row["id"]: _Claim(**dict(row)) async for row in rows}

    async def _fetch(self, claims: Iterable[int]) -> dict[int, Item]:
        """What was claimed, as it is now; without what was erased meanwhile."""
        ids = list(claims)
        if not ids:
            return {}
        async with self._database.connection() as connection:
            return {row["id"]: Item.of(row) async for row in queries.fetch_items(connection, ids=ids)}

    async def _finish(self, delivery: Any) -> None:
        """Runs a delivery to its end; when this is cancelled, it still has STOP_GRACE_S."""
        task = asyncio.create_task(delivery, name="mail-delivery")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=STOP_GRACE_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def _deliver(
        self, items: list[Item], message_id: str, attempts: int, held_until: datetime, untried: set[int]
    ) -> None:
        """Sends a letter and settles its rows."""
        ids = [item.id for item in items]
        untried.difference_update(ids)
        try:
            letter = self._letterhead.write(items, message_id=message_id, now=self._now())
        except (ValueError, MessageError) as error:
            # A row that no route let in, such as an address that is none: what comes behind it must go out all the same.
            # The error's words may hold the address, so only its name is told.
            LETTERS.labels(items[0].kind, "failed").inc()
            log.error("mail.not_written", queue=ids, error=type(error).__name__)  # noqa: TRY400
            await self._settle(ids, held_until, "failed", f"cannot be written: {type(error).__name__}")
            return
        try:
            outcome = await self._server.send(letter.address, letter.data)
        except MailUnavailable:
            untried.update(ids)
            raise
        status, detail, not_before = outcome.status, outcome.detail, None
        if status == "deferred" and attempts >= ATTEMPTS_MAX:
            status, detail = "failed", f"given up after {attempts} attempts: {detail}"
        if status == "deferred":
            not_before = self._now() + timedelta(seconds=retry_s(attempts))
        LETTERS.labels(letter.kind, status).inc()
        if status != "sent":
            log.warning("mail.not_sent", queue=ids, status=status, attempts=attempts, detail=detail)
        await self._settle(
            ids,
            held_until,
            "queued" if status == "deferred" else status,
            detail,
            not_before=not_before,
            bounced=letter.address if outcome.is_bounce else None,
        )

    async def _settle(
        self,
        ids: Iterable[int],
        held_until: datetime,
        status: str,
        detail: str,
        *,
        not_before: datetime | None = None,
        bounced: str | None = None,
    ) -> None:
        """Writes down what became of rows; tried again for a while, because what was sent cannot be taken back."""
        ids = list(ids)
        for delay_s in (*SETTLE_DELAYS_S, None):
            try:
                async with self._database.transaction() as connection:
                    now = self._now()
                    settled = await queries.settle(
                        connection,
                        ids=ids,
                        held_until=held_until,
                        status=status,
                        not_before=not_before or now,
                        detail=detail[:500],
                        instant=now,
                    )
                    if bounced is not None:
                        await queries.stop_address(
                            connection, address_hash=mailbox_hash(bounced), reason="bounce", instant=now
                        )
                break
            except StoreUnavailable:
                if delay_s is None:
                    raise
                await asyncio.sleep(delay_s)
        if settled < len(ids):
            # Erased meanwhile, or held for longer than HELD: this node was taken for dead.
            log.warning("mail.not_settled", queue=ids, settled=settled, status=status)

    async def _give_back(self, ids: Iterable[int], held_until: datetime) -> None:
        try:
            async with self._database.connection() as connection:
                await queries.give_back(connection, ids=list(ids), held_until=held_until, not_before=self._now())
        except StoreError as error:
            log.warning("mail.not_given_back", error=str(error))  # taken over in ten minutes

    def _now(self) -> datetime:
        return from_ms(self._clock.now_ms())


def retry_s(attempts: int) -> float:
    """How long to wait after so many attempts: 1, 4, 16, 64, 256 minutes, give or take a quarter."""
    return _jittered(RETRY_S * RETRY_FACTOR ** (attempts - 1))


def _jittered(delay_s: float) -> float:
    return delay_s * random.uniform(0.75, 1.25)  # noqa: S311  not a secret: it only spreads the load


def _refusals(items: dict[int, Item], now: datetime) -> dict[str, list[int]]:
    refusals: dict[str, list[int]] = {}
    for item in items.values():
        reason = why_not(item, now)
        if reason is not None:
            refusals.setdefault(reason, []).append(item.id)
    return refusals


def _letters_of(claims: dict[int, _Claim], items: dict[int, Item]) -> list[list[Item]]:
    """Rows that go out together. What went out together once stays together, so that its Message-ID stays the same."""
    letters: dict[tuple[Any, ...], list[Item]] = {}
    for claim in claims.values():
        item = items.get(claim.id)
        if item is None:
            continue  # erased meanwhile
        before = claim.was_due if claim.attempts > 1 else None
        key = ("digest", item.user_id, claim.attempts, before) if item.is_gathered else ("single", item.id)
        letters.setdefault(key, []).append(item)
    return list(letters.values())
