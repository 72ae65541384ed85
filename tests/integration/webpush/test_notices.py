"""Who is told what, and when: each fan once for a kind and show, on the devices that want it and are awake."""

from __future__ import annotations

import datetime as dt

from tests.support import one_node
from tests.support.row_factory import Show
from tests.support.webpush import Push

database_url = one_node.database_url

CLOSES, BEGINS, SONG = "voting_closes", "show_begins", "song_on"


async def test_fans_of_a_show_are_told_before_voting_closes(push: Push, show: Show) -> None:
    """Who goes, who voted and who follows an act on the bill; once, however often it is looked; nobody else."""
    going, voter, follower, stranger, deaf = await push.factory.users(5)
    for fan in (going, voter, follower, stranger):
        await push.device(fan)
    await push.device(deaf, kinds="{song_on}")
    await push.going(going, deaf)
    await push.sql.execute("insert into votes values ($1, $2, 7, 'down', now())", show.first, voter)
    await push.sql.execute(
        "insert into user_follows_artists (user_id, artist_id) values ($1, 1), ($2, 1)", follower, going
    )
    await push.move_show("closes_at", 31 * 60)
    assert await push.send() == []
    push.clock.advance(120)
    arrived = await push.send()
    assert sorted(push.service.keys) != []
    assert len(arrived) == 3
    assert await push.noticed() == [(going, CLOSES), (voter, CLOSES), (follower, CLOSES)]
    closes = await push.sql.fetchval("select closes_at from shows where id = 7")
    assert arrived[0].shown == {
        "title": "Band: voting closes soon", "text": f"Band, Hall. You can vote until {closes:%H:%M}.",
        "url": "/shows/show-7", "tag": "closes-7",
    }  # fmt: skip
    push.clock.advance(60)
    assert await push.send() == []


async def test_no_notice_comes_of_a_show_that_takes_no_votes(push: Push, show: Show) -> None:
    """Paused, cancelled, not open yet, closed, final: nobody is told that its voting closes."""
    (fan,) = await push.factory.users(1)
    await push.device(fan)
    await push.going(fan)
    await push.move_show("closes_at", 600)
    for change in (
        "is_locked = true", "status = 'cancelled'", "finalised_at = now()", "opens_at = closes_at - interval '1 minute'",
        "opens_at = now() - interval '2 hours', closes_at = now() - interval '1 hour'",
    ):  # fmt: skip
        transaction = push.sql.transaction()
        await transaction.start()
        await push.sql.execute(f"update shows set {change} where id = 7")
        await transaction.commit()
        assert await push.send() == [], change
        await push.sql.execute(
            "update shows set is_locked = false, status = 'upcoming', finalised_at = null, opens_at = now() - interval '2 hours',"
            " closes_at = $1 where id = 7",
            push.now + dt.timedelta(minutes=10),
        )
    assert len(await push.send()) == 1


async def test_the_start_of_a_show_is_told_for_a_quarter_of_an_hour(push: Push, show: Show) -> None:
    """Not before, not long after, and not of a cancelled show."""
    (fan,) = await push.factory.users(1)
    await push.device(fan)
    await push.going(fan)
    for after_s, status, count in ((60, "upcoming", 0), (-16 * 60, "live", 0), (-30, "cancelled", 0), (-30, "live", 1)):
        await push.sql.execute("update shows set status = $1::text::show_status where id = 7", status)
        await push.move_show("starts_at", after_s)
        assert len(await push.send()) == count, (after_s, status)
    assert await push.noticed() == [(fan, BEGINS)]


async def test_each_song_of_a_fan_that_is_played_is_told(push: Push, show: Show) -> None:
    """Who voted it up; not who voted it down; an old mark is no news; a later song has the tag of the earlier one, so the phone shows it
    in its place.
    """
    up, down, both = await push.factory.users(3)
    for fan in (up, down, both):
        await push.device(fan)
    first, second, third = show.songs
    await push.sql.executemany(
        "insert into votes values ($1, $2, 7, $3::text::vote_choice, now())",
        [(first, up, "up"), (first, down, "down"), (second, both, "up"), (third, both, "up"), (second, down, "down")],
    )
    await push.sql.execute("update shows set status = 'live' where id = 7")
    await push.played(third, after_s=-300)
    assert await push.send() == []
    await push.played(second)
    (told,) = await push.send()
    assert told.shown["title"] == "Your song is on: Song 1"
    assert told.headers["topic"] == told.shown["tag"] == "song-7"
    push.clock.advance(240)
    await push.played(first)
    await push.played(third)
    assert {one.shown["title"]: one.shown["tag"] for one in await push.send()} == {
        "Your song is on: Song 0": "song-7", "Your song is on: Song 2": "song-7",
    }  # fmt: skip
    push.clock.advance(10)
    assert await push.send() == []
    assert await push.noticed() == [(up, SONG), (both, SONG), (both, SONG)]


async def test_songs_that_are_marked_together_are_told_as_the_last_of_them(push: Push, show: Show) -> None:
    """A fan is told of one song in two minutes, and never of one that was played before it. One that could not be sent is not sent after
    a later one.
    """
    (fan,) = await push.factory.users(1)
    await push.device(fan)
    await push.sql.execute("update shows set status = 'live' where id = 7")
    first, second, third = show.songs
    for song in show.songs:
        await push.sql.execute("insert into votes values ($1, $2, 7, 'up', now())", song, fan)
    await push.played(first, after_s=-20)
    await push.played(second)
    push.service.statuses = [503]
    push.service.retry_after = "110"
    assert [one.shown["title"] for one in await push.send()] == ["Your song is on: Song 1"]
    push.service.retry_after = ""
    push.clock.advance(60)
    await push.played(third)
    assert await push.send() == []
    push.clock.advance(61)
    assert [one.shown["title"] for one in await push.send()] == ["Your song is on: Song 2"]
    push.clock.advance(5)
    assert await push.send() == []
    assert await push.sql.fetchval("select count(*) from webpush_deliveries") == 0
    assert await push.noticed() == [(fan, SONG), (fan, SONG)]


async def test_quiet_hours_are_those_of_the_device(push: Push, show: Show) -> None:
    """They may cross midnight, and are in its zone; one that wakes before voting closes is told then."""
    berlin, lisbon, day = await push.factory.users(3)
    noon = push.now.replace(hour=22, minute=30, second=0, microsecond=0)
    push.clock.advance((noon - push.now).total_seconds() % 86_400)
    await push.going(berlin, lisbon, day)
    # It is 22:30 UTC. Local time in Kathmandu is 04:15.
    await push.device(berlin, time_zone="UTC", quiet=("22:00", "22:40"))
    await push.device(lisbon, time_zone="Asia/Kathmandu", quiet=("23:00", "07:00"))
    await push.device(day, time_zone="Asia/Kathmandu", quiet=("09:00", "17:00"))
    await push.move_show("closes_at", 25 * 60)
    # Its start was hours after the real time, and may be over now.
    await push.move_show("starts_at", 3 * 3600)
    await push.send()
    assert await push.noticed() == [(day, CLOSES)]
    push.clock.advance(15 * 60)
    await push.send()
    assert await push.noticed() == [(berlin, CLOSES), (day, CLOSES)]


async def test_a_device_whose_sign_in_has_ended_is_told_nothing(push: Push, show: Show) -> None:
    """The session is ended by a sign-out, here or everywhere, or it expires. Other devices of the fan are told."""
    fan, other = await push.factory.users(2)
    sessions = [
        await push.sql.fetchval(
            "insert into sessions (user_id, kind, expires_at, ended_at) values ($1, 'fan', now() + $2, $3) returning id",
            fan, life, ended,
        )
        for life, ended in (
            (dt.timedelta(days=1), None), (dt.timedelta(days=1), push.now), (dt.timedelta(seconds=-1), None),
        )
    ]  # fmt: skip
    open_device, *_ = [await push.device(fan, session=session) for session in sessions]
    await push.device(other, session=sessions[1])
    await push.going(fan, other)
    await push.move_show("closes_at", 600)
    assert [one.device for one in await push.send()] == [open_device]
    assert await push.noticed() == [(fan, CLOSES)]


async def test_many_fans_are_told_in_batches(push: Push, show: Show) -> None:
    """A statement makes so many notices; the next ones follow in the same run, each once."""
    fans = await push.factory.users(25)
    for fan in fans:
        await push.device(fan)
    await push.going(*fans)
    await push.move_show("closes_at", 600)
    await push.notices(batch_max=10).make_due()
    assert await push.noticed() == [(fan, CLOSES) for fan in fans]
    assert await push.sql.fetchval("select count(*) from webpush_deliveries") == 25


async def test_one_node_at_a_time_makes_notices(push: Push, show: Show) -> None:
    """While another node has the lock, this one makes none and does not wait."""
    (fan,) = await push.factory.users(1)
    await push.device(fan)
    await push.going(fan)
    await push.move_show("closes_at", 600)
    async with push.sql.transaction():
        await push.sql.execute("select pg_advisory_xact_lock(hashtext('mysetlist.webpush_notices'))")
        await push.notices().make_due()
    assert await push.noticed() == []
    await push.notices().make_due()
    assert await push.noticed() == [(fan, CLOSES)]
