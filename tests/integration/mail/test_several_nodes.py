"""Several nodes send mail: each email once, within the limit of a minute, also when a node crashes or stops."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
import structlog.testing

from server.clock import SystemClock
from server.mail.sender import CLAIM_TTL
from tests.support import one_node
from tests.support.clock import FakeClock
from tests.support.engines import is_waited_for
from tests.support.mailing import COMPOSER, SECRET, Mailing
from tests.support.node_process import NodeProcess, until, until_async
from tests.support.smtp_server import HANG, SmtpServer

database_url, redis_url = one_node.database_url, one_node.redis_url

MINUTE_S = 60.0


async def test_several_senders_never_send_the_same_email(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """One sender claims a row, and all rows of a digest."""
    for number in range(40):
        fan = await mailing.fan(frequency="daily" if number % 4 == 0 else "immediately", follows=1)
        for _ in range(3 if number % 4 == 0 else 1):
            await mailing.queue(fan, await mailing.show())
    await asyncio.gather(*(mailing.send_all(smtp_server) for _ in range(4)))
    assert len(smtp_server.arrived) == 40
    assert len(set(smtp_server.recipients())) == 40
    assert {status for status, _ in await mailing.states()} == {"sent"}
    assert len(await mailing.log()) == 60


async def test_locked_rows_are_skipped(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """A slow erasure of one user does not delay the emails of others."""
    fan = await mailing.one_email("held@example.org")
    await mailing.one_email("free@example.org")
    async with mailing.sql.transaction():
        await mailing.sql.execute("select 1 from email_queue where user_id = $1 for update", fan)
        await mailing.send_all(smtp_server)
        assert smtp_server.recipients() == ["free@example.org"]
    await mailing.send_all(smtp_server)
    assert smtp_server.recipients() == ["free@example.org", "held@example.org"]


async def test_another_node_takes_over_after_ten_minutes(
    mailing: Mailing, smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node crashes after the server accepted its email. Another sends it again, with the same Message-ID."""
    await mailing.one_email()
    dying = mailing.sender(smtp_server)

    class Killed(BaseException):
        pass

    async def kill(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(dying, "_settle", kill)
    with pytest.raises(Killed):
        await dying.send_due()
    await dying._client.close()
    assert len(smtp_server.arrived) == 1
    assert await mailing.states() == [("sending", 1)]

    mailing.clock.advance(CLAIM_TTL.total_seconds() - 1)
    await mailing.send_all(smtp_server)
    assert len(smtp_server.arrived) == 1
    mailing.clock.advance(1)
    await mailing.send_all(smtp_server)
    first, second = smtp_server.arrived
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert await mailing.states() == [("sent", 2)]


async def test_a_killed_node_loses_no_email(
    mailing: Mailing, smtp_server: SmtpServer, database_url: str, redis_url: str, engine_dir: Path
) -> None:
    """`kill -9` while the server accepts an email: another node sends it again, with the same Message-ID."""
    mailing.clock = FakeClock(SystemClock().now_ms())
    smtp_server.after_data["fan@example.org"] = HANG
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": smtp_server.url(),
        "MYSETLIST_SECRET": SECRET,
        "MYSETLIST_MAIL_FROM": COMPOSER.mail_from,
    }
    # Before the node runs, and of one show: it would enqueue what it finds missing.
    show = await mailing.show()
    for address in ("fan@example.org", "next@example.org"):
        await mailing.queue(await mailing.fan(address, follows=1), show)
    async with NodeProcess.running(engine_dir / "node", **environ) as node:
        await until(lambda: len(smtp_server.arrived) == 1, "the email is accepted")
        await node.kill()
        assert node.tracebacks() == ""
    smtp_server.after_data.clear()
    assert ("sending", 1) in await mailing.states()
    mailing.clock.advance(CLAIM_TTL.total_seconds() + MINUTE_S)
    await mailing.send_all(smtp_server)
    assert smtp_server.recipients().count("fan@example.org") == 2
    assert smtp_server.recipients().count("next@example.org") == 1
    assert len({email.message["Message-ID"] for email in smtp_server.arrived}) == 2
    assert {status for status, _ in await mailing.states()} == {"sent"}


async def test_a_node_cannot_settle_after_its_claim_ended(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """It hung for longer than its claim, and the result of the other node stays."""
    await mailing.one_email()
    smtp_server.at_data["fan@example.org"] = HANG
    slow = asyncio.create_task(mailing.sender(smtp_server).send_due())
    await smtp_server.came.wait()
    mailing.clock.advance(CLAIM_TTL.total_seconds())
    smtp_server.at_data["fan@example.org"] = "550 5.6.0 no"
    await mailing.send_all(smtp_server)
    assert await mailing.states() == [("failed", 2)]
    with structlog.testing.capture_logs() as logs:
        smtp_server.released.set()
        await slow
    assert [entry["event"] for entry in logs] == ["mail.not_settled"]
    assert await mailing.states() == [("failed", 2)]
    assert len(await mailing.log()) == 1


async def test_a_stopping_node_finishes_one_email_and_releases_the_others(
    mailing: Mailing, smtp_server: SmtpServer
) -> None:
    """The current email arrives once. Another node may send the others immediately."""
    for number in range(3):
        await mailing.one_email(f"fan{number}@example.org")
    smtp_server.after_data["fan0@example.org"] = HANG
    stopping = asyncio.create_task(mailing.sender(smtp_server).run())
    await smtp_server.came.wait()
    stopping.cancel()
    await asyncio.sleep(0)
    smtp_server.released.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await mailing.states() == [("sent", 1), ("queued", 0), ("queued", 0)]
    await mailing.send_all(smtp_server)
    assert smtp_server.recipients() == [f"fan{number}@example.org" for number in range(3)]


async def test_a_stopping_node_does_not_wait_for_a_hanging_server(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """The email stays claimed, because its result is unknown. After the claim it is sent again."""
    await mailing.one_email()
    smtp_server.at_data["fan@example.org"] = HANG
    stopping = asyncio.create_task(mailing.sender(smtp_server, stop_grace_s=0.05).run())
    await smtp_server.came.wait()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await mailing.states() == [("sending", 1)]
    smtp_server.at_data.clear()
    mailing.clock.advance(CLAIM_TTL.total_seconds())
    await mailing.send_all(smtp_server)
    assert await mailing.states() == [("sent", 2)]


async def test_a_stopping_node_stores_what_the_mail_server_took(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """Also when the email has taken the whole grace: its result has one of its own."""
    await mailing.one_email()
    smtp_server.after_data["fan@example.org"] = HANG
    stopping = asyncio.create_task(mailing.sender(smtp_server, stop_grace_s=0.0).run())
    await smtp_server.came.wait()
    async with mailing.sql.transaction():
        await mailing.sql.execute("select from email_queue for update")
        smtp_server.released.set()
        await until_async(partial(is_waited_for, mailing.sql), "the result waits for the row")
        stopping.cancel()
        for _ in range(10):  # so that the cancellation arrives before the lock is free
            await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await mailing.states() == [("sent", 1)]


async def test_emails_a_minute_are_limited(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """The limit is for all nodes together. The rest is sent in the next minute."""
    for _ in range(10):
        await mailing.one_email(f"fan{await mailing.user()}@example.org")
    senders = [mailing.sender(smtp_server, minute_max=4) for _ in range(3)]
    for _ in range(3):
        await asyncio.gather(*(sender.send_due() for sender in senders))
    assert len(smtp_server.arrived) == 4
    mailing.clock.advance(MINUTE_S)
    for _ in range(2):
        await asyncio.gather(*(sender.send_due() for sender in senders))
    assert len(smtp_server.arrived) == 8
    for sender in senders:
        await sender._client.close()
