"""Failures of mail servers: they defer, refuse, hang, disconnect, and cannot be trusted with a password."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog.testing

from server.errors import MailUnavailable
from server.mail.sender import ATTEMPTS_MAX, retry_s
from server.mail.smtp import SmtpClient
from server.mail.tokens import mailbox_hash
from tests.support import one_node
from tests.support.engines import unused_port
from tests.support.mailing import COMPOSER, Mailing
from tests.support.smtp_server import DROP, HANG, SmtpServer, certificate

database_url = one_node.database_url

MINUTE_S = 60.0
DAY = timedelta(days=1)


# ── replies of the mail server


@pytest.mark.parametrize("where", ["at_recipient", "at_data"])
async def test_a_deferred_email_is_sent_later(mailing: Mailing, smtp_server: SmtpServer, where: str) -> None:
    """It is not sent before its retry is due. The log has the reply without the address."""
    await mailing.one_email()
    getattr(smtp_server, where)["fan@example.org"] = "451 4.7.1 <Fan@example.org> try later"
    await mailing.send_all(smtp_server)
    assert await mailing.states() == [("queued", 1)]
    assert await mailing.log() == [("queued", "451 4.7.1 <<address>> try later")]
    getattr(smtp_server, where).clear()
    mailing.clock.advance(0.7 * MINUTE_S)
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    mailing.clock.advance(0.6 * MINUTE_S)
    await mailing.send_all(smtp_server)
    assert smtp_server.recipients() == ["fan@example.org"]
    assert await mailing.states() == [("sent", 2)]
    assert await mailing.stops() == []


async def test_six_attempts_with_growing_delays_are_made(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """After the sixth attempt the email has failed, and is not tried again."""
    await mailing.one_email()
    smtp_server.at_recipient["fan@example.org"] = "450 4.2.0 busy"
    for _ in range(ATTEMPTS_MAX):
        await mailing.send_all(smtp_server)
        waiting = await mailing.sql.fetchval("select not_before from email_queue")
        mailing.turn_to(max(waiting, mailing.now) + timedelta(milliseconds=1))
    assert await mailing.states() == [("failed", 6)]
    assert [status for status, _ in await mailing.log()] == ["queued"] * 5 + ["failed"]
    assert (await mailing.log())[-1] == ("failed", "given up after 6 attempts: 450 4.2.0 busy")
    assert timedelta(hours=4) < mailing.now - datetime(2026, 11, 25, 12, tzinfo=UTC) < timedelta(hours=8)
    mailing.clock.advance(DAY.total_seconds())
    await mailing.send_all(smtp_server)
    assert len(await mailing.log()) == 6
    assert await mailing.stops() == []


def test_retry_delays_have_jitter() -> None:
    """Emails that failed together are not retried together."""
    for attempts, minutes in enumerate([1, 4, 16, 64, 256], 1):
        delays = {retry_s(attempts) / MINUTE_S for _ in range(50)}
        assert len(delays) > 40
        assert all(0.75 * minutes <= delay <= 1.25 * minutes for delay in delays)


@pytest.mark.parametrize(
    ("where", "answer", "is_bounce"),
    [
        ("at_recipient", "550 5.1.1 no such user", True),
        ("at_recipient", "550 nobody here", True),
        ("at_recipient", "551 moved", True),
        ("at_recipient", "553 5.1.3 bad name", True),
        ("at_recipient", "550 5.7.1 your address is on a list", False),
        ("at_recipient", "554 5.0.0 no", False),
        ("at_recipient", "552 5.2.2 full", False),
        ("at_data", "550 5.7.1 looks like spam", False),
        ("at_data", "554 5.6.0 cannot be read", False),
    ],
)
async def test_a_permanent_refusal_is_final(
    mailing: Mailing, smtp_server: SmtpServer, where: str, answer: str, *, is_bounce: bool
) -> None:
    """The email fails at the first attempt. The address is stopped only if the mailbox does not exist."""
    await mailing.one_email()
    getattr(smtp_server, where)["fan@example.org"] = answer
    await mailing.send_all(smtp_server)
    assert await mailing.states() == [("failed", 1)]
    assert await mailing.log() == [("failed", answer)]
    assert await mailing.stops() == ([(mailbox_hash("fan@example.org"), "bounce")] if is_bounce else [])


async def test_a_refusal_does_not_affect_the_other_emails(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """The rest of the batch is sent after any reply to one address."""
    for number, answer in enumerate(["451 later", "550 nobody", DROP, "250 OK", "250 OK"]):
        smtp_server.at_recipient[f"fan{number}@example.org"] = answer
        await mailing.one_email(f"fan{number}@example.org")
    await mailing.send_all(smtp_server)
    assert smtp_server.recipients() == ["fan3@example.org", "fan4@example.org"]
    assert [status for status, _ in await mailing.states()] == ["queued", "failed", "queued", "sent", "sent"]


@pytest.mark.parametrize(
    "address", ["fan@example.org\r\nBcc: x@example.org", "fän@example.org", "a@b@c <", "\u202e@\u202e"]
)
async def test_an_invalid_address_fails_alone(mailing: Mailing, smtp_server: SmtpServer, address: str) -> None:
    """No route accepts it. If the database has it anyway, only this email fails, and the log has no address."""
    await mailing.one_email(address)
    await mailing.one_email("next@example.org")
    with structlog.testing.capture_logs() as logs:
        await mailing.send_all(smtp_server)
    assert smtp_server.recipients() == ["next@example.org"]
    assert await mailing.states() == [("failed", 1), ("sent", 1)]
    assert "@" not in f"{logs} {await mailing.log()}"


async def test_a_digest_counts_as_one_email_of_the_minute(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """The limit counts emails, not items, also while an email is being sent."""
    smtp_server.at_data["fan@example.org"] = HANG
    fan = await mailing.fan("fan@example.org", frequency="daily", follows=1)
    for _ in range(8):
        await mailing.queue(fan, await mailing.show())
    slow = asyncio.create_task(mailing.sender(smtp_server, minute_max=4).send_due())
    await smtp_server.came.wait()
    await mailing.one_email("next@example.org")
    sender = mailing.sender(smtp_server, minute_max=4)
    assert await sender.send_due() == 1
    smtp_server.released.set()
    await slow
    await sender._client.close()
    assert smtp_server.recipients() == ["next@example.org", "fan@example.org"]


@pytest.mark.parametrize("where", ["at_recipient", "at_data", "after_data"])
async def test_an_email_is_sent_again_after_a_disconnect(mailing: Mailing, smtp_server: SmtpServer, where: str) -> None:
    """If the server had accepted it, it arrives twice, with the same Message-ID."""
    await mailing.one_email()
    getattr(smtp_server, where)["fan@example.org"] = DROP
    await mailing.send_all(smtp_server)
    assert await mailing.states() == [("queued", 1)]
    getattr(smtp_server, where).clear()
    mailing.clock.advance(2 * MINUTE_S)
    await mailing.send_all(smtp_server)
    assert await mailing.states() == [("sent", 2)]
    assert len(smtp_server.arrived) == (2 if where == "after_data" else 1)
    assert len({email.message["Message-ID"] for email in smtp_server.arrived}) == 1


async def test_a_hanging_server_times_out(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """The email is deferred, and the next one is sent over a new connection."""
    smtp_server.at_data["fan@example.org"] = HANG
    await mailing.one_email()
    await mailing.one_email("next@example.org")
    sender = mailing.sender(smtp_server, send_timeout_s=0.3)
    assert await sender.send_due() == 2
    await sender._client.close()
    assert [status for status, _ in await mailing.states()] == ["queued", "sent"]
    assert smtp_server.connections == 2


async def test_a_mail_server_that_is_down_costs_no_attempt(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """All emails are back in the queue, and are sent when the server works. The error does not show the password."""
    for number in range(3):
        await mailing.one_email(f"fan{number}@example.org")
    sender = mailing.sender(smtp_server)
    sender._client = SmtpClient(f"smtp://me:hush@localhost:{unused_port()}", COMPOSER.sender)
    with pytest.raises(MailUnavailable) as caught:
        await sender.send_due()
    assert "hush" not in str(caught.value)
    assert await mailing.states() == [("queued", 0)] * 3
    await mailing.send_all(smtp_server)
    assert len(smtp_server.arrived) == 3


@pytest.mark.parametrize("answer", ["550 5.7.1 who are you", "421 4.3.2 closing", "451 not now"])
async def test_a_refused_sender_costs_no_attempt(mailing: Mailing, smtp_server: SmtpServer, answer: str) -> None:
    """A refusal of our own address concerns the operator. It would fail every email."""
    await mailing.one_email()
    smtp_server.at_sender = answer
    sender = mailing.sender(smtp_server)
    with pytest.raises(MailUnavailable, match=answer[:3]):
        await sender.send_due()
    assert await mailing.states() == [("queued", 0)]
    assert await mailing.log() == []
    smtp_server.at_sender = "250 OK"
    await mailing.send_all(smtp_server)
    assert len(smtp_server.arrived) == 1


async def test_no_address_and_no_password_is_logged(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """Replies with the address and disconnects are logged without it."""
    for number, answer in enumerate(["451 <fan0@example.org> no", "550 FAN1@example.org no", DROP]):
        smtp_server.at_recipient[f"fan{number}@example.org"] = answer
        await mailing.one_email(f"fan{number}@example.org")
    with structlog.testing.capture_logs() as logs:
        await mailing.send_all(smtp_server)
    assert len(logs) == 3
    told = f"{logs} {await mailing.log()}".lower()
    assert "@example.org" not in told


# ── the connection


async def test_a_password_is_sent_over_an_encrypted_connection(
    mailing: Mailing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STARTTLS for smtp, TLS for smtps. The password in the URL may be percent-encoded."""
    context, chain = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    for scheme in ("smtp", "smtps"):
        kind = {"starttls" if scheme == "smtp" else "tls": context}
        async with SmtpServer.open(needs_login=True, **kind) as smtp_server:
            await mailing.one_email(f"{scheme}@example.org")
            client = SmtpClient(smtp_server.url(user="me:s3cret%2F%26x@", scheme=scheme), COMPOSER.sender)
            sender = mailing.sender(smtp_server)
            sender._client = client
            assert await sender.send_due() == 1
            await client.close()
            assert smtp_server.logins == [(b"me", b"s3cret/&x")]
            assert smtp_server.recipients() == [f"{scheme}@example.org"]
            assert (await client.check()).is_encrypted


async def test_an_untrusted_certificate_gets_no_password(mailing: Mailing, tmp_path: Path) -> None:
    """The connection fails before the login."""
    context, _ = certificate(tmp_path)
    async with SmtpServer.open(starttls=context, needs_login=True) as smtp_server:
        await mailing.one_email()
        client = SmtpClient(smtp_server.url(user="me:s3cret%2F%26x@"), COMPOSER.sender)
        with pytest.raises(MailUnavailable):
            await client.send("fan@example.org", b"Subject: x\r\n\r\nx")
        assert smtp_server.logins == []


async def test_a_wrong_password_is_not_in_the_error(mailing: Mailing) -> None:
    """The error has the reply of the server without the password."""
    async with SmtpServer.open(needs_login=True) as smtp_server:
        client = SmtpClient(smtp_server.url(user="me:wr0ng-one@"), COMPOSER.sender)
        with pytest.raises(MailUnavailable, match="535") as caught:
            await client.check()
        assert "wr0ng-one" not in str(caught.value)
