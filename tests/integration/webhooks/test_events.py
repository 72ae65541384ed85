"""What happens is noted in the transaction that makes it true, once, and without a count that is hidden."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tests.support import one_node
from tests.support.webhooks import EVENTS, Hooks, Receiver

database_url = one_node.database_url

NOTED = "select type::text, show_id, data::text from webhook_events order by id"
COUNTS = {"votes", "up", "down", "songs", "ballots"}


async def noted(hooks: Hooks) -> list[tuple[str, int]]:
    """The types and shows of the events so far."""
    return [(row["type"], row["show_id"]) for row in await hooks.sql.fetch(NOTED)]


async def datas(hooks: Hooks, kind: str) -> list[Any]:
    """What the events of a type tell beside the show."""
    rows = await hooks.sql.fetch(NOTED)
    told = [msgspec.json.decode(row["data"]) for row in rows if row["type"] == kind]
    assert all(data.pop("show").keys() == SHOW_FIELDS for data in told)
    return told


SHOW_FIELDS = {"id", "slug", "name", "artist", "venue", "starts_at", "opens_at", "closes_at"}


async def vote(hooks: Hooks, count: int, song: int) -> None:
    """Adds the votes of new fans to a song, in one statement as a commit does."""
    await hooks.sql.execute(
        "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)"
        " select $1, u, (select show_id from setlist_songs where id = $1), 'up', now() from unnest($2::bigint[]) u",
        song, await hooks.factory.users(count),
    )  # fmt: skip


async def test_each_fact_is_noted_once(hooks: Hooks) -> None:
    """Opened, closed, final, a song played, milestones, a group: each in its statement, with what the page says it has."""
    await hooks.webhook("https://hooks.example.org/")
    show = await hooks.factory.show(2)
    assert await noted(hooks) == [("show.opened", 2)]
    for count in (99, 1, 900, 5):
        await vote(hooks, count, show.first)
    assert await datas(hooks, "show.milestone") == [{"votes": 100}, {"votes": 1_000}]
    # Withdrawn and cast again: a number is one event.
    await hooks.sql.execute("delete from votes where user_id in (select user_id from votes limit 10)")
    await vote(hooks, 10, show.songs[1])
    assert len(await datas(hooks, "show.milestone")) == 2

    await hooks.sql.execute("update setlist_songs set played_at = '2026-11-29T20:15:00Z' where id = $1", show.first)
    [played] = await datas(hooks, "song.played")
    title = await hooks.sql.fetchval(
        "select title from songs s join setlist_songs e on e.song_id = s.id where e.id = $1", show.first
    )
    assert played == {"song": {"id": show.first, "title": title, "played_at": "2026-11-29T20:15:00.000Z"}}

    group = await hooks.factory.vote_group(2, (await hooks.factory.users(3)))
    [flagged] = await datas(hooks, "group.flagged")
    assert flagged["group"].keys() == {"id", "ballots", "score", "is_set_aside", "signs"}
    assert flagged["group"]["id"] == group
    assert "target" not in flagged["group"]["signs"]

    await hooks.sql.execute("update shows set closes_at = now() where id = 2")
    await hooks.sql.execute("update shows set finalised_at = now() where id = 2")
    assert (await noted(hooks))[-2:] == [("show.closed", 2), ("show.final", 2)]
    [final] = await datas(hooks, "show.final")
    assert final["votes"] == 1_005
    assert [(song["id"], song["up"], song["down"]) for song in final["songs"]] == [
        (show.first, 995, 0),
        (show.songs[1], 10, 0),
    ]


async def test_voting_opens_and_closes_by_statements(hooks: Hooks) -> None:
    """Closed, reopened, cancelled, announced again, moved: the events alternate, whatever the statements say twice."""
    await hooks.webhook("https://hooks.example.org/", ["show.opened", "show.closed"])
    for statement in (
        "closes_at = now()",
        "closes_at = now() - interval '1 second'",
        "closes_at = now() + interval '1 hour', finalised_at = null",
        "is_locked = true",
        "status = 'cancelled'",
        "status = 'upcoming'",
        "opens_at = now() + interval '30 minutes'",
        "name = 'Another'",
        "opens_at = now() - interval '30 minutes'",
        "status = 'live'",
    ):
        await hooks.sql.execute(f"update shows set {statement} where id = 1")
    assert [kind for kind, _ in await noted(hooks)] == ["show.closed", "show.opened"] * 3
    assert await hooks.sql.fetchval("select count(*) from open_shows") == 1


async def test_voting_opens_and_closes_by_the_clock(hooks: Hooks, receiver: Receiver) -> None:
    """No statement happens then: a sender notices, also one of several, once; and one that was not there at that time."""
    await hooks.webhook(receiver.url, ["show.opened", "show.closed"])
    sender, other = hooks.sender(), hooks.sender()
    await sender.start_due()
    await hooks.factory.show(2, opens_in_s=0.2, closes_in_s=0.5)
    assert await noted(hooks) == []
    while len(receiver.arrived) < 2:
        await asyncio.gather(sender.start_due(), other.start_due())
        await asyncio.gather(sender.finished(), other.finished())
    assert sorted(receiver.types) == ["show.closed", "show.opened"]

    await hooks.factory.show(3, opens_in_s=0.01, closes_in_s=3_600)
    await hooks.sql.execute("select pg_sleep(0.02)")
    # It has the time of another day in its memory: as if the node had slept.
    await hooks.send()
    assert receiver.arrived[-1].body["data"]["show"]["id"] == 3
    for one in (sender, other):
        await one._poster.close()


async def test_a_change_that_is_under_way_is_seen(hooks: Hooks, receiver: Receiver) -> None:
    """A show is prolonged while its voting ends by the clock: the sender waits for its shard, and tells the truth."""
    await hooks.webhook(receiver.url, ["show.opened", "show.closed"])
    await hooks.factory.show(2, closes_in_s=0.05)
    await hooks.sql.execute("select pg_sleep(0.06)")
    sender = hooks.sender()
    async with hooks.sql.transaction():
        await hooks.sql.execute("select from log_positions where shard = 2 for update")
        await hooks.sql.execute("update shows set closes_at = now() + interval '1 hour' where id = 2")
        looking = asyncio.create_task(sender.start_due())
        while not await hooks.sql.fetchval("select exists (select from pg_locks where not granted)"):
            await asyncio.sleep(0.01)
    await looking
    await hooks.send(sender)
    assert receiver.types == ["show.opened"]


async def test_a_fact_that_is_taken_back_is_no_event(hooks: Hooks) -> None:
    """The event is in the transaction of the fact; so is what was told about voting."""
    await hooks.webhook("https://hooks.example.org/")
    transaction = hooks.sql.transaction()
    await transaction.start()
    await hooks.sql.execute("update shows set closes_at = now() where id = 1; set constraints all immediate")
    assert await noted(hooks) == [("show.closed", 1)]
    await transaction.rollback()
    assert await noted(hooks) == []
    await hooks.sql.execute("update shows set closes_at = now() where id = 1")
    assert await noted(hooks) == [("show.closed", 1)]


async def test_nothing_is_noted_that_nobody_wants(hooks: Hooks, receiver: Receiver) -> None:
    """Without a webhook, with a disabled one, and with one that wants something else; each gets only its own."""
    await hooks.sql.execute("update shows set closes_at = now() where id = 1")
    await hooks.webhook(receiver.url, is_enabled=False)
    played = await hooks.webhook(receiver.url, ["song.played"])
    await hooks.sql.execute("update shows set closes_at = now() + interval '1 hour' where id = 1")
    assert await noted(hooks) == []
    await hooks.sql.execute("update setlist_songs set played_at = now() where show_id = 1")
    await hooks.send()
    assert receiver.types == ["song.played"] * 3
    assert len(await hooks.states(played)) == 3 == len(await hooks.states())


async def test_a_fact_waits_for_no_webhook(hooks: Hooks) -> None:
    """A commit of votes must not wait for somebody who changes or deletes a webhook, nor fail because of it."""
    webhook_id = await hooks.webhook("https://hooks.example.org/")
    async with hooks.owner.transaction() as deleting:
        await deleting.execute("delete from webhooks where id = $1", webhook_id)
        await hooks.sql.execute("set lock_timeout = '100ms'")
        await hooks.sql.execute("update shows set closes_at = now() where id = 1")
    await hooks.send()
    assert await noted(hooks) == [("show.closed", 1)]
    assert await hooks.states() == []


async def test_an_event_outlives_a_crash(hooks: Hooks, receiver: Receiver) -> None:
    """A node dies right after the commit of a fact: any other node sends it, also of a show that is deleted meanwhile."""
    await hooks.webhook(receiver.url)
    await hooks.sql.execute("update shows set closes_at = now() where id = 1")
    await hooks.sql.execute("delete from shows where id = 1")
    await hooks.send()
    assert receiver.types == ["show.closed"]
    assert receiver.arrived[0].body["data"]["show"]["slug"] == "show-1"


async def test_no_hidden_count_is_told(hooks: Hooks) -> None:
    """Until a result is final, events of a show with hidden counts tell its public total and nothing else that counts."""
    await hooks.webhook("https://hooks.example.org/", EVENTS)
    show = await hooks.factory.show(2)
    await hooks.sql.execute("update shows set results = 'after_closing' where id = 2")
    await vote(hooks, 100, show.first)
    await hooks.sql.execute("update setlist_songs set played_at = now() where id = $1", show.first)
    await hooks.sql.execute("update shows set closes_at = now() where id = 2")
    rows = await hooks.sql.fetch(NOTED)
    told = {row["type"]: _names(msgspec.json.decode(row["data"])) & COUNTS for row in rows}
    assert told == {"show.opened": set(), "show.milestone": {"votes"}, "song.played": set(), "show.closed": set()}


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_names, value.values()))
    return set().union(*map(_names, value)) if isinstance(value, list) else set()
