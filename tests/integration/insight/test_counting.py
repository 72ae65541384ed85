"""What the chores add up for statistics: failures stay alone, shows take their voters along, hidden shows name nobody."""

from __future__ import annotations

from structlog.testing import capture_logs

from server.insight.counting import COUNTING, Recounts
from server.insight.queries import statistics as queries
from tests.support.row_factory import RowFactory


async def note_vote(factory: RowFactory, show_id: int, song: int, user: int) -> None:
    """A vote in the history and the roll-ups, as the writer notes it."""
    await factory.sql.execute(
        "insert into vote_analytics (show_id, setlist_song_id, user_id, choice, cast_at) values ($1, $2, $3, 'up', now())",
        show_id, song, user,
    )  # fmt: skip
    await factory.sql.execute(
        "insert into vote_rollups (show_id, hour, up_count) values ($1, date_trunc('hour', now(), 'UTC'), 1)", show_id
    )


async def voters(factory: RowFactory) -> dict[tuple[str, int], int]:
    """The voters of each scope that has some."""
    rows = await factory.sql.fetch("select scope::text, scope_id, sum(voter_count)::int from voter_links group by 1, 2")
    return {(row[0], row[1]): row[2] for row in rows}


async def test_a_recount_that_fails_stops_no_other_statistics(factory: RowFactory) -> None:
    """The platform cannot be counted again: votes are counted, an artist is, and the platform waits for its next turn."""
    show, (fan,) = await factory.show(7), await factory.users(1)
    await note_vote(factory, 7, show.first, fan)
    await factory.sql.execute(
        "create function fail() returns trigger language plpgsql as $$ begin raise 'too large'; end $$;"
        "create trigger fails before delete on voter_links for each row when (old.scope = 'platform') execute function fail()"
    )
    recounts = Recounts()
    await COUNTING.work(factory.sql)
    everyone = {("platform", 0): 1, ("artist", 1): 1, ("venue", 1): 1, ("show", 7): 1}
    assert await voters(factory) == everyone
    await factory.sql.execute("delete from voter_links where scope = 'artist'")
    await factory.sql.execute("insert into scopes_to_recount (scope, scope_id) values ('platform', 0), ('artist', 1)")
    with capture_logs() as logged:
        await COUNTING.work(factory.sql)
        await recounts.run(factory.sql)
        await recounts.run(factory.sql)
    assert [(entry["event"], entry["scope"]) for entry in logged] == [("statistics.not_recounted", "platform")]
    assert await voters(factory) == everyone
    assert await factory.sql.fetchval("select scope from scopes_to_recount") == "platform"


async def test_a_show_whose_votes_were_withdrawn_takes_its_voters_along(factory: RowFactory) -> None:
    """It moves to another artist: no vote stands, but who voted is counted there."""
    show, (fan,) = await factory.show(7), await factory.users(1)
    await note_vote(factory, 7, show.first, fan)
    await COUNTING.work(factory.sql)
    await factory.sql.execute(
        "insert into artists (slug, name) values ('guest', 'Guest'); update shows set artist_id = 2"
    )
    await Recounts().run(factory.sql)
    found = await voters(factory)
    assert (found.get(("artist", 1)), found.get(("artist", 2))) == (None, 1)


async def test_best_voters_of_the_platform_are_told_by_open_shows_alone(factory: RowFactory) -> None:
    """Predictions of a show that hides its counts name nobody until its result is final."""
    (fan,) = await factory.users(1)
    for number in (7, 8, 9):
        await factory.show(number)
        await factory.sql.execute(
            "insert into show_accuracy (show_id, offered, predicted, hits, played) values ($1, 5, 3, 3, 3)", number
        )
        await factory.sql.execute(
            "insert into voter_accuracy (user_id, show_id, predicted, hits, played) values ($1, $2, 3, 3, 3)",
            fan, number,
        )  # fmt: skip
    await factory.sql.execute("update shows set results = 'after_closing' where id = 7")
    await queries.refresh_best_voters(factory.sql)
    assert await factory.sql.fetch("select * from best_voters") == []
    await factory.sql.execute("update shows set finalised_at = now() where id = 7")
    await queries.refresh_best_voters(factory.sql)
    assert await factory.sql.fetchval("select show_count from best_voters") == 3
