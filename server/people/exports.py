"""The queue of exports: a user asks for one, a node makes it beside the requests, and the user fetches it for a day."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import suppress
from email.utils import format_datetime
from typing import Literal

import msgspec
import structlog

from server.errors import Refused, StoreError
from server.people.export import Export, export
from server.people.queries import exports as queries
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.instants import iso
from server.store.database import Database
from server.store.reads import Readable

log = structlog.get_logger()

PATH = "/api/me/export"
# One export a day for each user; the same one is given again.
KEPT_S = 86_400.0
# Of all users, over all nodes.
EXPORTS_WAITING_MAX = 1_000
# A request for a small export, such as most are, waits for it; so many do at once on a node.
PATIENCE_S = 2.0
PATIENT_MAX = 2
# Longer than the longest statements of an export together: a node that has a claim for so long is dead.
CLAIM_S = 300.0
TRIES_MAX = 3
# A node makes what it was asked for at once; this finds what dead nodes left.
LOOK_EVERY_S = 60.0
RETRY_AFTER_S = 5


class QueuedExport(msgspec.Struct, frozen=True):
    """An export that is not made yet. The same request gives it later."""

    status: Literal["queued"]
    asked_at: str


class Exports:
    """The exports of one node: it makes one at a time.

    Takes: owner, a database with its owner's rights; requests, which acts for the user; reads, from which exports are made
    """

    def __init__(self, owner: Database, requests: Database, reads: Readable) -> None:
        self._owner = owner
        self._requests = requests
        self._reads = reads
        self._asked = asyncio.Event()
        # The requests that wait for their export, by user.
        self._patient: dict[int, asyncio.Event] = {}

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path=PATH, handler=self.get_export, access="user", answer=Export,
                other_status=202, other_answer=QueuedExport, codes=(Code.OVERLOADED,),
                summary="Export everything that the database holds about you, once a day.",
                description="The first request asks for the export. A small one comes at once. A long one is made beside the"
                " requests: the answer is 202 until it is ready, so ask again after `Retry-After`. It is kept for a day.",
            ),
        ]  # fmt: skip

    async def get_export(self, call: Call) -> Answer:
        """`GET /api/me/export`."""
        answer = await self._answer(call)
        if answer is not None:
            return answer
        user_id = call.user.user_id
        is_made = self._patient.get(user_id)
        if is_made is None and len(self._patient) < PATIENT_MAX:
            is_made = self._patient[user_id] = asyncio.Event()
        try:
            await self._ask(call)
            if is_made is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_S):
                        await is_made.wait()
        finally:
            self._patient.pop(user_id, None)
        answer = await self._answer(call)
        if answer is None:
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
        return answer

    async def _ask(self, call: Call) -> None:
        async with self._requests.acting(call.user) as connection:
            is_asked = await queries.ask_for_export(connection, kept_s=KEPT_S, waiting_max=EXPORTS_WAITING_MAX)
        if not is_asked:
            message = "Many exports are waiting. Try again in a minute."
            raise Refused(Code.OVERLOADED, message, retry_after_ms=60_000)
        self._asked.set()

    async def _answer(self, call: Call) -> Answer | None:
        """The answer for the export that the user has asked for; None: for none in the last day."""
        async with self._requests.acting(call.user) as connection:
            row = await queries.fetch_export(connection, user_id=call.user.user_id, kept_s=KEPT_S, tries_max=TRIES_MAX)
        if row is None:
            return None
        asked_at: dt.datetime = row["asked_at"]
        if row["document"] is not None:
            name = f"mysetlist-{asked_at:%Y-%m-%d}.json"
            headers = {
                "Content-Disposition": f'attachment; filename="{name}"',
                "Last-Modified": format_datetime(asked_at, usegmt=True),
            }
            return Answer(document=row["document"].encode(), headers=headers)
        if row["is_given_up"]:
            message = "Your export could not be made. Ask again tomorrow."
            raise Refused(Code.UNAVAILABLE, message, retry_after_ms=3_600_000)
        queued = QueuedExport("queued", iso(asked_at))
        return Answer(document=queued, status=202, headers={"Retry-After": str(RETRY_AFTER_S)})

    async def run(self) -> None:
        """Makes what waits, one after the other, until cancelled."""
        while True:
            self._asked.clear()
            try:
                while (user_id := await self._claim()) is not None:
                    await self._make(user_id)
            except StoreError as error:
                log.warning("exports.not_claimed", error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._asked.wait()

    async def _claim(self) -> int | None:
        async with self._owner.connection() as connection:
            await queries.delete_old_exports(connection, kept_s=KEPT_S)
            user_id: int | None = await queries.claim_export(connection, claim_s=CLAIM_S, tries_max=TRIES_MAX)
        return user_id

    async def _make(self, user_id: int) -> None:
        try:
            document = await export(self._reads, user_id)
            async with self._owner.connection() as connection:
                await queries.store_export(connection, user_id=user_id, document=document.decode())
        except Refused:
            log.info("exports.account_gone")  # The row went with it.
        except StoreError as error:
            log.warning("exports.failed", error=str(error))
        finally:
            if user_id in self._patient:
                self._patient[user_id].set()
