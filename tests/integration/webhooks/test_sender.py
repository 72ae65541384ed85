"""Events reach webhooks: signed, at least once, again after failures, and never two at the same time."""

from __future__ import annotations

import asyncio
import datetime as dt
from functools import partial
from pathlib import Path

import pytest

from server.clock import utc_now
from server.webhooks import sender as sending
from server.webhooks.sender import ATTEMPTS_MAX, CLAIM_TTL, EACH_AT_ONCE_MAX, RETRIES_S, WebhookSender
from tests.support import one_node
from tests.support.engines import is_waited_for
from tests.support.node_process import NodeProcess
from tests.support.running_node import until
from tests.support.webhooks import OLD_SECRET, SECRET, Hooks, Receiver

database_url, redis_url = one_node.database_url, one_node.redis_url

LONGEST_S = 1.25 * max(RETRIES_S)


async def test_an_event_arrives_signed(hooks: Hooks, receiver: Receiver) -> None:
    """The library of Standard Webhooks accepts the signature; during a rotation, that of both secrets."""
    webhook_id = await hooks.webhook(receiver.url)
    await hooks.facts(1)
    await hooks.send()
    [arrived] = receiver.arrived
    body = arrived.verify(SECRET)
    assert body.keys() == {"type", "timestamp", "data"}
    assert body["type"] == "show.milestone"
    assert body["data"]["votes"] == 1
    assert body["data"]["show"]["slug"] == "show-1"
    assert arrived.headers["content-type"] == "application/json"
    assert await hooks.states() == [("delivered", 1)]

    await hooks.sql.execute(
        "update webhooks set previous_secret = $2, previous_until = $3 where id = $1",
        webhook_id, OLD_SECRET, utc_now(hooks.clock) + dt.timedelta(hours=1),
    )  # fmt: skip
    await hooks.facts(1)
    await hooks.send()
    for secret in (SECRET, OLD_SECRET):
        receiver.arrived[1].verify(secret)
    hooks.clock.advance(3_601)
    await hooks.facts(1)
    await hooks.send()
    assert " " not in receiver.arrived[2].headers["webhook-signature"]
    sequences = [one.body["data"]["sequence"] for one in receiver.arrived]
    assert sequences == sorted(set(sequences))


async def test_a_failure_is_tried_again_until_it_is_a_dead_letter(hooks: Hooks, receiver: Receiver) -> None:
    """Each attempt has the same id and body, and comes no earlier than three quarters of its wait."""
    await hooks.webhook(receiver.url)
    await hooks.facts(1)
    receiver.statuses = [500] * 20
    await hooks.send()
    for attempt, delay_s in enumerate(RETRIES_S, 1):
        assert await hooks.states() == [("queued", attempt)]
        hooks.clock.advance(0.74 * delay_s)
        await hooks.send()
        assert len(receiver.arrived) == attempt
        hooks.clock.advance(0.52 * delay_s)
        await hooks.send()
    assert await hooks.states() == [("dead", ATTEMPTS_MAX)]
    hooks.clock.advance(LONGEST_S)
    await hooks.send()
    assert len(receiver.arrived) == ATTEMPTS_MAX
    assert len({(one.id, one.raw) for one in receiver.arrived}) == 1
    row = await hooks.sql.fetchrow("select status, error from webhook_deliveries")
    assert tuple(row) == (500, "It answered 500.")


async def test_several_senders_never_send_one_delivery_at_the_same_time(hooks: Hooks, receiver: Receiver) -> None:
    """Four nodes share sixty deliveries: each arrives once, and no webhook gets more at once than a node may send."""
    await hooks.webhook(receiver.url)
    await hooks.facts(60)
    await asyncio.gather(*(hooks.send() for _ in range(4)))
    await hooks.send()
    assert len({one.id for one in receiver.arrived}) == len(receiver.arrived) == 60
    assert set(await hooks.states()) == {("delivered", 1)}
    assert receiver.at_once_max <= 4 * EACH_AT_ONCE_MAX


async def test_another_node_sends_it_again_with_the_same_id(
    hooks: Hooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node dies after the answer and before its transaction. Its claim ends, and another node sends the message again."""
    await hooks.webhook(receiver.url)
    await hooks.facts(1)
    dying = hooks.sender()

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(dying, "_settle", die)
    await dying.start_due()
    await dying.finished()
    await dying._poster.close()
    assert await hooks.states() == [("sending", 1)]

    hooks.clock.advance(CLAIM_TTL.total_seconds() - 1)
    await hooks.send()
    assert len(receiver.arrived) == 1
    hooks.clock.advance(2)
    await hooks.send()
    first, second = receiver.arrived
    assert (first.id, first.raw) == (second.id, second.raw)
    assert await hooks.states() == [("delivered", 2)]


async def test_a_killed_node_loses_nothing(
    hooks: Hooks, receiver: Receiver, database_url: str, redis_url: str, engine_dir: Path
) -> None:
    """`kill -9` while the receiver thinks: another node sends the message again, with the same id and body."""
    await hooks.webhook(receiver.url)
    receiver.hangs = asyncio.Event()
    given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    async with NodeProcess.running(engine_dir / "node", **given) as node:
        await hooks.facts(1)
        while not receiver.arrived:
            await asyncio.sleep(0.01)
        await node.kill()
    receiver.hangs.set()
    hooks.clock.advance(60 + CLAIM_TTL.total_seconds())
    await hooks.send()
    first, second = receiver.arrived
    assert (first.id, first.raw) == (second.id, second.raw)
    second.verify()
    assert await hooks.states() == [("delivered", 2)]


async def test_a_late_result_changes_nothing(hooks: Hooks, receiver: Receiver) -> None:
    """A node whose claim has ended does not overwrite what another node found."""
    await hooks.webhook(receiver.url)
    await hooks.facts(1)
    receiver.hangs = asyncio.Event()
    receiver.statuses = [500, 204]
    late = hooks.sender()
    await late.start_due()
    while not receiver.arrived:
        await asyncio.sleep(0.01)
    hooks.clock.advance(CLAIM_TTL.total_seconds())
    hangs, receiver.hangs = receiver.hangs, None
    receiver.statuses = [204]
    await hooks.send()
    receiver.statuses = [500]
    hangs.set()
    await late.finished()
    await late._poster.close()
    assert await hooks.states() == [("delivered", 2)]


async def test_a_look_without_news_writes_nothing(hooks: Hooks) -> None:
    """Each node looks once a second: not even a row is locked then."""
    await hooks.webhook("https://hooks.example.org/")
    assert await hooks.sender().start_due() == 0
    assert await hooks.sql.fetchval("select xmax::text from webhooks") == "0"


async def test_a_receiver_that_is_gone_is_disabled(hooks: Hooks, receiver: Receiver) -> None:
    """410 disables a webhook with a reason. What waited is dead letters, and new events are not for it."""
    webhook_id = await hooks.webhook(receiver.url)
    await hooks.facts(EACH_AT_ONCE_MAX + 2)
    receiver.statuses = [410] * 20
    await hooks.send()
    assert {state for state, _ in await hooks.states()} == {"dead"}
    assert len(receiver.arrived) <= EACH_AT_ONCE_MAX
    why = await hooks.sql.fetchval("select why_disabled from webhooks where id = $1 and not is_enabled", webhook_id)
    assert why == "The receiver wants no more: it answered 410."
    await hooks.facts(1)
    assert await hooks.sql.fetchval("select count(*) from webhook_events where not is_queued") == 0


async def test_a_hopeless_webhook_is_disabled(
    hooks: Hooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that failed for days, and one with too many deliveries that wait; one that works stays."""
    failing, full, well = [await hooks.webhook(receiver.url) for _ in range(3)]
    await hooks.sql.execute("update webhooks set failing_since = now() - interval '6 days' where id = $1", failing)
    await hooks.facts(3)
    await hooks.sql.execute(
        "insert into webhook_deliveries (webhook_id, event_id, queued_at, not_before)"
        " select $1, id, now(), now() + interval '1 day' from webhook_events",
        full,
    )
    await hooks.sql.execute("update webhook_events set is_queued = true")
    monkeypatch.setattr(sending, "WAITING_MAX", 2)
    await hooks.send()
    rows = await hooks.sql.fetch("select id, is_enabled, why_disabled from webhooks order by id")
    assert [tuple(row) for row in rows] == [
        (failing, False, "Every attempt failed for 5 days."),
        (full, False, "More than 2 deliveries waited."),
        (well, True, ""),
    ]


async def test_a_slow_receiver_delays_no_other(hooks: Hooks, receiver: Receiver) -> None:
    """A receiver that does not answer gets a few messages at once; they end as failures, and others have theirs meanwhile."""
    async with Receiver.open() as slow:
        slow.hangs = asyncio.Event()
        slow_id, quick_id = await hooks.webhook(slow.url), await hooks.webhook(receiver.url)
        await hooks.facts(20)
        sender = hooks.sender(timeout_s=0.3)
        for _ in range(12):
            await sender.start_due()
            await asyncio.wait(sender._sending, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
            if len(receiver.arrived) == 20:
                break
        assert len(receiver.arrived) == 20
        assert slow.at_once_max <= EACH_AT_ONCE_MAX
        await sender.finished()
        await sender._poster.close()
    assert set(await hooks.states(quick_id)) == {("delivered", 1)}
    error = await hooks.sql.fetchval(
        "select error from webhook_deliveries where webhook_id = $1 and state = 'queued' and attempts = 1 limit 1",
        slow_id,
    )
    assert error == "No answer within 0.3 s."


async def test_redirects_and_bodies_are_left_alone(hooks: Hooks, receiver: Receiver) -> None:
    """A redirect is a failure, and what a receiver answers is not read."""
    await hooks.webhook(receiver.url)
    await hooks.facts(2)
    receiver.statuses, receiver.body = [307], b"x" * 10_000_000
    await hooks.send()
    assert sorted(state for state, _ in await hooks.states()) == ["delivered", "queued"]
    assert len(receiver.arrived) == 2
    errors = await hooks.sql.fetch("select error from webhook_deliveries order by error")
    assert [row[0] for row in errors] == ["", "It answered 307. Redirects are not followed."]


async def test_a_webhook_that_is_disabled_meanwhile_gets_no_further_attempt(hooks: Hooks, receiver: Receiver) -> None:
    """The attempt under way ends, and its failure makes a dead letter."""
    webhook_id = await hooks.webhook(receiver.url)
    await hooks.facts(1)
    receiver.hangs, receiver.statuses = asyncio.Event(), [500]
    sender = hooks.sender()
    await sender.start_due()
    while not receiver.arrived:
        await asyncio.sleep(0.01)
    await hooks.sql.execute("update webhooks set is_enabled = false where id = $1", webhook_id)
    receiver.hangs.set()
    await sender.finished()
    await sender._poster.close()
    assert await hooks.states() == [("dead", 1)]


async def test_a_stopped_sender_lets_deliveries_end(hooks: Hooks, receiver: Receiver) -> None:
    """A node that stops waits for the answers under way, and what was posted is stored."""
    await hooks.webhook(receiver.url)
    await hooks.facts(1)
    receiver.hangs = asyncio.Event()
    running: WebhookSender = hooks.sender()
    loop = asyncio.create_task(running.run())
    while not receiver.arrived:
        await asyncio.sleep(0.01)
    loop.cancel()
    receiver.hangs.set()
    with pytest.raises(asyncio.CancelledError):
        await loop
    await running._poster.close()
    assert await hooks.states() == [("delivered", 1)]


async def test_a_delivery_that_is_cancelled_while_it_stores_its_result_keeps_it(
    hooks: Hooks, receiver: Receiver
) -> None:
    """The grace of a stop may end in the middle of the transaction; what has arrived is not sent again."""
    await hooks.webhook(receiver.url)
    await hooks.facts(1)
    receiver.hangs = asyncio.Event()
    sender = hooks.sender()
    await sender.start_due()
    async with hooks.sql.transaction():
        await hooks.sql.execute("select from webhook_deliveries for update")
        receiver.hangs.set()
        await until(partial(is_waited_for, hooks.sql))
        for task in sender._sending:
            task.cancel()
        await asyncio.sleep(0)
    await sender.finished()
    await sender._poster.close()
    assert await hooks.states() == [("delivered", 1)]
