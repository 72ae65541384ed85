"""The client of setlist.fm on a stand-in: good responses, and every known trap."""

from __future__ import annotations

import datetime as dt

from server.sync.canonical_titles import CanonicalTitles
from server.sync.providers import Providers
from server.sync.setlist_matching import is_encore, songs_of
from server.sync.setlists import to_played_sets
from tests.support import one_node
from tests.support import providers as stand_in

database_url, redis_url = one_node.database_url, one_node.redis_url


async def test_an_empty_result_is_404_and_so_is_the_page_after_the_last(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """Empty searches and the end of a list give an empty page. None of it is an error."""
    client = providers.setlistfm
    assert client is not None
    unknown = "00000000-0000-4000-8000-000000000000"
    assert (await client.fetch_artist_setlists(unknown)).setlist == ()
    mbid = provider_services.world.artists[0].mbid
    first, second = await client.fetch_artist_setlists(mbid), await client.fetch_artist_setlists(mbid, 2)
    assert (len(first.setlist), first.is_last, len(second.setlist), second.is_last) == (20, False, 2, True)
    assert (await client.fetch_artist_setlists(mbid, 3)).is_last
    assert provider_services.setlistfm.violations == []


async def test_setlists_are_read_as_they_are(providers: Providers, provider_services: stand_in.Providers) -> None:
    """Sets one level deeper, days before months, tape, unknown songs, VIP sets, encores by name, no tour by its name."""
    client = providers.setlistfm
    assert client is not None
    artist = provider_services.world.artists[1]
    page = await client.fetch_artist_setlists(artist.mbid)
    upcoming = [one for one in page.setlist if one.date is not None and one.date > provider_services.world.today]
    assert len(upcoming) == 3
    assert all(not one.sets.set for one in upcoming)
    written = next(one for one in page.setlist if one.sets.set)
    assert written.date == provider_services.world.today - dt.timedelta(days=4)
    assert {one.tour_name for one in page.setlist} == {None, "Long Way Round"}
    assert "Only For A Few" in [song.name for one in written.sets.set for song in one.song]
    names = [song.name for _, song in songs_of(written)]
    assert "Only For A Few" not in names
    assert "" not in names
    assert [one.name for one in written.sets.set if is_encore(one)] == ["Encore:"]
    (played,) = to_played_sets([written], CanonicalTitles())
    assert "Intro Music" not in [song.title for song in played.songs]
    assert [song.is_encore for song in played.songs[-2:]] == [True, True]
    assert (played.songs[0].place, played.songs[-1].place) == (0.0, 1.0)
    by_day = await client.search_setlists(artist.mbid, written.date)
    assert [one.id for one in by_day.setlist] == [written.id]
