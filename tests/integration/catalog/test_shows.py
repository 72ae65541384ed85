"""One show: its document, the states of its channels, its status as time passes, and its results."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from server.catalog.artists_venues_songs import fetch_artist, fetch_venue
from server.catalog.documents import Show
from server.catalog.parameters import ShowQuery
from server.catalog.results import as_csv, fetch_results
from server.catalog.show_status import advance_shows
from server.catalog.shows import fetch_setlist_state, fetch_show, fetch_status_row, list_shows
from server.errors import Refused
from server.protocol.embargo import Audience
from server.protocol.http.parameters import Reference, parse_reference
from server.protocol.identity import Identity
from server.store.database import Database
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.small_catalogue import NOW, SmallCatalogue

database_url = one_node.database_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh database."""
    database = await Database.open(database_url, pool_size=2)
    yield database
    await database.close()


async def fetch_anonymously(db: Database, reference: Reference, *, now: datetime = NOW) -> Show:
    """A show as a reader sees it who has not signed in."""

    async def never_hidden(_audience: Audience, _show: int, _identity: Identity | None) -> None:
        """Every reader may see all counts."""

    return await fetch_show(db, reference, None, never_hidden, now=now)


async def test_one_show_comes_with_everything(db: Database, catalogue: SmallCatalogue) -> None:
    """By id or slug it has the item's fields, budget, position and total, and the setlists in order with their tallies."""
    show_id = await catalogue.show(
        "a", -timedelta(hours=1), "live", closes_at=NOW + timedelta(hours=1), votes_per_user_max=9
    )
    actual = await catalogue.setlist(show_id, ["Creep"], "actual")
    predicted = await catalogue.setlist(show_id, ["Creep", "Let Down"])
    await catalogue.vote(show_id, predicted[1], 3, 2)
    await catalogue.connection.execute("update shows set position = 77 where id = $1", show_id)
    played_at = NOW - timedelta(minutes=9)
    await catalogue.connection.execute("update setlist_songs set played_at = $2 where id = $1", predicted[0], played_at)
    show = await fetch_anonymously(db, parse_reference("a"))
    assert show == await fetch_anonymously(db, parse_reference(str(show_id)))
    assert show["voting"] == "open"
    assert (show["votes_per_user_max"], show["at"], show["total"], show["vote_count"]) == (9, 77, 5, 5)
    assert show["now_playing"] == predicted[0]
    assert [setlist["type"] for setlist in show["setlists"]] == ["predicted", "actual"]
    creep, let_down = show["setlists"][0]["songs"]
    assert creep["played_at"] == "2026-11-23T03:51:00Z"
    assert let_down == {
        "id": predicted[1],
        "song_id": await catalogue.connection.fetchval("select id from songs where title = 'Let Down'"),
        "title": "Let Down",
        "position": 2,
        "up": 3,
        "down": 2,
        "played_at": None,
        "was_played": False,
        "is_tape": False,
        "medley": None,
        "note": "",
        "cover_of": None,
    }
    assert [song["id"] for song in show["setlists"][1]["songs"]] == actual
    item = (await list_shows(db, ShowQuery(), now=NOW))["items"][0]
    assert {name: value for name, value in show.items() if name in item} == item
    assert set(show) - set(item) == {
        "votes_per_user_max", "requires_ticket", "ticket_source", "results", "accuracy", "attendance_count", "at", "total", "now_playing", "revision", "bill", "setlists", "sources",
    }  # fmt: skip


UNKNOWN_REFERENCES = ["0", "1", "9" * 19, str(2**63), "9" * 500, "-1", "unknown", "a\0b", "ü", "%", "x" * 5000]


async def test_an_unknown_reference_is_not_found(db: Database, kept_factory: RowFactory) -> None:
    """Ids beyond bigint, unknown slugs and rubbish are `not_found` for shows, artists and venues."""
    await one_node.empty(kept_factory.sql)
    for reference in UNKNOWN_REFERENCES:
        for fetch in (fetch_anonymously, fetch_artist, fetch_venue):
            with pytest.raises(Refused) as caught:
                await fetch(db, parse_reference(reference), now=NOW)
            assert caught.value.code == "not_found", reference


async def test_the_setlist_state_moves_with_its_revision(db: Database, catalogue: SmallCatalogue) -> None:
    """Playing a song raises the revision; a vote does not; an unknown show is None."""
    show_id = await catalogue.show("a", timedelta(hours=1))
    (first,) = await catalogue.setlist(show_id, ["Creep"])
    await catalogue.connection.execute(
        "insert into setlists (show_id, type, name) values ($1, 'actual', 'Played')", show_id
    )
    before = await fetch_setlist_state(db, show_id)
    assert before is not None
    song_id = await catalogue.connection.fetchval("select id from songs where title = 'Creep'")
    plain = {"was_played": None, "is_tape": False, "medley": None, "note": "", "cover_of": None}
    assert before[1]["setlists"][0]["songs"] == [
        {"id": first, "song_id": song_id, "title": "Creep", "position": 1, "played_at": None} | plain
    ]
    assert before[1]["setlists"][1]["songs"] == []
    await catalogue.vote(show_id, first, 2, 0)
    assert await fetch_setlist_state(db, show_id) == before
    await catalogue.connection.execute("update setlist_songs set played_at = $2 where id = $1", first, NOW)
    after = await fetch_setlist_state(db, show_id)
    assert after is not None
    assert after[0] > before[0]
    assert after[1]["setlists"][0]["songs"][0]["played_at"] == "2026-11-23T04:00:00Z"
    assert await fetch_setlist_state(db, show_id + 1) is None


async def test_a_show_has_its_bill_and_every_detail_of_its_sets(db: Database, catalogue: SmallCatalogue) -> None:
    """The bill in order; sets with kind and artist; covers with the artist they belong to; tapes, medleys and notes."""
    show_id = await catalogue.show("a", timedelta(hours=1))
    sql, bjork, radiohead = catalogue.connection, catalogue.artists["bjork"], catalogue.artists["radiohead"]
    await sql.execute(
        "insert into show_artists (show_id, artist_id, billing, position) values ($1, $2, 'support', 2)", show_id, bjork
    )
    main = await catalogue.setlist(show_id, ["Creep", "Lucky", "Jóga"])
    joga = await sql.fetchval("insert into songs (artist_id, title) values ($1, 'Jóga') returning id", bjork)
    await sql.execute("update setlist_songs set song_id = $2 where id = $1", main[2], joga)
    await sql.execute("update setlist_songs set medley = 1 where id = any($1)", main[:2])
    await sql.execute("update setlist_songs set is_tape = true, note = 'with 🎻 <b>' where id = $1", main[0])
    encore, opener = [
        await sql.fetchval(
            "insert into setlists (show_id, type, kind, name, position, artist_id)"
            " values ($1, 'predicted', $2, 'Set', $3, $4) returning id",
            show_id, kind, position, artist,
        )
        for kind, position, artist in (("encore", 2, None), ("main", 3, bjork))
    ]  # fmt: skip
    own = "insert into setlist_songs (setlist_id, show_id, song_id, position) values ($1, $2, $3, 1)"
    await sql.execute(own, opener, show_id, joga)
    for _ in range(2):
        fan = await sql.fetchval("insert into users default values returning id")
        await sql.execute("insert into user_show_attendance (user_id, show_id) values ($1, $2)", fan, show_id)

    show = await fetch_anonymously(db, parse_reference("a"))
    assert show["attendance_count"] == 2
    assert show["bill"] == [
        {"id": radiohead, "slug": "radiohead", "name": "Radiohead", "billing": "headliner"},
        {"id": bjork, "slug": "bjork", "name": "Björk", "billing": "support"},
    ]
    described = [(listed["id"], listed["kind"], listed["artist"]["name"]) for listed in show["setlists"]]
    assert described[1:] == [(encore, "encore", "Radiohead"), (opener, "main", "Björk")]
    songs = show["setlists"][0]["songs"]
    assert [(s["is_tape"], s["medley"], s["note"]) for s in songs] == [
        (True, 1, "with 🎻 <b>"), (False, 1, ""), (False, None, ""),
    ]  # fmt: skip
    assert [song["cover_of"] for song in songs] == [None, None, {"id": bjork, "name": "Björk"}]
    # In the support's own set the same song is no cover.
    assert show["setlists"][2]["songs"][0]["cover_of"] is None

    state = await fetch_setlist_state(db, show_id)
    assert state is not None
    pushed = state[1]["setlists"]
    assert [{**listed, "songs": []} for listed in pushed] == [{**listed, "songs": []} for listed in show["setlists"]]
    more = {"up", "down"}
    for listed, whole in zip(pushed, show["setlists"], strict=True):
        assert listed["songs"] == [{k: v for k, v in song.items() if k not in more} for song in whole["songs"]]


async def test_the_status_row_follows_the_show(db: Database, catalogue: SmallCatalogue) -> None:
    """now_playing is the song played last, in live shows only; lock and final result show up; an unknown show is None."""
    show_id = await catalogue.show("a", -timedelta(hours=1), "live", closes_at=NOW + timedelta(hours=1))
    songs = await catalogue.setlist(show_id, ["Creep", "Let Down", "Lucky"])
    row = await fetch_status_row(db, show_id)
    assert row is not None
    assert row.now_playing is None
    for song, minute in ((songs[2], 2), (songs[0], 1), (songs[1], 1)):
        await catalogue.connection.execute(
            "update setlist_songs set played_at = $2 where id = $1", song, NOW - timedelta(minutes=minute)
        )
    row = await fetch_status_row(db, show_id)
    assert row is not None
    assert row.now_playing == songs[1]
    assert row.state(NOW)[1]["voting"] == "open"
    assert (await fetch_anonymously(db, parse_reference("a")))["now_playing"] == songs[1]

    await catalogue.connection.execute("update shows set is_locked = true where id = $1", show_id)
    locked = await fetch_status_row(db, show_id)
    assert locked is not None
    assert locked.state(NOW)[1]["voting"] == "locked"
    assert locked.state(NOW)[0] > row.state(NOW)[0]

    await catalogue.connection.execute(
        "update shows set status = 'finished', finalised_at = now() where id = $1", show_id
    )
    final = await fetch_status_row(db, show_id)
    assert final is not None
    assert final.state(NOW)[1] | {"opens_at": 0, "closes_at": 0} == {
        "status": "finished",
        "voting": "final",
        "opens_at": 0,
        "closes_at": 0,
        "now_playing": None,
        "results": "live",
        "accuracy": None,
        "revision": final.revision,
    }
    assert (await fetch_anonymously(db, parse_reference("a")))["now_playing"] is None
    assert await fetch_status_row(db, show_id + 1) is None


async def test_only_shows_that_are_due_advance(db: Database, catalogue: SmallCatalogue) -> None:
    """Shows start on time, and end after four hours or when voting closes; other rows are not written."""
    hour = timedelta(hours=1)
    await catalogue.show("to-come", timedelta(milliseconds=1))
    await catalogue.show("starting", timedelta(0))
    await catalogue.show("running", -4 * hour + timedelta(seconds=1), "live")
    await catalogue.show("over", -4 * hour, "live")
    await catalogue.show("still-voting", -5 * hour, "live", closes_at=NOW + hour)
    await catalogue.show("started-long-ago", -4 * hour + timedelta(seconds=1))
    await catalogue.show("slept-through", -50 * hour)
    await catalogue.show("cancelled", -50 * hour, "cancelled")
    await catalogue.show("done", -50 * hour, "finished")
    versions = "select slug, xmin::text || ctid::text as version, status from shows"
    before = {row["slug"]: row for row in await catalogue.connection.fetch(versions)}
    assert await advance_shows(db, NOW) == 4
    after = {row["slug"]: row for row in await catalogue.connection.fetch(versions)}
    moved = {slug: row["status"] for slug, row in after.items() if row["version"] != before[slug]["version"]}
    assert moved == {
        "starting": "live", "started-long-ago": "live", "over": "finished", "slept-through": "finished",
    }  # fmt: skip
    assert await advance_shows(db, NOW) == 0
    assert await advance_shows(db, NOW + timedelta(hours=1)) == 4


async def test_an_export_ranks_each_setlist(db: Database, catalogue: SmallCatalogue) -> None:
    """CSV and JSON have each song with tally, score and rank; equal scores share a rank; each setlist ranks by itself."""
    show_id = await catalogue.show("a", timedelta(hours=1))
    songs = await catalogue.setlist(show_id, ["Creep", 'Say "Lucky", again', "Let Down"])
    (actual,) = await catalogue.setlist(show_id, ["Creep"], "actual")
    await catalogue.vote(show_id, songs[0], 1, 1)
    await catalogue.vote(show_id, songs[1], 5, 1)
    await catalogue.vote(show_id, actual, 2, 0)
    _, results = await fetch_results(db, parse_reference("a"))
    rows = list(csv.reader(io.StringIO(as_csv(results))))
    assert rows[0] == [
        "title", "setlist", "position", "up", "down", "score", "rank", "share", "id", "song_id", "set_aside_up", "set_aside_down",
        "artist", "artist_mbid", "isrc",
    ]  # fmt: skip
    assert [row[:8] for row in rows[1:]] == [
        ["Creep", "Predicted", "1", "1", "1", "0", "2", "0.2"],
        ['Say "Lucky", again', "Predicted", "2", "5", "1", "4", "1", "0.6"],
        ["Let Down", "Predicted", "3", "0", "0", "0", "2", "0.0"],
        ["Creep", "Actual", "1", "2", "0", "2", "1", "0.2"],
    ]
    assert results["show"] == {"id": show_id, "slug": "a", "name": "A"}
    assert (results["total"], results["raw_total"], results["standing"]) == (10, 10, "provisional")
    assert [["" if value is None else str(value) for value in song.values()] for song in results["songs"]] == rows[1:]
    with pytest.raises(Refused, match="show"):
        await fetch_results(db, parse_reference("unknown"))


async def test_no_title_becomes_a_formula(db: Database, catalogue: SmallCatalogue) -> None:
    """A spreadsheet computes nothing from a song title; a negative score stays a number."""
    show_id = await catalogue.show("a", timedelta(hours=1))
    songs = await catalogue.setlist(show_id, ['=HYPERLINK("http://evil.example")', "+1", "-2", "@x", "99 Problems"])
    await catalogue.vote(show_id, songs[0], 0, 3)
    rows = list(csv.reader(io.StringIO(as_csv((await fetch_results(db, parse_reference("a")))[1]))))[1:]
    assert [row[0][0] for row in rows] == ["'", "'", "'", "'", "9"]
    assert rows[0][5] == "-3"
