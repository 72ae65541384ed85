"""Sends notices to devices: claims deliveries that are due, encrypts them in a thread, and posts them to push services.

Delivery is at least once. A node that crashes between the answer of a push service and the end of its own transaction leaves its row
claimed; CLAIM_TTL later another node sends it again, with the same topic, and the device shows it in the place of the first. The
same happens when the results cannot be stored in time. Otherwise nothing is sent twice: a lock lets one node claim a row. The
`not_before` of a claimed row is the instant at which the claim ends, and only the node with exactly this instant may change the row.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import structlog

from server.clock import Clock, backoff_s, utc_now
from server.errors import StoreUnavailable
from server.outgoing.posting import TIMEOUT_S, CheckedPoster, Posted
from server.outgoing.sending import keep_sending
from server.store.database import Database
from server.store.finishing import to_its_end
from server.store.named_queries import columns
from server.telemetry import WEBPUSH_BEHIND_SECONDS, WEBPUSH_DELIVERIES
from server.webpush.encryption import encrypt
from server.webpush.keys import ServiceKey
from server.webpush.notices import Notices
from server.webpush.queries import sender as queries
from server.webpush.texts import Kind, title_and_text
from server.words.texts import shipped

log = structlog.get_logger()

AT_ONCE_MAX = 32
# Answers of one moment are stored together.
GATHER_S = 0.05
CHECK_EVERY_S = 30.0
RETRY_S = 10.0
RETRY_FACTOR = 3.0
RETRY_S_MAX = 600.0
ATTEMPTS_MAX = 8
FAILURES_MAX = 5
CLAIM_TTL = dt.timedelta(seconds=60)
SETTLE_DELAYS_S = (0.5, 1.0, 2.0, 4.0)
# The answers of a push service that no longer knows a device (RFC 8030, section 7.3).
GONE = (404, 410)
# Refusals that may pass: too slow, too early, too many.
PASSING = (408, 425, 429)
TOPICS: dict[Kind, str] = {"voting_closes": "closes", "show_begins": "begins", "song_on": "song"}

assert dt.timedelta(seconds=TIMEOUT_S + sum(SETTLE_DELAYS_S) + 15) < CLAIM_TTL

Outcome = Literal["delivered", "later", "failed", "gone", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A delivery that this node sends. Takes: attempts, with this one; is_replaced, whether a newer notice tells more; slug, None: the
    show is gone or cancelled.
    """

    id: int
    device_id: int
    attempts: int
    notice_id: int
    kind: Kind
    song: str
    expires_at: dt.datetime
    is_replaced: bool
    endpoint: str = field(repr=False)
    public_key: bytes = field(repr=False)
    auth_secret: bytes = field(repr=False)
    time_zone: str
    show_id: int | None
    slug: str | None
    closes_at: dt.datetime | None
    artist: str | None
    venue: str | None
    language: str

    @property
    def topic(self) -> str:
        """The subject of the message: a later message of the same topic takes the place of an earlier one."""
        return f"{TOPICS[self.kind]}-{self.show_id}"

    def payload(self) -> bytes:
        """The message for the service worker, as JSON."""
        assert self.closes_at is not None
        title, text = title_and_text(
            self.kind,
            artist=self.artist or "",
            venue=self.venue or "",
            song=self.song,
            closes_at=self.closes_at,
            time_zone=self.time_zone,
            words=shipped().language(self.language),
        )
        shown = {"title": title, "text": text, "url": f"/shows/{self.slug}", "tag": self.topic}
        return msgspec.json.encode(shown)


@dataclass(frozen=True, slots=True)
class _Result:
    """The result of a claim. Takes: claimed_until, the end of the claim; next_at, of the next attempt if the outcome is `later`."""

    claim: _Claim
    claimed_until: dt.datetime
    outcome: Outcome
    next_at: dt.datetime | None = None


class WebpushSender:
    """Runs on every node.

    Takes:  database, of the owner; poster, which keeps its connections
    Cancel: as keep_sending; another node sends the rest again
    """

    def __init__(
        self, database: Database, clock: Clock, notices: Notices, key: ServiceKey, poster: CheckedPoster
    ) -> None:
        self._database = database
        self._clock = clock
        self._notices = notices
        self._key = key
        self._poster = poster
        self._sending: set[asyncio.Task[None]] = set()
        self._results: list[_Result] = []
        self._checked_s = float("-inf")

    async def run(self) -> None:
        """Makes notices and sends until cancelled. While PostgreSQL is away, it waits."""
        try:
            await keep_sending(self._notice_and_start, self._sending, waiting="webpush.waiting", gather_s=GATHER_S)
        finally:
            await self._settle_or_tell()

    async def _notice_and_start(self) -> None:
        await self._notices.make_due()
        await self.start_due()

    async def start_due(self) -> int:
        """Stores the results of ended deliveries, and starts the deliveries that are due.

        Gives:  the number of started deliveries
        Raises: StoreError
        """
        await self._settle_or_tell()
        now = utc_now(self._clock)
        claimed_until = now + CLAIM_TTL
        room = AT_ONCE_MAX - len(self._sending)
        async with self._database.connection() as connection:
            rows = queries.claim_due(connection, instant=now, claimed_until=claimed_until, count=room)
            claims = [_Claim(**columns(row)) async for row in rows]
        wanted = []
        for claim in claims:
            if claim.is_replaced:
                # Sent now, it would take the place of the newer one.
                self._results.append(_Result(claim, claimed_until, "dropped"))
            elif claim.slug is None or claim.expires_at <= now:
                self._results.append(_Result(claim, claimed_until, "failed" if claim.attempts > 1 else "dropped"))
            else:
                wanted.append(claim)
        # Encryption takes a third of a millisecond for each, so it does not run in the node's event loop.
        bodies = await asyncio.to_thread(_encrypt_all, wanted) if wanted else []
        for claim, body in zip(wanted, bodies, strict=True):
            authorization = await self._key.header(claim.endpoint)
            delivery = self._deliver(claim, claimed_until, body, authorization)
            task = asyncio.create_task(delivery, name="webpush-delivery")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
            # One delivery begins at a time: the HTTP client takes some milliseconds for a request, and votes must not wait for all.
            await asyncio.sleep(0)
        if self._clock.monotonic_s() - self._checked_s >= CHECK_EVERY_S:
            self._checked_s = self._clock.monotonic_s()
            async with self._database.connection() as connection:
                WEBPUSH_BEHIND_SECONDS.set(await queries.oldest_due(connection, instant=now) or 0.0)
        return len(wanted)

    async def finished(self) -> None:
        """Returns when the deliveries that were started have ended and are stored."""
        while self._sending:
            await asyncio.wait(self._sending)
        await self._settle_or_tell()

    async def _deliver(self, claim: _Claim, claimed_until: dt.datetime, body: bytes, authorization: str) -> None:
        now = utc_now(self._clock)
        headers = {
            "Authorization": authorization,
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(max(1, int((claim.expires_at - now).total_seconds()))),
            "Topic": claim.topic,
            "Urgency": "normal",
        }
        posted = await self._poster.post(claim.endpoint, body, headers)
        outcome = _outcome_of(claim, posted)
        next_at = None
        if outcome == "later":
            delay_s = max(
                posted.retry_after_s, backoff_s(claim.attempts, first_s=RETRY_S, max_s=RETRY_S_MAX, factor=RETRY_FACTOR)
            )
            next_at = utc_now(self._clock) + dt.timedelta(seconds=delay_s)
            if next_at >= claim.expires_at:
                outcome, next_at = "failed", None
        if posted.error:
            # The log does not get the address, which is a secret of the device.
            log.warning("webpush.not_delivered", device=claim.device_id, kind=claim.kind, attempts=claim.attempts,
                        outcome=outcome, status=posted.status)  # fmt: skip
        self._results.append(_Result(claim, claimed_until, outcome, next_at))

    async def _settle_or_tell(self) -> None:
        """Stores the results of ended deliveries, or says that it cannot."""
        results, self._results = self._results, []
        if results:
            await to_its_end(self._settle_after_retries(results))

    async def _settle_after_retries(self, results: Sequence[_Result]) -> None:
        """Stores results. It retries for a while, because a post cannot be undone."""
        for delay_s in (*SETTLE_DELAYS_S, None):
            try:
                await self._settle(results)
                break
            except StoreUnavailable as error:
                if delay_s is None:
                    # The claims end, and the devices get the same messages again, in the place of the first ones.
                    log.warning("webpush.not_settled", count=len(results), error=str(error))
                    return
                await asyncio.sleep(delay_s)
        for result in results:
            WEBPUSH_DELIVERIES.labels(result.outcome).inc()

    async def _settle(self, results: Sequence[_Result]) -> None:
        by_claim: dict[dt.datetime, list[_Result]] = defaultdict(list)
        for result in results:
            by_claim[result.claimed_until].append(result)
        devices: dict[Outcome, list[int]] = defaultdict(list)
        for result in results:
            devices[result.outcome].append(result.claim.device_id)
        async with self._database.transaction() as connection:
            # Devices first, then deliveries: the deletion of a device by its fan changes both in the same order.
            await queries.note_health(connection, delivered=devices["delivered"], failed=devices["failed"])
            await queries.delete_dead(
                connection, gone=devices["gone"], failed=devices["failed"], failures_max=FAILURES_MAX
            )
            for claimed_until, ended in by_claim.items():
                later = [(one.claim.id, one.next_at) for one in ended if one.outcome == "later"]
                done = [one.claim.id for one in ended if one.outcome != "later"]
                await queries.finish(connection, ids=done, claimed_until=claimed_until)
                await queries.postpone(
                    connection,
                    ids=[id_ for id_, _ in later],
                    instants=[at for _, at in later],
                    claimed_until=claimed_until,
                )


def _encrypt_all(claims: Sequence[_Claim]) -> list[bytes]:
    return [encrypt(claim.payload(), claim.public_key, claim.auth_secret) for claim in claims]


def _outcome_of(claim: _Claim, posted: Posted) -> Outcome:
    if not posted.error:
        return "delivered"
    if posted.status in GONE:
        return "gone"
    is_final = posted.status is not None and 400 <= posted.status < 500 and posted.status not in PASSING
    return "failed" if is_final or claim.attempts >= ATTEMPTS_MAX else "later"
