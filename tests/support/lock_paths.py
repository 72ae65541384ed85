"""Every kind of transaction that locks rows of several tables, on rows that all of them want.

Over 400 lines: the world and all paths on it are read together.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

from server.abuse.queries import watch
from server.admin.queries import retention
from server.catalog import entry_editing, set_order, setlist_editing, show_changes, show_control
from server.catalog import queries as catalog_queries
from server.clock import SystemClock
from server.errors import StoreUnavailable
from server.game.queries import standings
from server.insight.queries import accuracy
from server.ledger.sequencer import Sequencer
from server.mail.queries import sender as mail
from server.moderation.queries import decisions as moderation
from server.people.queries import accounts, reviews
from server.protocol.http.parameters import Reference
from server.sample.queries import demo
from server.sample.queries import inserts as sample
from server.store.named_queries import sql_of
from server.sync import record_writer as writing
from server.sync.queries import forgetting
from server.sync.records import ArtistRecord, SetlistRecord, SetRecord, SetSong, ShowRecord, VenueRecord
from server.voting.queries import reconcile, voting
from server.webhooks.queries import routes as webhook_routes
from server.webhooks.queries import sender as webhooks
from server.webpush.queries import routes as webpush_routes
from server.webpush.queries import sender as webpush

# Two of everything. Each first row is written again, so that it lies behind the second one in the table, and a scan
# finds the rows in another order than a primary key does; the second show begins and closes first.
WORLD = """
insert into artists (slug, name) values ('a1', 'Artist 1'), ('a2', 'Artist 2');
insert into venues (slug, name, city, country, latitude, longitude, time_zone)
values ('v1', 'Venue 1', 'Köln', 'DE', 51, 7, 'Europe/Berlin'), ('v2', 'Venue 2', 'Köln', 'DE', 51, 7, 'Europe/Berlin');
insert into songs (artist_id, title) select 1, 'Song ' || n from generate_series(1, 5) n;
insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at, origin)
select 's' || n, n, n, 'Show ' || n, current_date, 'Europe/Berlin', now() - interval '1 hour' * n, now() - interval '9 days',
       now() - interval '1 minute' * n, 'ticketmaster'
  from generate_series(1, 2) n;
insert into show_artists (show_id, artist_id, billing, position) values (1, 2, 'support', 2), (2, 1, 'support', 2);
insert into setlists (show_id, type, name, artist_id) select w, t, 'Main', 1
  from generate_series(1, 2) w, unnest(array['predicted', 'actual']::setlist_type[]) t order by t, w;
insert into setlist_songs (setlist_id, show_id, song_id, position)
select l.id, l.show_id, n, n from setlists l, generate_series(1, 2) n;
insert into users (role) values ('moderator'), ('moderator');
insert into user_profiles (user_id, display_name) values (1, 'One'), (2, 'Two');
insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
select e.id, u, e.show_id, 'up', date_trunc('hour', now()) - interval '2 days'
  from setlist_songs e join setlists l on l.id = e.setlist_id, generate_series(1, 2) u where l.type = 'predicted';
insert into vote_rollups (show_id, hour, up_count)
select show_id, date_trunc('hour', cast_at), count(*) from votes group by 1, 2;
insert into user_vote_limits (user_id, day, spent) values (1, '2026-01-01', 1), (2, '2026-01-01', 1);
insert into cast_orders (user_id, show_id, cast_order) select u.id, w.id, 1 from users u, shows w where u.id < 3;
insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at, decision, decided_at)
select w, 9, '[]', 2, now(), now(), 'set_aside', now() from generate_series(1, 2) w;
insert into vote_group_members (show_id, user_id, group_id) select w, u, w from generate_series(1, 2) w, generate_series(1, 2) u;
insert into user_show_attendance (user_id, show_id) select u, w from generate_series(1, 2) u, generate_series(1, 2) w;
insert into user_follows_artists (user_id, artist_id) select u, a from generate_series(1, 2) u, generate_series(1, 2) a;
insert into picks (show_id, user_id, song_ids, picked_at) select w, u, '{1}', now() from generate_series(1, 2) w, generate_series(1, 2) u;
insert into picked_shows select w, 1 from generate_series(1, 2) w;
insert into ledger_logs select w, 0, 1, sha256('x'), true, '', now() from generate_series(2, 1, -1) w;
insert into standings select b::board_kind, w, u, 9, 1, u, u from unnest(array['show', 'artist']) b, generate_series(1, 2) w, generate_series(1, 2) u;
insert into crews (code, name) values ('000000000000000a', 'A'), ('000000000000000b', 'B');
insert into crew_members (crew_id, user_id) values (1, 1), (2, 2);
insert into song_suggestions (show_id, user_id, title) select w, u, 'Song 4' from generate_series(1, 2) w, generate_series(1, 2) u;
insert into venue_reviews (venue_id, user_id, rating, status) select v, u, 3, 'approved' from generate_series(1, 2) v, generate_series(1, 2) u;
insert into reports (reporter_id, review_id, reason) select 1 + r % 2, r, 'rude' from generate_series(1, 4) r;
insert into content_moderation (profile_id) values (1), (2);
insert into user_bans (user_id, kind, reason, banned_by) values (1, 'write', 'rude', 2), (2, 'write', 'rude', 1);
insert into email_preferences (user_id, address, confirmed_at) values (1, 'a@b', now()), (2, 'c@d', now());
insert into email_queue (user_id, kind, about, status, not_before)
select u, 'show_result', 'show:' || w, 'sending', '2030-01-01' from generate_series(1, 2) u, generate_series(1, 2) w;
insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, note, vote_count)
select 1000 + w, w, (select min(id) from setlists where show_id = w and type = 'predicted'), 5, false, '', 2 from generate_series(1, 2) w;
insert into removed_votes (setlist_song_id, user_id, choice, cast_at)
select 1000 + w, u, 'up', date_trunc('hour', now()) - interval '2 days' from generate_series(1, 2) w, generate_series(1, 2) u;
update shows set ticket_source = 'work' where id = 2;
insert into ticket_codes (show_id, code_hash) select w, sha256('ticket') from generate_series(1, 2) w;
insert into show_identities (service, external_id, show_id, confidence, evidence, songs, checked_at)
select 'setlistfm', 'x' || w, w, 1, 'listed there', songs_in_order(w, 'actual'), now() - interval '99 days' from generate_series(1, 2) w;
select score_show(w) from generate_series(1, 2) w;
insert into open_shows (show_id) values (2), (1);
insert into webhooks (url, events, secret) values ('https://a/', '{show.final}', sha256('x')), ('https://b/', '{song.played}', sha256('x'));
insert into webhook_events (type, show_id, data, is_queued) select 'show.closed', n, '{}', true from generate_series(1, 2) n;
insert into webhook_deliveries (webhook_id, event_id, state, queued_at, not_before)
select w, e, 'sending', now(), '2030-01-01' from generate_series(2, 1, -1) w, generate_series(1, 2) e;
insert into webpush_devices (user_id, endpoint, public_key, auth_secret, kinds, time_zone)
select 1 + n % 2, 'https://p/' || n, sha512('x') || '\\x00', substr(sha256('x'), 1, 16), '{song_on}', 'UTC' from generate_series(4, 1, -1) n;
insert into webpush_notices (user_id, kind, show_id, made_at, expires_at) select u, 'song_on', 1, now(), now() from generate_series(1, 2) u;
insert into webpush_deliveries (notice_id, device_id, not_before)
select n.id, d.id, '2030-01-01' from webpush_notices n join webpush_devices d on d.user_id = n.user_id order by n.id desc, d.id;
update log_positions set position = 1000;
update artists set updated_at = now() where id = 1;
update venues set updated_at = now() where id = 1;
update shows set updated_at = now() where id = 1;
update setlists set updated_at = now() where show_id = 1;
update setlist_songs set note = 'again' where show_id = 1;
update artist_stats set heat = heat where artist_id = 1;
update users set updated_at = now() where id = 1;
select update_trending_scores();
update show_trending set heat = heat where show_id = 1;
insert into artists_to_rank (artist_id) values (2), (1);
update vote_groups set score = 8 where id = 1;
update vote_group_members set group_id = 1 where show_id = 1;
update vote_rollups set up_count = up_count where show_id = 1;
update venue_reviews set updated_at = now() where user_id = 1;
-- A third show was over long ago; only its group is wanted.
insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at, finalised_at, status)
values ('s3', 1, 1, 'Show 3', '2020-01-01', 'Europe/Berlin', '2020-01-01', '2020-01-01', '2020-01-02', '2020-01-03', 'finished');
insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at) values (3, 9, '[]', 2, now(), now());
insert into vote_group_members (show_id, user_id, group_id) values (3, 2, 3), (3, 1, 3);
-- Counts that are wrong, so that there is something to repair.
update setlist_songs e set up_count = e.up_count + 10 from setlists l where l.id = e.setlist_id and l.type = 'predicted';
update setlists set vote_count = vote_count + 100;
update shows set vote_count = vote_count + 100, attendance_count = attendance_count + 100;
update artist_stats set follower_count = follower_count + 100, show_count = show_count + 100;
update venues set review_count = review_count + 100, rating_sum = rating_sum + 1000;
"""

# The tables with rows that several kinds of transactions lock.
TABLES = (
    "log_positions", "artists", "show_artists", "shows", "setlists", "setlist_songs", "votes", "vote_rollups",
    "user_vote_limits", "cast_orders", "vote_groups", "vote_group_members", "user_show_attendance", "user_follows_artists", "song_suggestions", "ticket_codes",
    "artist_songs", "show_accuracy", "voter_accuracy", "picks", "picked_shows", "standings", "crew_members", "crews", "show_identities", "show_trending", "artist_stats",
    "venue_reviews", "user_profiles", "content_moderation", "reports", "venues", "email_preferences", "email_queue",
    "user_bans", "users", "open_shows", "activity_clock", "webhooks", "webhook_deliveries",
    "ledger_notes", "ledger_logs", "ledger_secrets", "webpush_devices", "webpush_deliveries",
)  # fmt: skip

Transaction = Callable[[Any], Awaitable[None]]


async def build(url: str) -> None:
    """Fills an empty database with the rows that the paths want."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(WORLD)
    finally:
        await connection.close()


async def _all(rows: Any) -> list[Any]:
    return [row async for row in rows]


async def commit(connection: Any) -> None:
    """The writer's commit: votes, budgets, decisions on groups, attendance, follows and picks of two shards."""
    shards = await connection.fetch(
        "select id % (select count(*) from log_positions) from shows where id < 3 order by 1"
    )
    songs = await connection.fetch(
        "select e.id, e.show_id, u.id as user_id from setlist_songs e join setlists l on l.id = e.setlist_id, users u"
        " where l.type = 'predicted' and u.id < 3 order by 1, 3"
    )
    pairs = [(user, other) for user in (1, 2) for other in (1, 2)]
    await voting.commit_log_with_picks(
        connection, shards=[row[0] for row in shards], old_positions=[1000, 1000], new_positions=[2000, 2000],
        entries=["1", "2"], song_ids=[row["id"] for row in songs], user_ids=[row["user_id"] for row in songs],
        show_ids=[row["show_id"] for row in songs], choices=[("down", None)[row["id"] % 2] for row in songs],
        cast_ms=[await connection.fetchval("select extract(epoch from hour)::bigint * 1000 from vote_rollups limit 1")]
        * len(songs),
        spent_user_ids=[1, 2], spent_days=[20454, 20454], spent=[5, 5],
        going_user_ids=[pair[0] for pair in pairs], going_show_ids=[pair[1] for pair in pairs], goings=[False] * 4,
        following_user_ids=[pair[0] for pair in pairs], following_artist_ids=[pair[1] for pair in pairs],
        followings=[False] * 4,
        order_user_ids=[pair[0] for pair in pairs], order_show_ids=[pair[1] for pair in pairs], cast_orders=[5] * 4, group_ids=[1, 2],
        pick_user_ids=[pair[0] for pair in pairs], pick_show_ids=[pair[1] for pair in pairs], picked_songs=["2", "", "3", "2"],
        openers=[None] * 4, closers=[None] * 4, encores=[None] * 4, pick_ms=[1] * 4,
    )  # fmt: skip


async def open_shards(connection: Any) -> None:
    """A node that has connected to Valkey reads the positions behind the commits under way."""
    async for _ in voting.settled_positions(connection):
        pass


async def open_shard(connection: Any) -> None:
    """A node throws the hot copy of a shard away and goes on past its log."""
    await voting.lock_position(connection, shard=1)
    await voting.raise_position(connection, shard=1, at_least=0)


async def finalise(connection: Any) -> None:
    """The writer makes closed shows final."""
    shards = list(range(16))
    await voting.finalise_shows(connection, held=shards, empty=shards, shard_count=16, hot_now=dt.datetime.now(dt.UTC))


async def advance(connection: Any) -> None:
    """Shows move with the calendar."""
    instant = await connection.fetchval("select now()")
    await _all(catalog_queries.show_status.advance_shows(connection, instant=instant))


async def add_song(connection: Any) -> None:
    """Staff puts a song at the top of a set."""
    show = await show_changes.lock_show(connection, Reference(1, None))
    await setlist_editing.add_song(connection, show, setlist_editing.NewSetSong(song=5, position=1))


async def remove_song(connection: Any) -> None:
    """Staff takes a song out of a set."""
    await show_changes.lock_show(connection, Reference(2, None))
    row = await connection.fetchrow("select id, setlist_id from setlist_songs where show_id = 2 order by id limit 1")
    await catalog_queries.setlist_editing.lock_set_song(connection, id=row["id"], show_id=2)
    await catalog_queries.setlist_editing.delete_set_song(connection, id=row["id"])
    await catalog_queries.setlist_editing.defer_positions(connection)
    await catalog_queries.setlist_editing.close_gap(connection, setlist_id=row["setlist_id"], position=1)


async def restore_song(connection: Any) -> None:
    """Staff puts a song back that was removed with its votes."""
    await show_changes.lock_show(connection, Reference(1, None))
    assert await catalog_queries.removed_songs.restore_song(connection, id=1001, show_id=1) == 2


async def order_sets(connection: Any) -> None:
    """Staff writes all sets of a show: a new set takes songs of another one, and a new song."""
    await catalog_queries.show_control.take_turn(connection)
    show = await show_changes.lock_show(connection, Reference(1, None))
    sets: dict[int, Any] = {
        row["id"]: dict(row) async for row in catalog_queries.set_order.list_sets(connection, show_id=1)
    }
    songs: dict[int, Any] = {
        row["id"]: dict(row) async for row in catalog_queries.set_order.list_set_songs(connection, show_id=1)
    }
    standing = set_order.Standing(show, sets, songs)
    predicted = next(one["id"] for one in sets.values() if one["type"] == "predicted")
    first, second = (song["id"] for song in songs.values() if song["setlist_id"] == predicted)
    ordered = [
        set_order.OrderedSet(name="New", songs=[set_order.SetSong(id=second), set_order.SetSong(song=4)]),
        set_order.OrderedSet(name="Main", id=predicted, songs=[set_order.SetSong(id=first)]),
    ]
    places = [await set_order.find_places(connection, standing, one) for one in ordered]
    await set_order.write_sets(connection, standing, ordered, places, [])


async def bill_show(connection: Any) -> None:
    """Staff writes the support acts of a show."""
    await show_changes.lock_show(connection, Reference(2, None))
    await connection.execute("insert into artists (slug, name) values ('a3', 'Artist 3')")
    artist = await connection.fetchval("select id from artists where slug = 'a3'")
    await show_control.put_bill(connection, 2, 2, [1, artist])


async def postpone_show(connection: Any) -> None:
    """Staff moves a show to another day."""
    await catalog_queries.show_control.take_turn(connection)
    show = await show_changes.lock_show(connection, Reference(1, None))
    day = dt.timedelta(days=1)
    later = {"starts_at": show["starts_at"] + day, "local_date": show["local_date"] + day}
    await show_control.write_settings(connection, show, later)


async def make_show(connection: Any) -> None:
    """An administrator makes a show with a support act."""
    times = {
        name: dt.datetime.now(dt.UTC) + dt.timedelta(days=day)
        for day, name in enumerate(("opens_at", "closes_at", "starts_at"))
    }
    await catalog_queries.show_making.lock_first_shard(connection)
    show_id = await catalog_queries.show_making.insert_show(
        connection, slug="made", artist=2, venue=1, name="Made", local_date=dt.date(2030, 1, 1), time_zone="UTC",
        votes_per_user_max=None, results="live", requires_ticket=False, **times,
    )  # fmt: skip
    assert show_id is not None
    await show_control.put_bill(connection, show_id, 2, [1])
    await catalog_queries.show_making.insert_first_set(connection, show_id=show_id)


async def edit_artist(connection: Any) -> None:
    """An administrator renames an artist."""
    before = await entry_editing.lock_entry(connection, "artist", 1)
    columns = {name: before[name] for name in ("id", "slug", "genre", "country")}
    await catalog_queries.entry_editing.update_artist(connection, name="Other", **columns)


async def merge_artists(connection: Any) -> None:
    """An administrator merges two artists with their songs, shows and followers."""
    assert await catalog_queries.merging.merge_entries(connection, kind="artist", survivor=1, duplicate=2, actor_id=1)


async def merge_venues(connection: Any) -> None:
    """An administrator merges two venues with their shows and reviews."""
    assert await catalog_queries.merging.merge_entries(connection, kind="venue", survivor=2, duplicate=1, actor_id=1)


async def merge_songs(connection: Any) -> None:
    """An administrator merges two songs of the same sets, and undoes it."""
    merge = await catalog_queries.merging.merge_entries(connection, kind="song", survivor=1, duplicate=2, actor_id=1)
    assert merge is not None
    await catalog_queries.merging.undo_merge(connection, id=merge)


async def change_show(connection: Any) -> None:
    """Staff locks a show, and says what was played."""
    show = await show_changes.lock_show(connection, Reference(1, None))
    await show_control.write_settings(connection, show, {"is_locked": True})
    song = await connection.fetchval("select min(id) from setlist_songs where show_id = 1")
    await catalog_queries.show_control.mark_played(
        connection, show_id=1, id=song, is_played=True, at=dt.datetime.now(dt.UTC)
    )


async def decide_suggestion(connection: Any) -> None:
    """A moderator takes a suggestion: it becomes a song of the set."""
    show = await show_changes.lock_show(connection, Reference(2, None))
    await catalog_queries.suggestions.decide_suggestions(
        connection, show_id=2, title="Song 4", status="approved", reason=""
    )
    await setlist_editing.add_song(connection, show, setlist_editing.NewSetSong(title="Song 4"))


async def require_ticket(connection: Any) -> None:
    """An administrator makes a show take votes with a ticket only."""
    await connection.execute("select set_config('app.role', 'admin', true)")
    await connection.execute("select lock_show(1), require_ticket(1, true)")


async def give_ticket(connection: Any) -> None:
    """A fan has earned a ticket by work."""
    await connection.execute("select set_config('app.user_id', '1', true)")
    await connection.execute("select give_ticket(2, 'work', sha256('random'))")


async def redeem_ticket(connection: Any) -> None:
    """A fan redeems a code."""
    await connection.execute("select set_config('app.user_id', '1', true)")
    assert (
        await connection.fetchval("select redeem_ticket(1, sha256('ticket'), sha256('ticket of an older version'))")
        == "redeemed"
    )


async def join_crew(connection: Any) -> None:
    """A fan joins a crew and leaves another one, which is empty then."""
    await connection.execute("select set_config('app.user_id', '1', true)")
    assert await connection.fetchval("select join_crew('000000000000000b', 200, 20)") == "joined"
    await connection.execute("select leave_crew('000000000000000a')")


async def put_standings(connection: Any) -> None:
    """The points of a show that is over are written."""
    await standings.put_show_standings(connection, show_id=1, user_ids=[2, 1], points=[5, 4], ranks=[1, 2])


async def recount_standings(connection: Any) -> None:
    """The points of an artist's shows are added up."""
    await standings.recount_standings(connection, board="artist", subject_id=1)


async def sync_shows(connection: Any) -> None:
    """An import moves shows to other artists, venues and dates."""
    day = await connection.fetchval("select current_date + 3")
    other = {1: 2, 2: 1}
    records = [
        ShowRecord(artist=f"a{other[n]}", venue=f"v{other[n]}", date=day, slug=f"s{n}", supports=[f"a{n}"])
        for n in (2, 1)
    ]
    await writing.write_records(connection, "shows", list(enumerate(records)), writing.hold_nothing)


async def sync_setlists(connection: Any) -> None:
    """An import writes the setlists of both shows anew."""
    for kind, titles in (("predicted", ("Song 2", "Song 1", "Song 3")), ("actual", ("Song 3", "Song 2"))):
        songs = [SetSong(title=title, by="a1") for title in titles]
        records = [
            SetlistRecord(show=f"s{n}", type=kind, sets=[SetRecord(songs=songs, artist="a2")])  # type: ignore[arg-type]
            for n in (2, 1)
        ]
        await writing.write_records(connection, "setlists", list(enumerate(records)), writing.hold_nothing)


async def _write_played(connection: Any, show: str, *titles: str) -> None:
    for title in titles:
        sets = [SetRecord(songs=[SetSong(title=title)], artist="a1")]
        await writing.write_records(
            connection, "setlists", [(0, SetlistRecord(show=show, type="actual", sets=sets))], writing.hold_nothing
        )


async def sync_first_show(connection: Any) -> None:
    """A sync corrects what one show brought: song 1 goes, then song 2."""
    await _write_played(connection, "s1", "Song 2", "Song 3")


async def sync_second_show(connection: Any) -> None:
    """Another sync corrects what another show brought: song 2 goes, then song 1."""
    await _write_played(connection, "s2", "Song 1", "Song 3")


async def rename_artists(connection: Any) -> None:
    """A sync learns the names of artists anew."""
    records = [ArtistRecord(name=f"Renamed {n}", slug=f"a{n}") for n in (2, 1)]
    await writing.write_records(connection, "artists", list(enumerate(records)), writing.hold_nothing)


async def rename_venues(connection: Any) -> None:
    """A sync learns the names of venues anew."""
    records = [
        VenueRecord(
            name=f"Renamed {n}", city="Köln", country="DE", latitude=51, longitude=7, time_zone="Europe/Berlin",
            slug=f"v{n}",
        )
        for n in (2, 1)
    ]  # fmt: skip
    await writing.write_records(connection, "venues", list(enumerate(records)), writing.hold_nothing)


async def forget(connection: Any) -> None:
    """A provider is forgotten: setlists and scores go."""
    shows = await connection.fetch("select id, slug from shows order by id")
    await writing.lock_shards(connection, [show["slug"] for show in shows], writing.hold_nothing)
    ids = [show["id"] for show in shows]
    await _all(forgetting.lock_shows(connection, ids=ids))
    for service in ("setlistfm", "ticketmaster"):
        await forgetting.delete_played(connection, service=service, ids=ids)
        await forgetting.settle_shows(connection, ids=ids)
        await forgetting.delete_settled(connection, service=service, ids=ids)
        await forgetting.delete_predicted(connection, service=service, ids=ids)
        await forgetting.delete_shows(connection, service=service, ids=ids)


async def score(connection: Any) -> None:
    """A show is scored again, and all nodes are told."""
    await connection.execute(sql_of(accuracy.score_show), 1)
    await accuracy.tell_of_score(connection, show_id=1, up_to=0)


async def rank_artists(connection: Any) -> None:
    """The chore adds up the shows of the artists that wait."""
    await connection.execute("insert into artists_to_rank (artist_id) values (2), (1)")
    await connection.execute("select rank_artists()")


async def recount_trending(connection: Any) -> None:
    """Every heat is calculated again."""
    await connection.execute("select update_trending_scores()")


async def insert_group(connection: Any) -> None:
    """The watch stores a group that it found, with ballots that are in another one already."""
    await watch.insert_group(
        connection, show_id=1, user_ids=[1, 2], score=5, reasons="[]", began_ms=1_000, ended_ms=2_000
    )


async def extend_group(connection: Any) -> None:
    """A group that was found gets more ballots."""
    await watch.extend_group(connection, group_id=3, user_ids=[1, 2], score=5, reasons="[]", ended_ms=2_000)


async def set_group_rule(connection: Any) -> None:
    """A moderator says that groups of a show are set aside when they are found."""
    await connection.execute("select set_config('app.role', 'moderator', true)")
    await connection.execute("select lock_show(1), set_group_rule(1, true)")


async def prune_groups(connection: Any) -> None:
    """Groups whose votes count are deleted when their shows have been final for long."""
    await retention.delete_vote_groups(connection, days=1, count=10)


async def decide_review(connection: Any) -> None:
    """A moderator upholds a report: the review goes out of sight, and out of the counts of its venue."""
    await moderation.lock_subject(connection, review=1, profile=None)
    await moderation.decide_report(connection, id=1, status="upheld", decided_by=2)
    await moderation.uphold_reports(connection, review=1, profile=None, decided_by=2)
    await moderation.set_review_status(connection, id=1, status="rejected")


async def decide_profile(connection: Any) -> None:
    """A moderator decides about a profile that was held back: their own, at that."""
    await moderation.lock_subject(connection, review=None, profile=1)
    held = await connection.fetchval("select id from content_moderation where profile_id = 1")
    await moderation.decide_held(connection, id=held, status="rejected", decided_by=1, note="")
    await moderation.set_profile_status(connection, user_id=1, status="rejected")


async def write_review(connection: Any) -> None:
    """A fan changes a review."""
    await reviews.lock_own_review(connection, venue_id=2, user_id=1)
    review = await connection.fetchval("select id from venue_reviews where venue_id = 2 and user_id = 1")
    await reviews.update_review(connection, id=review, rating=5, body="better", status="approved")


async def lift_ban(connection: Any) -> None:
    """A moderator lifts a ban of their own."""
    await accounts.lock_ban(connection, id=2, user_id=2)
    await accounts.lift_ban(connection, id=2, lifted_by=1)


async def settle_mail(connection: Any) -> None:
    """What was sent is written down."""
    ids = [row["id"] for row in await connection.fetch("select id from email_queue order by id desc")]
    instant = await connection.fetchval("select timestamptz '2030-01-01'")
    await mail.settle(
        connection, ids=ids, claimed_until=instant, status="sent", not_before=instant, detail="", instant=instant
    )


async def change_mail(connection: Any) -> None:
    """A fan changes where letters go; a confirmation is queued."""
    await connection.execute("update email_preferences set address = 'e@f' where user_id = 1")
    await connection.execute(
        "insert into email_queue (user_id, kind, about) values (1, 'confirm_address', 'address:x')"
    )


async def erase(connection: Any) -> None:
    """An account is erased."""
    await connection.execute("select erase_user(1)")


async def repair(connection: Any) -> None:
    """Wrong counts are repaired."""
    await reconcile.repair_counts(connection)


async def seed(connection: Any) -> None:
    """Sample data comes to artists and venues that are there."""
    await demo.lock_artist_stats(connection, slugs=["a1", "a2"])
    show = (
        '[{"slug": "s9", "artist": "a2", "venue": "v1", "name": "New", "local_date": "2030-01-01", "time_zone": "UTC",'
        ' "starts_at": "2030-01-01T20:00Z", "status": "upcoming", "opens_at": "2029-01-01T20:00Z",'
        ' "closes_at": "2030-01-01T20:00Z", "is_locked": false}]'
    )
    await _all(sample.insert_shows(connection, rows=show))
    user = await connection.fetchval("insert into users default values returning id")
    instant = await connection.fetchval("select now()")
    await sample.insert_follows(connection, user_ids=[user, user], artists=["a2", "a1"], first=instant, last=instant)
    review = '{{"user_id": {0}, "venue": "{1}", "rating": 4, "body": "", "created_at": "2026-01-01T00:00Z"}}'
    rows = "[" + ", ".join(review.format(user, venue) for venue in ("v2", "v1")) + "]"
    await sample.insert_reviews(connection, rows=rows)


async def note_voting(connection: Any) -> None:
    """A sender notices that voting has closed by the clock."""
    await webhooks.note_due_voting(connection, since=None)


async def settle_webhook(connection: Any) -> None:
    """A sender stores that a delivery failed, and that its webhook is gone."""
    instant = await connection.fetchval("select now()")
    delivery = await connection.fetchrow(
        "select id, not_before from webhook_deliveries where webhook_id = 1 and event_id = 2"
    )
    await webhooks.note_health(connection, webhook_id=1, is_delivered=False, instant=instant)
    await webhooks.disable(connection, webhook_id=1, why="gone")
    assert await webhooks.settle(
        connection, id=delivery["id"], claimed_until=delivery["not_before"], new_state="dead", not_before=instant,
        status=410, took_ms=5, error="gone", instant=instant,
    ) == "dead"  # fmt: skip


async def delete_webhook(connection: Any) -> None:
    """An administrator deletes a webhook with its deliveries."""
    await webhook_routes.lock_webhook(connection, id=1)
    await webhook_routes.delete_webhook(connection, id=1)


async def append_ledger(connection: Any) -> None:
    """The sequencer appends what is noted; it gives way to whoever holds a note or a fan, and tries again."""
    sequencer = Sequencer("", SystemClock(), "a secret of tests, and long enough", "localhost")
    with suppress(asyncpg.LockNotAvailableError, StoreUnavailable):
        await sequencer.append_next(connection)


async def settle_webpush(connection: Any) -> None:
    """A sender stores that one device took a notice, another one not, and a third one is gone."""
    until = await connection.fetchval("select timestamptz '2030-01-01'")
    await webpush.note_health(connection, delivered=[1], failed=[2])
    await webpush.delete_dead(connection, gone=[4, 3], failed=[2], failures_max=5)
    ids = [row["id"] for row in await connection.fetch("select id from webpush_deliveries order by id desc")]
    await webpush.finish(connection, ids=ids[:1], claimed_until=until)
    await webpush.postpone(connection, ids=ids[1:], instants=[until] * len(ids[1:]), claimed_until=until)


async def delete_device(connection: Any) -> None:
    """A fan deletes a device with what waits for it."""
    await webpush_routes.delete_device(connection, user_id=2, id=2)


PATHS: dict[str, Transaction] = {
    path.__name__: path
    for path in (
        commit, open_shards, open_shard, finalise, advance, add_song, remove_song, restore_song, change_show, order_sets, bill_show, postpone_show, make_show,
        edit_artist, merge_artists, merge_venues, merge_songs, decide_suggestion, require_ticket,
        redeem_ticket, give_ticket, insert_group, extend_group, set_group_rule, prune_groups, sync_shows, sync_setlists, sync_first_show, sync_second_show, rename_artists, rename_venues, forget, score,
        rank_artists, recount_trending, put_standings, recount_standings, join_crew,
        decide_review, decide_profile, write_review, lift_ban, settle_mail, change_mail, erase, repair, seed,
        note_voting, append_ledger, settle_webhook, delete_webhook, settle_webpush, delete_device,
    )
}  # fmt: skip
