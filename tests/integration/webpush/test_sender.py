"""A notice goes encrypted and signed to each device; what fails is tried again as long as it is worth telling."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server.webpush import sender as sender_module
from server.webpush.sender import CLAIM_TTL, FAILURES_MAX
from tests.support import one_node
from tests.support.engines import is_waited_for
from tests.support.row_factory import Show
from tests.support.running_node import running_node, until
from tests.support.webpush import CONTACT, LOCAL, Push

database_url, redis_url = one_node.database_url, one_node.redis_url

WAITING = "select count(*) from webpush_deliveries"
DEVICES = "select count(*) from webpush_devices"


@pytest_asyncio.fixture(loop_scope="module")
async def fan(push: Push, show: Show) -> int:
    """A fan who goes to a show whose voting closes in ten minutes."""
    (user,) = await push.factory.users(1)
    await push.going(user)
    await push.move_show("closes_at", 600)
    return user


async def test_a_message_is_what_push_services_ask_for(push: Push, fan: int) -> None:
    """Every device of the fan gets it, encrypted for it; the signature names this service, the receiver and a contact; it may wait until
    voting closes; a second message to the same service goes by the same connections.
    """
    devices = {await push.device(fan) for _ in range(3)}
    arrived = await push.send()
    assert {one.device for one in arrived} == devices
    for one in arrived:
        assert one.headers["content-encoding"] == "aes128gcm"
        assert int(one.headers["ttl"]) in range(595, 601)
        assert (one.headers["topic"], one.headers["urgency"]) == ("closes-7", "normal")
    signers = [push.service.signer(one) for one in arrived]
    assert len({key for key, _ in signers}) == 1
    claims = signers[0][1]
    assert claims["sub"] == CONTACT
    assert 0 < claims["exp"] - push.now.timestamp() <= 86_400
    assert await push.sql.fetchval(WAITING) == 0
    connections = len(push.service.connections)
    await push.move_show("starts_at", -10)
    assert len(await push.send()) == 3
    assert len(push.service.connections) == connections


async def test_a_passing_failure_is_tried_again(push: Push, fan: int) -> None:
    """After 10 s and more, after what the push service asks for, and never after the end of voting."""
    device = await push.device(fan)
    push.service.statuses = [503, 429, 201]
    assert len(await push.send()) == 1
    assert await push.send() == []
    push.clock.advance(13)
    push.service.retry_after = "90"
    assert len(await push.send()) == 1
    push.service.retry_after = ""
    push.clock.advance(80)
    assert await push.send() == []
    push.clock.advance(11)
    assert [one.device for one in await push.send()] == [device]
    assert await push.sql.fetchval(WAITING) == 0

    await push.move_show("starts_at", -14 * 60)
    push.service.statuses = [503]
    push.service.retry_after = "120"
    assert len(await push.send()) == 1
    assert await push.sql.fetchval(WAITING) == 0
    assert await push.sql.fetchval("select failures from webpush_devices") == 1


@pytest.mark.parametrize("status", [404, 410])
async def test_a_device_that_is_gone_is_deleted(push: Push, fan: int, status: int) -> None:
    """With all that waits for it; the fan's other devices stay."""
    await push.device(fan)
    await push.device(fan)
    push.service.statuses = [status, 201]
    await push.send()
    assert (await push.sql.fetchval(DEVICES), await push.sql.fetchval(WAITING)) == (1, 0)


async def test_a_device_that_takes_nothing_is_deleted_in_the_end(push: Push, show: Show) -> None:
    """Five notices in a row that it did not take; one that it takes begins the count again."""
    (fan,) = await push.factory.users(1)
    await push.device(fan)
    for number in range(FAILURES_MAX + 1):
        show_id = 20 + number
        await push.factory.show(show_id)
        await push.going(fan, show=show_id)
        await push.move_show("closes_at", 600, show_id)
        push.service.statuses = [201 if number == 0 else 413]
        assert len(await push.send()) == 1
        assert await push.sql.fetchval(DEVICES) == (0 if number == FAILURES_MAX else 1), number


async def test_an_address_inside_is_never_reached(push: Push, fan: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node's own poster allows no private network: the address is refused before any connection, and is in no log."""
    name = await push.device(fan)
    push.poster._allowed = ()
    monkeypatch.setattr(sender_module, "ATTEMPTS_MAX", 1)
    with capture_logs() as logs:
        assert await push.send() == []
    assert push.service.connections == set()
    assert (await push.sql.fetchval(WAITING), await push.sql.fetchval("select failures from webpush_devices")) == (0, 1)
    assert [(one["event"], one["status"]) for one in logs if one["log_level"] == "warning"] == [
        ("webpush.not_delivered", None)
    ]
    assert name not in str(logs)


async def test_a_setting_lets_a_node_reach_a_push_service_in_a_network(
    push: Push, fan: int, database_url: str, redis_url: str
) -> None:
    """A node with the setting sends what it refuses without it, also without TLS."""
    name = await push.device(fan)

    async def has_arrived() -> bool:
        return name in {one.device for one in push.service.arrived}

    async with running_node(database_url, redis_url, webpush_networks=LOCAL):
        await until(has_arrived)


async def test_what_a_crashed_node_had_claimed_is_sent_by_another(push: Push, fan: int) -> None:
    """After a minute; until then nobody else takes it. What is no news any more by then is not sent."""
    await push.device(fan)
    await push.notices().make_due()
    crashed = push.sender()
    push.service.statuses = [201]
    await crashed.start_due()
    while crashed._sending:
        await asyncio.wait(crashed._sending)
    assert len(push.service.arrived) == 1
    assert await push.send() == []
    push.clock.advance(CLAIM_TTL.total_seconds() + 1)
    (again,) = await push.send()
    assert again.headers["topic"] == push.service.arrived[0].headers["topic"]
    # The node comes to itself, and finds nothing of its own left.
    await crashed.finished()
    assert await push.sql.fetchval(WAITING) == 0

    await push.sql.execute(
        "insert into webpush_deliveries (notice_id, device_id, not_before) select n.id, d.id, $1 from webpush_notices n, webpush_devices d",
        push.now,
    )
    await push.sql.execute("update webpush_notices set expires_at = $1", push.now)
    assert await push.send() == []
    assert await push.sql.fetchval(WAITING) == 0


async def test_a_notice_of_a_cancelled_show_is_not_sent(push: Push, fan: int) -> None:
    """Also if it was made before."""
    await push.device(fan)
    await push.notices().make_due()
    await push.sql.execute("update shows set status = 'cancelled' where id = 7")
    assert await push.send() == []
    assert await push.sql.fetchval(WAITING) == 0


async def test_two_nodes_send_each_notice_once(push: Push, show: Show) -> None:
    """Each claims others."""
    fans = await push.factory.users(60)
    devices = {await push.device(fan) for fan in fans}
    await push.going(*fans)
    await push.move_show("closes_at", 600)
    await push.notices().make_due()
    senders = [push.sender(), push.sender()]
    while await push.sql.fetchval(WAITING):
        await asyncio.gather(*(sender.start_due() for sender in senders))
        await asyncio.gather(*(sender.finished() for sender in senders))
    assert sorted(one.device for one in push.service.arrived) == sorted(devices)


async def test_a_sender_that_stops_while_it_stores_a_result_keeps_it(push: Push, fan: int) -> None:
    """It waits for the transaction, and what has arrived is not sent again."""
    await push.device(fan)
    await push.sql.execute("update webpush_devices set failures = 1")
    sender = asyncio.create_task(push.sender().run())
    async with push.sql.transaction():
        await push.sql.execute("select from webpush_devices for no key update")
        await until(partial(is_waited_for, push.sql))
        sender.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await sender
    assert len(push.service.arrived) == 1
    assert await push.sql.fetchval(WAITING) == 0
