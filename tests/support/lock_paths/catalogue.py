"""Paths of staff in the catalogue: shows, their sets and songs, and merges."""

from __future__ import annotations

import datetime as dt
from typing import Any

from server.catalog import entry_editing, set_order, setlist_editing, show_changes, show_control
from server.catalog import queries as catalog_queries
from server.protocol.http.parameters import Reference
from tests.support.lock_paths.world import all_rows


async def advance(connection: Any) -> None:
    """Shows move with the calendar."""
    instant = await connection.fetchval("select now()")
    await all_rows(catalog_queries.show_status.advance_shows(connection, instant=instant))


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


async def change_show(connection: Any) -> None:
    """Staff locks a show, and says what was played."""
    show = await show_changes.lock_show(connection, Reference(1, None))
    await show_control.write_settings(connection, show, {"is_locked": True})
    song = await connection.fetchval("select min(id) from setlist_songs where show_id = 1")
    await catalog_queries.show_control.mark_played(
        connection, show_id=1, id=song, is_played=True, at=dt.datetime.now(dt.UTC)
    )


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
