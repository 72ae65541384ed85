"""The enqueuer: each email is enqueued once, and only for users who asked for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from server.mail.enqueuer import EmailEnqueuer
from tests.support import one_node
from tests.support.mailing import WEDNESDAY_NOON, Mailing

database_url = one_node.database_url

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def test_a_new_show_is_announced_to_its_earlier_followers(mailing: Mailing) -> None:
    """Later followers, followers of others and followers without an address get nothing. Old and past shows are skipped."""
    follower = await mailing.fan(follows=1)
    await mailing.fan(follows=2)
    await mailing.fan()
    await mailing.follow(await mailing.user())
    late = await mailing.fan()
    await mailing.follow(late, at=mailing.now + timedelta(seconds=1))
    show = await mailing.show()
    await mailing.show(created_at=mailing.now - DAY)
    await mailing.follow(follower, 2, at=mailing.now - 9 * DAY)
    await mailing.show(starts_in=-HOUR)
    await mailing.show(status="cancelled")
    await mailing.enqueuer().enqueue_all()
    assert await mailing.queued("show_announced") == [(follower, f"show:{show}")]


async def test_a_follower_of_two_artists_of_a_show_gets_one_announcement(mailing: Mailing) -> None:
    """There is one item for each user and show."""
    fan = await mailing.fan(follows=1)
    await mailing.follow(fan, 2)
    show = await mailing.show()
    await mailing.sql.execute(
        "insert into show_artists (show_id, artist_id, billing, position) values ($1, 2, 'support', 2)", show
    )
    await mailing.enqueuer().enqueue_all()
    assert await mailing.queued("show_announced") == [(fan, f"show:{show}")]


async def test_a_reminder_goes_to_attendees_and_voters(mailing: Mailing) -> None:
    """A user who did both gets one. Shows after 24 hours, cancelled shows and shows that have begun are skipped."""
    going, voter, both, neither = [await mailing.fan() for _ in range(4)]
    soon = await mailing.show(starts_in=DAY, songs=2)
    others = [
        await mailing.show(starts_in=DAY + timedelta(seconds=1), songs=1),
        await mailing.show(starts_in=HOUR, status="cancelled", songs=1),
        await mailing.show(starts_in=timedelta(0), songs=1),
    ]
    await mailing.attend(going, soon)
    await mailing.attend(both, soon)
    await mailing.vote(voter, soon)
    await mailing.vote(both, soon)
    await mailing.vote(both, soon, song=2)
    for show in others:
        await mailing.attend(neither, show)
        await mailing.vote(neither, show)
    await mailing.enqueuer().enqueue_all()
    assert await mailing.queued("show_reminder") == [(fan, f"show:{soon}") for fan in (going, voter, both)]


async def test_a_weekly_digest_has_reminders_for_the_week(mailing: Mailing) -> None:
    """It has the shows of the seven days, but no show that starts before the digest is sent."""
    weekly = await mailing.fan(frequency="weekly")
    daily = await mailing.fan(frequency="daily")
    next_week = await mailing.show(starts_in=6 * DAY)  # Tuesday; the digest is sent on Monday
    before_monday = await mailing.show(starts_in=2 * DAY)
    tonight = await mailing.show(starts_in=8 * HOUR)
    tomorrow = await mailing.show(starts_in=22 * HOUR)
    for show in (next_week, before_monday, tonight, tomorrow):
        await mailing.attend(weekly, show)
        await mailing.attend(daily, show)
    await mailing.enqueuer().enqueue_all()
    assert await mailing.queued("show_reminder") == [(weekly, f"show:{next_week}"), (daily, f"show:{tomorrow}")]


async def test_a_result_goes_to_voters_and_attendees(mailing: Mailing) -> None:
    """The voting became final within a day, and the show has votes."""
    voter, going, stranger = [await mailing.fan() for _ in range(3)]
    final = await mailing.show(
        starts_in=-DAY, finalised_at=mailing.now - HOUR, songs=1, created_at=mailing.now - 9 * DAY
    )
    old = await mailing.show(starts_in=-3 * DAY, finalised_at=mailing.now - DAY, songs=1)
    silent = await mailing.show(starts_in=-DAY, finalised_at=mailing.now - HOUR, songs=1)
    running = await mailing.show(starts_in=-HOUR, songs=1)
    for show in (final, old, running):
        await mailing.vote(voter, show)
    for show in (final, silent):
        await mailing.attend(going, show)
    await mailing.enqueuer().enqueue_all()
    assert await mailing.queued("show_result") == [(voter, f"show:{final}"), (going, f"show:{final}")]
    assert stranger not in [user for user, _ in await mailing.queued("show_result")]


async def test_unwanted_emails_are_not_enqueued(mailing: Mailing) -> None:
    """The frequency is never, the address is unconfirmed, or the kind is not wanted."""
    await mailing.fan(follows=1, frequency="never")
    await mailing.fan(follows=1, is_confirmed=False)
    await mailing.fan(follows=1, kinds=["show_result"])
    await mailing.fan(follows=1, kinds=[])
    await mailing.show()
    await mailing.enqueuer().enqueue_all()
    assert await mailing.queued("show_announced") == []


async def test_nothing_is_enqueued_twice(mailing: Mailing) -> None:
    """Neither by several nodes at the same time, nor in the next minute, nor after it was sent."""
    for _ in range(20):
        await mailing.fan(follows=1)
    for _ in range(3):
        await mailing.show(starts_in=HOUR)
    await asyncio.gather(*(mailing.enqueuer().enqueue_all() for _ in range(4)))
    await mailing.enqueuer().enqueue_all()
    assert len(await mailing.queued("show_announced")) == 60
    await mailing.sql.execute("update email_queue set status = 'sent'")
    mailing.clock.advance(60)
    await mailing.enqueuer().enqueue_all()
    assert len(await mailing.queued("show_announced")) == 60


async def test_many_emails_are_enqueued_in_batches(mailing: Mailing) -> None:
    """The followers of a popular artist do not need one large transaction."""
    fans = [await mailing.fan(follows=1) for _ in range(7)]
    await mailing.show()
    await EmailEnqueuer(mailing.owner, mailing.clock, batch_max=3).enqueue_all()
    assert [user for user, _ in await mailing.queued("show_announced")] == fans


async def test_a_failed_statement_does_not_stop_the_other_kinds(mailing: Mailing) -> None:
    """A lock on the table of follows makes the announcements time out, but the results are enqueued."""
    fan = await mailing.fan(follows=1)
    final = await mailing.show(starts_in=-DAY, finalised_at=mailing.now, songs=1)
    await mailing.vote(fan, final)
    async with mailing.sql.transaction():
        await mailing.sql.execute("lock table user_follows_artists in access exclusive mode")
        await mailing.enqueuer().enqueue_all()
    assert await mailing.queued("show_result") == [(fan, f"show:{final}")]


@pytest.mark.parametrize(
    ("frequency", "instant", "due"),
    [
        ("immediately", WEDNESDAY_NOON, WEDNESDAY_NOON),
        ("daily", WEDNESDAY_NOON, datetime(2026, 11, 26, 8, tzinfo=UTC)),
        ("daily", datetime(2026, 11, 25, 7, 59, 59, tzinfo=UTC), datetime(2026, 11, 25, 8, tzinfo=UTC)),
        ("daily", datetime(2026, 11, 25, 8, tzinfo=UTC), datetime(2026, 11, 26, 8, tzinfo=UTC)),
        ("daily", datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, 8, tzinfo=UTC)),
        ("weekly", WEDNESDAY_NOON, datetime(2026, 11, 30, 8, tzinfo=UTC)),
        ("weekly", datetime(2026, 11, 30, 7, tzinfo=UTC), datetime(2026, 11, 30, 8, tzinfo=UTC)),
        ("weekly", datetime(2026, 11, 30, 8, tzinfo=UTC), datetime(2026, 12, 7, 8, tzinfo=UTC)),
        ("never", WEDNESDAY_NOON, None),
    ],
)
async def test_digests_are_due_at_eight_in_the_morning(
    mailing: Mailing, frequency: str, instant: datetime, due: datetime | None
) -> None:
    """Daily digests every day, weekly digests on Mondays, in UTC."""
    found = await mailing.sql.fetchval("select mail_due_at($1::text::email_frequency, $2)", frequency, instant)
    assert found == due
