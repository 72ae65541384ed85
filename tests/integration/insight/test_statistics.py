"""The statistics of votes over HTTP, on a whole node. tests/property/test_insight_against_recount.py compares every number."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import aiohttp
import pytest

from server.insight.counting import Recounts
from server.insight.queries import statistics as queries
from server.insight.visits import Visits
from server.node.intervals import Intervals
from server.node.node import Node
from tests.support import one_node
from tests.support.engines import is_waited_for
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

STATS = "/api/analytics/vote-stats"


@pytest.fixture
def has_chores() -> bool:
    """A chore counts votes."""
    return True


async def counted(factory: RowFactory) -> None:
    """Waits until the node has counted all votes that are committed."""
    await until(
        lambda: factory.sql.fetchval(
            "select not exists (select from votes_to_count) and not exists (select from voters_to_count)"
        )
    )


async def test_statistics_of_each_subject(node: Node, people: People, factory: RowFactory) -> None:
    """Of a show, an artist, a venue and everything: a changed vote is one vote and two casts; the voters stay after an erasure;
    the table has the same numbers.
    """
    show, other = await factory.show(7), await factory.show(8)
    await factory.sql.execute(
        "insert into artists (slug, name) values ('guest', '=Guest'); update shows set artist_id = 2 where id = 8"
    )
    one, two, visitor = await people.person(), await people.person(), people.nobody()
    await one.ok("POST", "/api/shows/7/votes", {"votes": [[show.songs[0], "down"], [show.songs[1], "up"]]})
    await one.ok("POST", "/api/shows/8/votes", {"votes": [[other.first, "up"]]})
    for song, choice in ((1, "down"), (1, "up"), (2, "up"), (2, "none")):
        await two.ok("POST", "/api/shows/7/votes", {"votes": [[show.songs[song], choice]]})
    await counted(factory)

    stats = await visitor.ok("GET", f"{STATS}?show=7")
    assert stats["show"] == {"id": 7, "slug": "show-7", "name": "Show", "time_zone": "America/New_York"}
    assert (stats["scope"], stats["zone"]) == ("show", "America/New_York")
    assert (stats["total"], stats["up"], stats["down"], stats["voter_count"]) == (3, 2, 1, 2)
    assert stats["cast"] == {"votes": 5, "up": 3, "down": 2, "withdrawn": 1, "raw_votes": 5}
    assert [(song["id"], song["rank"]) for song in stats["songs"]] == [
        (show.songs[1], 1), (show.songs[2], 2), (show.songs[0], 3),
    ]  # fmt: skip
    assert sum(hour["votes"] for hour in stats["velocity"]) == sum(hour["votes"] for hour in stats["pattern"]) == 5
    assert (stats["top_songs"], stats["series"], stats["retention"]) == (None, None, {"newcomers": 2, "came_back": 0})
    assert stats["last_vote_at"] is not None
    assert (await visitor.ok("GET", f"{STATS}?show=show-7"))["songs"] == stats["songs"]

    votes = {"artist=band": 3, "artist=2": 1, "venue=hall": 4, "": 4}
    for query, total in votes.items():
        found = await visitor.ok("GET", f"{STATS}?{query}")
        assert (found["total"], found["scope"]) == (total, query.split("=")[0] or "platform")
    assert [song["id"] for song in found["top_songs"]] != []
    assert [(each["id"], each["votes"]) for each in found["top_shows"]] == [(7, 5), (8, 1)]
    assert [(each["id"], each["votes"]) for each in found["top_artists"]] == [(1, 5), (2, 1)]
    assert (found["voter_count"], found["zone"]) == (2, "UTC")

    history = await visitor.ok("GET", "/api/shows/7/history")
    assert (history["show"], sum(hour["votes"] for hour in history["hours"])) == (7, 5)
    assert [(song["id"], song["up"], song["down"]) for song in history["songs"]] == [
        (show.songs[1], 2, 0), (show.songs[0], 0, 1),
    ]  # fmt: skip
    assert history == await visitor.ok("GET", "/api/shows/show-7/history")
    assert await visitor.refused("GET", "/api/shows/nowhere/history") == "not_found"

    today = datetime.now(UTC).date()
    place = f"{STATS}?format=csv&from={today - timedelta(days=1)}&zone=Asia/Kolkata"
    async with aiohttp.request("GET", node.url + place) as response:
        assert (response.status, response.content_type) == (200, "text/csv")
        lines = list(csv.reader(io.StringIO(await response.text())))
    assert lines[0] == ["figure", "key", "name", "votes", "up", "down", "withdrawn"]
    assert ["cast", "", "", "6", "4", "2", "1"] in lines
    assert ["voters", "all", "", "2", "", "", ""] in lines
    assert ["voters", "raw", "", "2", "", "", ""] in lines
    assert ["raw_cast", "", "", "6", "", "", ""] in lines
    assert ["artist", "2", "'=Guest", "1", "", "", ""] in lines
    assert sum(int(line[3]) for line in lines if line[0] == "hour") == 6
    assert {line[2] for line in lines if line[0] == "weekday"} == {"Asia/Kolkata"}

    assert await one.ask("DELETE", "/api/me") == (204, None)
    again = await visitor.ok("GET", STATS)
    assert (again["voter_count"], again["total"]) == (2, 4)
    assert await factory.sql.fetchval("select count(distinct user_id) from voter_days") == 1


async def test_hidden_counts_are_in_no_sum(node: Node, people: People, factory: RowFactory) -> None:
    """Votes of a show that hides its counts are in totals, but neither up, down nor a song tells them; final, they are."""
    hidden, shown = await factory.show(7), await factory.show(8)
    await factory.sql.execute("update shows set results = 'after_closing' where id = 7")
    fan = await people.person()
    await fan.ok("POST", "/api/shows/7/votes", {"votes": [[song, "up"] for song in hidden.songs]})
    await fan.ok("POST", "/api/shows/8/votes", {"votes": [[shown.first, "down"]]})
    await counted(factory)

    async def told(query: str) -> tuple[Any, ...]:
        stats = await fan.ok("GET", f"{STATS}?to={datetime.now(UTC).date()}&{query}")
        assert [stats["total"], stats["cast"]["votes"]] == [4, 4]
        songs = sum(song["up"] for song in stats["top_songs"])
        return stats["up"], stats["down"], stats["cast"]["up"], stats["cast"]["down"], songs

    subjects = ("", "artist=1", "venue=1")
    assert [await told(query) for query in subjects] == [(0, 1, 0, 1, 0)] * 3
    await factory.sql.execute("update shows set finalised_at = now() where id = 7")
    assert [await told(query) for query in subjects] == [(3, 1, 3, 1, 3)] * 3


async def test_a_vote_that_waits_to_be_counted_tells_no_hidden_count(factory: RowFactory) -> None:
    """Between the commit of a vote on a hidden show and its counting, the sums of the platform by direction stay as they were."""
    show = await factory.show(7)
    (fan,) = await factory.users(1)
    sums = "select coalesce(sum(up), 0) from hours_of_scope('platform', 0, '-infinity', 'infinity')"
    await factory.sql.execute("update shows set results = 'after_closing' where id = 7")
    before = await factory.sql.fetchval(sums)
    async with factory.sql.transaction():
        await factory.sql.execute(
            "insert into vote_analytics (show_id, setlist_song_id, user_id, choice, cast_at) values (7, $1, $2, 'up', now())",
            show.first, fan,
        )  # fmt: skip
        await factory.sql.execute(
            "insert into vote_rollups (show_id, hour, up_count) values (7, date_trunc('hour', now(), 'UTC'), 1)"
        )
        assert await factory.sql.fetchval(sums) == before
        await factory.sql.fetchval("select count_votes(1000)")
        assert await factory.sql.fetchval(sums) == before


async def test_long_periods_have_a_series_by_the_day(node: Node, people: People, factory: RowFactory) -> None:
    """Up to 92 days a series has hours, beyond days (UTC); both ends are included, and one alone is enough."""
    await factory.show(7)
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    for hours in (-1, 0, 5, 23, 24, 47, 48):
        await factory.sql.execute(
            "insert into vote_rollups (show_id, hour, up_count, withdrawn_count) values (7, $1, 1, 2)",
            midnight + timedelta(hours=hours),
        )
    visitor = people.nobody()

    async def series(query: str) -> Any:
        return (await visitor.ok("GET", f"{STATS}?show=7&{query}"))["series"]

    assert [hour["hour"] for hour in (await series("from=2026-11-20&to=2026-11-20"))["hours"]] == [
        "2026-11-20T00:00:00Z", "2026-11-20T05:00:00Z", "2026-11-20T23:00:00Z",
    ]  # fmt: skip
    assert len((await series("from=2026-11-20&to=2026-11-21"))["hours"]) == 5
    assert len((await series("to=2026-11-19"))["hours"]) == 1
    assert (await series("from=9000-01-01"))["hours"] == []
    assert (await series("from=2026-09-01&to=2026-12-01"))["days"] is None
    by_day = await series("from=2026-08-31&to=2026-12-01")
    assert by_day["hours"] is None
    assert [(day["day"], day["votes"], day["up"], day["withdrawn"]) for day in by_day["days"]] == [
        ("2026-11-19", 1, 1, 2), ("2026-11-20", 3, 3, 6), ("2026-11-21", 2, 2, 4), ("2026-11-22", 1, 1, 2),
    ]  # fmt: skip


async def test_visits_become_voters(factory: RowFactory, database_url: str, redis_url: str) -> None:
    """Connections that begin to watch a show are visits; with the voters they give the conversion. A stopped node writes its last."""
    show = await factory.show(7)
    async with running_node(database_url, redis_url, intervals=Intervals(visits_s=3600.0), has_chores=True) as node:
        async with SocketClient.connect(node.url) as watcher, SocketClient.connect(node.url) as fan:
            await watcher.watch("votes:7", "status:7")
            await fan.hello(await factory.token())
            await fan.watch("votes:7")
            await fan.cast(7, (show.first, "up"))
        await counted(factory)
    async with running_node(database_url, redis_url, has_chores=True) as node, People.open(node, factory) as people:
        stats = await people.nobody().ok("GET", f"{STATS}?artist=1&to={datetime.now(UTC).date()}")
    assert stats["conversion"] == {"visits": 2, "rate": 0.5}


async def test_visits_that_are_being_written_outlive_a_stop(node: Node, factory: RowFactory) -> None:
    """A node that stops in the middle of a write ends it."""
    await factory.show(7)
    visits = Visits(node.rooms.databases.owner, lambda: taken.pop() if taken else {})
    taken = [{7: 3}]
    async with factory.sql.transaction():
        await factory.sql.execute("lock table show_days in share mode")
        writing = asyncio.create_task(visits.run(interval_s=0.0))
        await until(partial(is_waited_for, factory.sql))
        writing.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await factory.sql.fetchval("select sum(visit_count) from show_days where show_id = 7") == 3


async def test_the_best_predictions(node: Node, people: People, factory: RowFactory) -> None:
    """Fans are ranked by their hits, with ten misses added; only a public profile is named; the platform lists from three shows on."""
    sql = factory.sql
    for show in (7, 8, 9):
        await factory.show(show)
        await sql.execute(
            "insert into show_accuracy (show_id, offered, predicted, hits, played) values ($1, 3, 2, 1, 2)", show
        )
    named, nameless, lucky = await factory.users(3)
    await sql.execute(
        "insert into user_profiles (user_id, display_name, is_public) values ($1, 'Ada', true), ($2, 'Bob', false)",
        named,
        nameless,
    )
    for show in (7, 8, 9):
        await sql.execute(
            "insert into voter_accuracy (user_id, show_id, predicted, hits, played) values ($1, $3, 2, 2, 2), ($2, $3, 2, 1, 2)",
            named, nameless, show,
        )  # fmt: skip
    await sql.execute(
        "insert into voter_accuracy (user_id, show_id, predicted, hits, played) values ($1, 7, 2, 2, 2)", lucky
    )

    async def best(query: str) -> list[tuple[Any, ...]]:
        await sql.execute("select refresh_best_voters()")
        voters = (await people.nobody().ok("GET", f"{STATS}?{query}"))["top_voters"]
        return [(each["name"], each["show_count"], each["hits"]) for each in voters]

    assert await best("") == [("Ada", 3, 6), (None, 3, 3)]
    assert await best("artist=1") == [("Ada", 3, 6), (None, 3, 3), (None, 1, 2)]
    assert await best("show=7") == [("Ada", 1, 2), (None, 1, 2), (None, 1, 1)]
    await sql.execute("delete from show_accuracy where show_id = 9")
    assert await best("") == []


async def test_a_show_that_moves_takes_its_voters_along(factory: RowFactory, database_url: str, redis_url: str) -> None:
    """The voters of both artists are counted again, and those of everything after a deletion."""
    sql = factory.sql
    shows = [await factory.show(7), await factory.show(8)]
    one, two = await factory.users(2)
    await sql.execute("insert into artists (slug, name) values ('other', 'Other')")
    for show, user in ((7, one), (8, one), (8, two)):
        song = shows[show - 7].first
        await sql.execute("insert into votes values ($1, $2, $3, 'up', now())", song, user, show)
        await sql.execute("insert into vote_analytics (show_id, setlist_song_id, user_id, choice, cast_at) values ($3, $1, $2, 'up', now())", song, user, show)  # fmt: skip
        await sql.execute("insert into vote_rollups (show_id, hour, up_count) values ($1, date_trunc('hour', now(), 'UTC'), 1) on conflict do nothing", show)  # fmt: skip

    async def voters() -> dict[tuple[str, int], int]:
        await sql.execute("select count_votes(100)")
        await Recounts().run(sql)
        rows = await sql.fetch(
            "select scope::text, scope_id, sum(voter_count) as n from voter_links group by 1, 2 having sum(voter_count) > 0"
        )
        return {(row["scope"], row["scope_id"]): row["n"] for row in rows}

    common = {("show", 7): 1, ("show", 8): 2, ("venue", 1): 2, ("platform", 0): 2}
    assert await voters() == common | {("artist", 1): 2}
    await sql.execute("update shows set artist_id = 2 where id = 8")
    assert await voters() == common | {("artist", 1): 1, ("artist", 2): 2}
    stored = await sql.fetch("select * from voter_links order by 1, 2, 3, 4, 5")
    await sql.execute("select recount_statistics()")
    assert await sql.fetch("select * from voter_links order by 1, 2, 3, 4, 5") == stored
    await sql.execute("delete from shows where id = 8")
    assert await voters() == {("artist", 1): 1, ("show", 7): 1, ("venue", 1): 1, ("platform", 0): 1}


async def test_votes_that_are_set_aside_do_not_trend(factory: RowFactory) -> None:
    """They leave the score with the decision, also later ones, and are back with the next; a recount says the same."""
    sql = factory.sql
    show = await factory.show(7)
    one, two = await factory.users(2)
    put = "insert into votes values ($1, $2, 7, 'up', '2026-11-09T12:00Z')"
    for song, user in ((0, one), (0, two), (1, two)):
        await sql.execute(put, show.songs[song], user)
    await sql.execute(
        "with g as (insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
        " values (7, 9, '[]', 1, now(), now()) returning id)"
        " insert into vote_group_members (show_id, user_id, group_id) select 7, $1, id from g",
        two,
    )

    async def score() -> float:
        of_show, of_artist = [
            await sql.fetchval(f"select score from get_trending_{kind}(1, '2026-11-09T12:00Z')")
            for kind in ("shows", "artists")
        ]
        assert of_show == pytest.approx(of_artist)
        moved = await sql.fetchval("select heat from show_trending")
        await sql.execute("select update_trending_scores()")
        assert await sql.fetchval("select heat from show_trending") == pytest.approx(moved, abs=1e-9)
        return float(of_show)

    assert await score() == pytest.approx(3)
    await sql.execute("update vote_group_members set is_set_aside = true")
    assert await score() == pytest.approx(1)
    await sql.execute(put, show.songs[2], two)
    assert await score() == pytest.approx(1)
    await sql.execute("update vote_group_members set is_set_aside = false")
    assert await score() == pytest.approx(4)
    await sql.execute("delete from votes where user_id = $1", two)
    assert await score() == pytest.approx(1)


async def test_the_counts_of_songs_are_noted_by_the_hour(node: Node, people: People, factory: RowFactory) -> None:
    """Each hour tells what stood after it, hours without a change are missing, and nobody reads them who may not see the counts."""
    show = await factory.show(3)
    await factory.show(4)
    one, two = await people.person(), await people.person()
    path = f"/api/shows/{show.id}/history"
    await one.ok("POST", f"/api/shows/{show.id}/votes", {"votes": [[show.songs[0], "up"], [show.songs[1], "down"]]})
    await counted(factory)
    await queries.note_song_hours(factory.sql)
    await factory.sql.execute("update song_hours set hour = hour - interval '3 hours'")
    await queries.note_song_hours(factory.sql)
    await two.ok("POST", f"/api/shows/{show.id}/votes", {"votes": [[show.songs[0], "up"]]})
    await counted(factory)
    for _ in range(2):
        await queries.note_song_hours(factory.sql)
    songs = (await people.nobody().ok("GET", path))["songs"]
    assert [(song["id"], [(hour["up"], hour["down"]) for hour in song["hours"]]) for song in songs] == [
        (show.songs[0], [(1, 0), (2, 0)]), (show.songs[1], [(0, 1)]),
    ]  # fmt: skip
    await factory.sql.execute("update shows set results = 'after_vote' where id = $1", show.id)
    hidden = await people.nobody().ok("GET", path)
    assert (hidden["songs"], sum(hour["votes"] for hour in hidden["hours"])) == (None, 3)
    assert len((await one.ok("GET", path))["songs"]) == 2
