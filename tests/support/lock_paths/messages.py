"""Paths of what goes out: mail, webhooks, web push, and the ledger."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import asyncpg

from server.clock import SystemClock
from server.errors import StoreUnavailable
from server.ledger.sequencer import Sequencer
from server.mail.queries import sender as mail
from server.webhooks.queries import routes as webhook_routes
from server.webhooks.queries import sender as webhooks
from server.webpush.queries import routes as webpush_routes
from server.webpush.queries import sender as webpush


async def settle_mail(connection: Any) -> None:
    """What was sent is written down."""
    ids = [row["id"] for row in await connection.fetch("select id from email_queue order by id desc")]
    instant = await connection.fetchval("select timestamptz '2030-01-01'")
    await mail.settle(
        connection, ids=ids, claimed_until=instant, status="sent", not_before=instant, detail="", instant=instant
    )


async def change_mail(connection: Any) -> None:
    """A fan changes where letters go; a confirmation is queued."""
    await connection.execute("update email_preferences set address = 'e@f' where user_id = 1")
    await connection.execute(
        "insert into email_queue (user_id, kind, about) values (1, 'confirm_address', 'address:x')"
    )


async def settle_webhook(connection: Any) -> None:
    """A sender stores that a delivery failed, and that its webhook is gone."""
    instant = await connection.fetchval("select now()")
    delivery = await connection.fetchrow(
        "select id, not_before from webhook_deliveries where webhook_id = 1 and event_id = 2"
    )
    await webhooks.note_health(connection, webhook_id=1, is_delivered=False, instant=instant)
    await webhooks.disable(connection, webhook_id=1, why="gone")
    assert await webhooks.settle(
        connection, id=delivery["id"], claimed_until=delivery["not_before"], new_state="dead", not_before=instant,
        status=410, took_ms=5, error="gone", instant=instant,
    ) == "dead"  # fmt: skip


async def delete_webhook(connection: Any) -> None:
    """An administrator deletes a webhook with its deliveries."""
    await webhook_routes.lock_webhook(connection, id=1)
    await webhook_routes.delete_webhook(connection, id=1)


async def settle_webpush(connection: Any) -> None:
    """A sender stores that one device took a notice, another one not, and a third one is gone."""
    until = await connection.fetchval("select timestamptz '2030-01-01'")
    await webpush.note_health(connection, delivered=[1], failed=[2])
    await webpush.delete_dead(connection, gone=[4, 3], failed=[2], failures_max=5)
    ids = [row["id"] for row in await connection.fetch("select id from webpush_deliveries order by id desc")]
    await webpush.finish(connection, ids=ids[:1], claimed_until=until)
    await webpush.postpone(connection, ids=ids[1:], instants=[until] * len(ids[1:]), claimed_until=until)


async def delete_device(connection: Any) -> None:
    """A fan deletes a device with what waits for it."""
    await webpush_routes.delete_device(connection, user_id=2, id=2)


async def append_ledger(connection: Any) -> None:
    """The sequencer appends what is noted; it gives way to whoever holds a note or a fan, and tries again."""
    sequencer = Sequencer("", SystemClock(), "a secret of tests, and long enough", "localhost")
    with suppress(asyncpg.LockNotAvailableError, StoreUnavailable):
        await sequencer.append_next(connection)
