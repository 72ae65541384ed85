"""What is said to whom: once, and only to who asked for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from server.mail import enqueuer
from tests.support.mailing import WEDNESDAY_NOON, Mailing

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def test_a_new_show_is_told_to_who_followed_before_it_was_there(mailing: Mailing) -> None:
    """Not to who follows since, who follows another, who follows and gave no address; and not about old or past shows."""
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
    await mailing.queueing().look()
    assert await mailing.queued("show_announced") == [(follower, f"show:{show}")]


async def test_whoever_follows_two_on_the_bill_is_told_once(mailing: Mailing) -> None:
    """One letter about one show."""
    fan = await mailing.fan(follows=1)
    await mailing.follow(fan, 2)
    show = await mailing.show()
    await mailing.sql.execute(
        "insert into show_artists (show_id, artist_id, billing, position) values ($1, 2, 'support', 2)", show
    )
    await mailing.queueing().look()
    assert await mailing.queued("show_announced") == [(fan, f"show:{show}")]


async def test_a_reminder_goes_to_who_attends_and_to_who_voted(mailing: Mailing) -> None:
    """Once to who did both, for shows of the next 24 hours, and not when the show is cancelled or has begun."""
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
    await mailing.queueing().look()
    assert await mailing.queued("show_reminder") == [(fan, f"show:{soon}") for fan in (going, voter, both)]


async def test_who_gets_one_letter_a_week_is_reminded_within_the_week(mailing: Mailing) -> None:
    """Of shows that start before the next letter but one; never with a letter that comes after the start."""
    weekly = await mailing.fan(frequency="weekly")
    daily = await mailing.fan(frequency="daily")
    next_week = await mailing.show(starts_in=6 * DAY)  # Tuesday; the letter comes on Monday
    before_monday = await mailing.show(starts_in=2 * DAY)
    tonight = await mailing.show(starts_in=8 * HOUR)
    tomorrow = await mailing.show(starts_in=22 * HOUR)
    for show in (next_week, before_monday, tonight, tomorrow):
        await mailing.attend(weekly, show)
        await mailing.attend(daily, show)
    await mailing.queueing().look()
    assert await mailing.queued("show_reminder") == [(weekly, f"show:{next_week}"), (daily, f"show:{tomorrow}")]


async def test_a_result_goes_to_who_voted_and_to_who_attends(mailing: Mailing) -> None:
    """When the voting became final within a day, and there were votes."""
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
    await mailing.queueing().look()
    assert await mailing.queued("show_result") == [(voter, f"show:{final}"), (going, f"show:{final}")]
    assert stranger not in [user for user, _ in await mailing.queued("show_result")]


async def test_who_does_not_want_it_is_not_queued_for(mailing: Mailing) -> None:
    """Never, not confirmed, or another kind."""
    await mailing.fan(follows=1, frequency="never")
    await mailing.fan(follows=1, is_confirmed=False)
    await mailing.fan(follows=1, kinds=["show_result"])
    await mailing.fan(follows=1, kinds=[])
    await mailing.show()
    await mailing.queueing().look()
    assert await mailing.queued("show_announced") == []


async def test_nothing_is_queued_twice(mailing: Mailing) -> None:
    """Not by several nodes at once, not in the next minute, and not after it was sent."""
    for _ in range(20):
        await mailing.fan(follows=1)
    for _ in range(3):
        await mailing.show(starts_in=HOUR)
    await asyncio.gather(*(mailing.queueing().look() for _ in range(4)))
    await mailing.queueing().look()
    assert len(await mailing.queued("show_announced")) == 60
    await mailing.sql.execute("update email_queue set status = 'sent'")
    mailing.clock.advance(60)
    await mailing.queueing().look()
    assert len(await mailing.queued("show_announced")) == 60


async def test_more_than_one_statement_takes_is_queued_in_several(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A great artist's followers are not one transaction."""
    monkeypatch.setattr(enqueuer, "QUEUED_AT_ONCE_MAX", 3)
    fans = [await mailing.fan(follows=1) for _ in range(7)]
    await mailing.show()
    await mailing.queueing().look()
    assert [user for user, _ in await mailing.queued("show_announced")] == fans


async def test_one_look_that_fails_does_not_keep_the_others_back(mailing: Mailing) -> None:
    """Here somebody holds the table of follows until the statement gives up."""
    fan = await mailing.fan(follows=1)
    final = await mailing.show(starts_in=-DAY, finalised_at=mailing.now, songs=1)
    await mailing.vote(fan, final)
    async with mailing.sql.transaction():
        await mailing.sql.execute("lock table user_follows_artists in access exclusive mode")
        await mailing.queueing().look()
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
async def test_digests_go_out_at_eight_in_the_morning(
    mailing: Mailing, frequency: str, instant: datetime, due: datetime | None
) -> None:
    """Every day or on Mondays, by the clock in UTC."""
    found = await mailing.sql.fetchval("select mail_due_at($1::text::email_frequency, $2)", frequency, instant)
    assert found == due
