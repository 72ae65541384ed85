"""Emails about shows that were cancelled or got another date: to whom, once, and not after the change was undone."""

from __future__ import annotations

from datetime import timedelta

from server.mail.enqueuer import UNDO_S
from tests.support import one_node
from tests.support.mailing import Mailing
from tests.support.smtp_server import SmtpServer

database_url = one_node.database_url

DAY = timedelta(days=1)


async def change(mailing: Mailing, show: int, what: str) -> None:
    """Changes a show as staff or a sync would, at the instant of the clock."""
    await mailing.sql.execute(f"update shows set {what} where id = $1", show)
    await mailing.sql.execute("update show_news set at = $1 where at = (select max(at) from show_news)", mailing.now)


async def postpone(mailing: Mailing, show: int, days: int) -> None:
    """Moves a show, and its date with it."""
    await change(mailing, show, f"starts_at = starts_at + interval '{days} d', local_date = local_date + {days}")


async def test_fans_of_a_cancelled_show_are_told(mailing: Mailing) -> None:
    """Who goes, voted or follows, once each, by the kind of emails that told them of the show; and nobody who wants none."""
    going, voter, follower, both = [await mailing.fan() for _ in range(4)]
    announced_only = await mailing.fan(kinds=["show_announced"])
    show = await mailing.show(songs=2)
    await mailing.attend(going, show)
    for fan in (voter, both, announced_only):
        await mailing.vote(fan, show)
    await mailing.vote(both, show, song=2)
    for fan in (follower, both, announced_only):
        await mailing.follow(fan)
    unwanted = [
        await mailing.fan(follows=1, frequency="never"),
        await mailing.fan(follows=1, is_confirmed=False),
        await mailing.fan(follows=1, kinds=["show_result"]),
        await mailing.fan("stopped@example.org", follows=1),
        await mailing.fan(follows=2),
    ]
    await mailing.stop("stopped@example.org")
    await change(mailing, show, "status = 'cancelled'")
    for _ in range(2):
        await mailing.enqueuer().enqueue_all()
    about = f"show:{show}:cancelled"
    assert [item for item in await mailing.queued("show_reminder") if item[1] == about] == [
        (fan, about) for fan in (going, voter, both)
    ]
    assert await mailing.queued("show_announced") == [(fan, about) for fan in (follower, announced_only)]
    assert unwanted
    # Played shows are nobody's evening any more, and what has nothing to do with the date is no news.
    over = await mailing.show(starts_in=-DAY)
    await mailing.attend(going, over)
    await change(mailing, over, "status = 'cancelled'")
    await change(mailing, show, "name = 'Other'")
    await mailing.enqueuer().enqueue_all()
    assert await mailing.sql.fetchval("select count(*) from show_news") == 2
    assert await mailing.sql.fetchval("select count(*) from email_queue where about like '%:cancelled'") == 5


async def test_a_change_that_is_undone_is_told_to_nobody(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """The email waits ten minutes. A show that was reinstated, or moved once more, is not told as it was."""
    fan = await mailing.fan("fan@example.org")
    show = await mailing.show()
    await mailing.attend(fan, show)
    await change(mailing, show, "status = 'cancelled'")
    await mailing.enqueuer().enqueue_all()
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    await change(mailing, show, "status = 'upcoming'")
    await postpone(mailing, show, 7)
    await mailing.enqueuer().enqueue_all()
    await postpone(mailing, show, 1)
    await mailing.enqueuer().enqueue_all()
    mailing.clock.advance(UNDO_S)
    await mailing.send_all(smtp_server)
    assert [detail for _, detail in await mailing.log()][:2] == [
        "the show is not cancelled any more",
        "the show has another date by now",
    ]
    (email,) = smtp_server.arrived
    assert email.message["Subject"].startswith("Band in Boston has a new date: Saturday 2 January 2027")
    assert "It is now on Saturday 2 January 2027" in email.text


async def test_a_digest_that_comes_too_late_is_not_waited_for(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """A weekly digest would come on Monday: the show of Friday is told at once, that of next month with the digest."""
    fan = await mailing.fan("fan@example.org", frequency="weekly")
    for days in (2, 30):
        show = await mailing.show(starts_in=days * DAY)
        await mailing.attend(fan, show)
        await change(mailing, show, "status = 'cancelled'")
        await mailing.enqueuer().enqueue_all()
    mailing.clock.advance(UNDO_S)
    await mailing.send_all(smtp_server)
    (email,) = smtp_server.arrived
    assert email.message["Subject"].startswith("Band in Boston is cancelled: Friday 27 November 2026")
    assert "It was planned for Friday 27 November 2026" in email.text
