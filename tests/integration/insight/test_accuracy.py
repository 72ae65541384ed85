"""The accuracy of a show: scored when its sets change, pushed on every node, hidden while counts are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from server.insight.accuracy import score_shows
from server.insight.queries import accuracy
from server.node.node import Node
from server.store.database import WRITER_ROLE
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, people, other = one_node.emptied_database, one_node.people, one_node.other

# Three songs are offered: the first is voted up by two and played, the second up by one, the third down and played.
FORESEEN = {
    "r_precision": 0.5,
    "baseline": None,
    "precision": 0.5,
    "recall": 0.5,
    "rank_correlation": 0.0,
    "hits": 1,
    "played": 2,
    "predicted": 2,
}


@pytest_asyncio.fixture(loop_scope="module")
async def node(factory: RowFactory, database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A node of this test: a chore scores shows, and the other tests do it themselves."""
    async with running_node(database_url, redis_url, has_chores=True) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show with three songs, and the votes of two fans."""
    show = await factory.show(7)
    one, two = await factory.users(2)
    await factory.sql.executemany(
        "insert into votes values ($1, $2, 7, $3, now())",
        [
            (show.songs[0], one, "up"),
            (show.songs[0], two, "up"),
            (show.songs[1], one, "up"),
            (show.songs[2], two, "down"),
        ],
    )
    return show


async def play(factory: RowFactory, *songs: int) -> None:
    """An actual set with these of the offered songs, counted from 0."""
    await factory.sql.execute(
        "with l as (insert into setlists (show_id, type, name) values (7, 'actual', 'Played') returning id)"
        " insert into setlist_songs (setlist_id, show_id, song_id, position)"
        " select l.id, 7, e.song_id, e.position from l, setlist_songs e where e.show_id = 7 and e.position - 1 = any ($1::int[])",
        songs,
    )


async def stored(sql: Any) -> list[Any]:
    """All scores."""
    crowd = await sql.fetch("select show_id, offered, predicted, hits, played, rank_correlation from show_accuracy")
    voters = await sql.fetch("select user_id, predicted, hits, played, rank_correlation from voter_accuracy order by 1")
    return [tuple(row) for row in (*crowd, *voters)]


CORRECTIONS = {
    "a song more": "insert into setlist_songs (setlist_id, show_id, song_id, position)"
    " select l.id, 7, e.song_id, 9 from setlists l, setlist_songs e where l.type = 'actual' and e.id = 2",
    "a song less": "delete from setlist_songs where id = (select max(id) from setlist_songs)",
    "another song": "update setlist_songs set song_id = 2 where id = (select max(id) from setlist_songs)",
    "a tape": "update setlist_songs set is_tape = true where id = (select max(id) from setlist_songs)",
    "a song offered less": "delete from setlist_songs where id = 2",
    "no actual set": "delete from setlists where type = 'actual'",
    "not an actual set": "update setlists set type = 'predicted', position = 2 where type = 'actual'",
    "a support's set": "update setlists set artist_id = 2 where type = 'actual'",
    "final": "update votes set choice = 'down' where setlist_song_id = 1; update shows set finalised_at = now()",
}


@pytest.mark.parametrize("correction", CORRECTIONS)
async def test_a_correction_is_scored_again(factory: RowFactory, show: Show, correction: str) -> None:
    """After any change of the played or offered songs or the votes, the next run scores the show as it is then."""
    sql = factory.sql
    await sql.execute(
        "insert into artists (slug, name) values ('other', 'Other'); insert into show_artists values (7, 2, 'support', 2)"
    )
    await play(factory, 0, 2)
    await score_shows(sql)
    before = await stored(sql)
    assert before[0] == (7, 3, 2, 1, 2, 0.0)
    await sql.execute(CORRECTIONS[correction])
    await score_shows(sql)
    after = await stored(sql)
    assert after != before
    await sql.execute("select score_show(7)")
    assert await stored(sql) == after
    assert await sql.fetchval("select count(*) from shows_to_score") == 0


async def test_the_setlist_of_the_show_before_is_the_baseline(factory: RowFactory, show: Show) -> None:
    """Of the two songs that were played, one was among the first two of the night before: R-precision 0.5 as the crowd's."""
    sql = factory.sql
    await factory.show(8)
    await sql.execute(
        "update shows set starts_at = starts_at - interval '1 day' where id = 8;"
        "insert into setlists (show_id, type, name) values (8, 'actual', 'Played')"
    )
    # The third song of that night was played too, but only as many songs as tonight's two count.
    await sql.execute(
        "insert into setlist_songs (setlist_id, show_id, song_id, position) select l.id, 8, e.song_id, n.place"
        " from setlists l, (values (0, 2), (1, 1), (2, 3)) as n (song, place), setlist_songs e"
        " where l.show_id = 8 and l.type = 'actual' and e.show_id = 7 and e.position - 1 = n.song"
    )
    await play(factory, 0, 2)
    await score_shows(sql)
    told = msgspec.json.decode(await sql.fetchval("select accuracy_of(7)::text"))
    assert (told["r_precision"], told["baseline"], told["hits"], told["played"]) == (0.5, 0.5, 1, 2)
    assert msgspec.json.decode(await sql.fetchval("select accuracy_of(8)::text"))["baseline"] is None


async def test_a_support_that_becomes_the_headliner_is_scored(factory: RowFactory, show: Show) -> None:
    """The played set of one act does not score another act, until they become one."""
    sql = factory.sql
    await play(factory, 0, 2)
    await sql.execute(
        "insert into artists (slug, name) values ('other', 'Other'); insert into show_artists values (7, 2, 'support', 2);"
        "update setlists set artist_id = 2 where type = 'actual'"
    )
    await score_shows(sql)
    assert await stored(sql) == []
    await sql.execute("update shows set artist_id = 2")
    await score_shows(sql)
    assert (await stored(sql))[0] == (7, 3, 2, 1, 2, 0.0)


async def test_a_change_without_effect_on_scores_gives_no_reason(factory: RowFactory, show: Show) -> None:
    """Votes, the song that is playing, the order of songs, and a show without an actual set."""
    sql = factory.sql
    await sql.execute("update shows set finalised_at = now(); update shows set finalised_at = null")
    assert await sql.fetchval("select count(*) from shows_to_score") == 0
    await play(factory, 0)
    await score_shows(sql)
    await sql.execute(
        "update votes set choice = 'down'; delete from votes; update setlist_songs set played_at = now(), note = 'loud';"
        "update setlist_songs set position = position + 5; update shows set status = 'live', is_locked = true"
    )
    assert await sql.fetchval("select count(*) from shows_to_score") == 0


async def test_votes_after_the_song_was_played_do_not_count(factory: RowFactory, show: Show) -> None:
    """Neither for the crowd nor for the fan; a mark in one set counts for the song in every set."""
    await factory.sql.execute("update votes set cast_at = now() - interval '1 hour'")
    await play(factory, 0, 2)
    await factory.sql.execute("select score_show(7)")
    before = await stored(factory.sql)
    (late,) = await factory.users(1)
    mark = "update setlist_songs set played_at = now() - interval '30 minutes' where id = (select min(id) from setlist_songs e"
    await factory.sql.execute(f"{mark} where setlist_id = (select id from setlists where type = 'actual'))")
    # A crowd that learned that the first song was played, and one that voted it down in time.
    await factory.sql.execute("insert into votes values ($1, $2, 7, 'down', now())", show.songs[0], late)
    await factory.sql.execute("select score_show(7)")
    assert await stored(factory.sql) == before
    await factory.sql.execute("update votes set cast_at = now() - interval '1 hour' where user_id = $1", late)
    await factory.sql.execute("select score_show(7)")
    assert await stored(factory.sql) != before


async def test_a_reason_that_comes_meanwhile_is_kept(factory: RowFactory, show: Show, database_url: str) -> None:
    """A change of a show during its scoring does not wait, and the show is scored again."""
    await play(factory, 0, 2)
    async with RowFactory.open(database_url, is_empty=False) as other:
        async with factory.sql.transaction():
            await factory.sql.execute("select score_show(7)")
            await other.sql.execute("set lock_timeout = '1s'; delete from setlist_songs where id = 5")
            (note,) = await factory.sql.fetch("select min(id) as up_to from shows_to_score")
            await accuracy.tell_of_score(factory.sql, show_id=7, up_to=note["up_to"])
        assert (await stored(other.sql))[0][4] == 2
        await score_shows(other.sql)
        assert (await stored(other.sql))[0][4] == 1


async def test_a_show_that_fails_keeps_waiting(
    factory: RowFactory, show: Show, capfd: pytest.CaptureFixture[str]
) -> None:
    """The shows after it are scored, the log names the failed one, and the next run tries it again."""
    sql = factory.sql
    await play(factory, 0, 2)
    await factory.show(8)
    await sql.execute(
        "insert into setlists (show_id, type, name) values (8, 'actual', 'Played');"
        "insert into setlist_songs (setlist_id, show_id, song_id, position) select max(id), 8, 4, 1 from setlists;"
        "alter table show_accuracy add constraint not_seven check (show_id <> 7)"
    )
    await score_shows(sql)
    assert await sql.fetchval("select array_agg(show_id) from show_accuracy") == [8]
    out, err = capfd.readouterr()
    assert "show.not_scored" in out + err
    await sql.execute("alter table show_accuracy drop constraint not_seven")
    await score_shows(sql)
    assert await sql.fetchval("select count(*) from show_accuracy") == 2


async def test_scoring_and_erasing_wait_for_each_other(factory: RowFactory, show: Show, database_url: str) -> None:
    """A user under erasure gets no score, and scoring takes no lock that an erasure needs."""
    await play(factory, 0, 2)
    (stranger,) = await factory.users(1)
    async with RowFactory.open(database_url, is_empty=False) as other, other.sql.transaction():
        await other.sql.execute("select erase_user($1)", stranger)
        await factory.sql.execute("set lock_timeout = '100ms'")
        await score_shows(factory.sql)
        assert await stored(factory.sql) == []
    await score_shows(factory.sql)
    assert len(await stored(factory.sql)) == 3


async def test_the_writer_may_add_a_reason(factory: RowFactory, show: Show) -> None:
    """The role that makes results final has no right on the table of reasons, and adds one through a trigger."""
    await play(factory, 0)
    await score_shows(factory.sql)
    async with factory.sql.transaction():
        await factory.sql.execute(f"set local role {WRITER_ROLE}; update shows set finalised_at = now() where id = 7")
    assert await factory.sql.fetchval("select show_id from shows_to_score") == 7


async def test_a_show_without_a_played_set_gives_nothing_to_score(factory: RowFactory, show: Show) -> None:
    """A song that moves between predicted sets leaves no reason: a scoring would raise the revision of the show."""
    moved = """with l as (insert into setlists (show_id, type, name, position) values (7, 'predicted', 'Encore', 2) returning id)
        update setlist_songs e set setlist_id = l.id, position = 1 from l where e.id = $1"""
    await factory.sql.execute(moved, show.songs[2])
    assert await factory.sql.fetchval("select count(*) from shows_to_score") == 0


async def test_every_node_pushes_a_score(
    node: Node, other: Node, factory: RowFactory, people: People, show: Show
) -> None:
    """The actual set arrives: both nodes push the score and which songs were played; a correction moves it, and without the
    set it is gone.
    """
    async with SocketClient.connect(node.url) as near, SocketClient.connect(other.url) as far:
        for talker in (near, far):
            states = await talker.watch("setlist:7", "status:7")
            assert [states[name]["state"]["accuracy"] for name in ("setlist:7", "status:7")] == [None, None]
            songs = states["setlist:7"]["state"]["setlists"][0]["songs"]
            assert [song["was_played"] for song in songs] == [None] * 3
        await play(factory, 0, 2)
        for talker in (near, far):
            assert (await talker.push("status:7", lambda push: push["accuracy"] is not None))["accuracy"] == FORESEEN
            push = await talker.push("setlist:7", lambda push: push["accuracy"] is not None)
            assert push["accuracy"] == FORESEEN
            assert [song["was_played"] for song in push["setlists"][0]["songs"]] == [True, False, True]
            assert [song["was_played"] for song in push["setlists"][1]["songs"]] == [True, True]
        moderator = await people.person("moderator")
        removed = await factory.sql.fetchval("select max(id) from setlist_songs")
        assert (await moderator.ask("DELETE", f"/api/admin/shows/7/songs/{removed}"))[0] in (200, 204)
        for talker in (near, far):
            now = await talker.push("status:7", lambda push: push["accuracy"] != FORESEEN)
            assert (now["accuracy"]["recall"], now["accuracy"]["played"]) == (1.0, 1)
        await factory.sql.execute("delete from setlists where type = 'actual'")
        for talker in (near, far):
            await talker.push("status:7", lambda push: push["accuracy"] is None)
            push = await talker.push("setlist:7", lambda push: push["accuracy"] is None)
            assert [song["was_played"] for song in push["setlists"][0]["songs"]] == [None] * 3


async def test_http_answers_agree(node: Node, factory: RowFactory, people: People, show: Show) -> None:
    """The show, its results and its statistics have the crowd's accuracy; a fan's own is in their account."""
    fan = await people.person()
    await factory.sql.execute("insert into votes values ($1, $2, 7, 'up', now())", show.songs[2], fan.id)
    await play(factory, 0, 2)
    await until(lambda: factory.sql.fetchval("select exists (select from show_accuracy)"))
    for path in ("/api/shows/7", "/api/shows/7/results", "/api/analytics/vote-stats?show=7"):
        assert (await fan.ok("GET", path))["accuracy"] == FORESEEN, path
    (ballot,) = (await fan.ok("GET", "/api/me/ballots"))["items"]
    assert (ballot["slug"], ballot["up"], ballot["score"]) == ("show-7", 1, {"hits": 1, "predicted": 1, "played": 2})
    await factory.sql.execute("update shows set status = 'finished' where id = 7")
    assert (await fan.ok("GET", "/api/artists/band/rotation"))["shows"][0]["accuracy"] == FORESEEN
    assert (await fan.ok("GET", "/api/me"))["accuracy"] == {
        "shows": 1, "precision": 1.0, "recall": 0.5, "rank_correlation": 0.5,
    }  # fmt: skip
    (score,) = (await fan.ok("GET", "/api/me/export"))["accuracy"]
    assert (score["show_id"], score["predicted"], score["hits"], score["played"]) == (7, 1, 1, 2)
    assert await fan.ask("DELETE", "/api/me") == (204, None)
    await factory.sql.execute("update shows set finalised_at = now() where id = 7")
    await until(lambda: factory.sql.fetchval("select not exists (select from shows_to_score)"))
    assert await factory.sql.fetchval("select count(*) from voter_accuracy") == 2
    assert (await people.nobody().ok("GET", "/api/shows/7"))["accuracy"] == FORESEEN


@pytest.mark.parametrize("results", ["after_vote", "after_closing"])
async def test_it_is_hidden_while_counts_are(
    node: Node, factory: RowFactory, people: People, show: Show, results: str
) -> None:
    """While counts are hidden, no channel has it, and over HTTP only clients that may see counts; final, it is public."""
    await factory.sql.execute("update shows set results = $1::text::results_visibility where id = 7", results)
    await play(factory, 0, 2)
    await until(lambda: factory.sql.fetchval("select exists (select from show_accuracy)"))
    await factory.sql.execute("update shows set status = 'finished' where id = 7")
    fan, moderator = await people.person(), await people.person("moderator")
    async with SocketClient.connect(node.url) as talker:
        assert moderator.token is not None
        await talker.hello(moderator.token)
        states = await talker.watch("setlist:7", "status:7")
        assert [found["state"]["accuracy"] for found in states.values()] == [None, None]
        assert states["setlist:7"]["state"]["setlists"][0]["songs"][0]["was_played"] is True
        for reader in (fan, people.nobody()):
            assert (await reader.ok("GET", "/api/shows/7"))["accuracy"] is None
            assert (await reader.ok("GET", "/api/analytics/vote-stats?show=7"))["accuracy"] is None
            assert (await reader.ok("GET", "/api/artists/band/rotation"))["shows"][0]["accuracy"] is None
            assert await reader.refused("GET", "/api/shows/7/results") == "forbidden"
        assert (await moderator.ok("GET", "/api/shows/7"))["accuracy"] == FORESEEN
        await factory.sql.execute("update shows set finalised_at = now() where id = 7")
        for name in ("setlist:7", "status:7"):
            assert (await talker.push(name, lambda push: push["accuracy"] is not None))["accuracy"] == FORESEEN
        assert (await fan.ok("GET", "/api/shows/7"))["accuracy"] == FORESEEN
