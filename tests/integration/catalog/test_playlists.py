"""A show as a list of recordings, and the ids of recordings in exports."""

from __future__ import annotations

from datetime import timedelta

from server.catalog.playlists import as_text, fetch_playlist
from server.catalog.results import fetch_results
from server.protocol.http.parameters import parse_reference
from server.store.database import Database
from tests.support import one_node
from tests.support.small_catalogue import SmallCatalogue

database_url = one_node.database_url

IDENTITIES = """
insert into song_identities (service, external_id, song_id, url, isrc)
select 'spotify', n || '-' || s.id, s.id, 'https://open.spotify.com/track/' || n || s.title, case n when 'b' then 'GBAYE9700106' else '' end
  from songs s, unnest('{b,a}'::text[]) n where s.title in ('Airbag', 'Creep');
insert into artist_identities (service, external_id, artist_id, confidence, evidence)
select 'musicbrainz', 'mbid-' || slug, id, 1, 'test' from artists where slug = 'radiohead';
"""


async def test_a_playlist_is_what_was_played(db: Database, catalogue: SmallCatalogue) -> None:
    """The predicted set before the show, the played one after it, in order; a song without a recording is counted as missing."""
    show_id = await catalogue.show("a", timedelta(hours=1))
    await catalogue.setlist(show_id, ["Airbag", "Unknown", "Creep"])
    await catalogue.connection.execute(IDENTITIES)
    found = await fetch_playlist(db, parse_reference("a"))
    assert (found["type"], found["missing"]) == ("predicted", 1)
    assert [track["title"] for track in found["tracks"]] == ["Airbag", "Unknown", "Creep"]
    assert {track["artist_mbid"] for track in found["tracks"]} == {"mbid-radiohead"}
    assert [track["isrc"] for track in found["tracks"]] == ["GBAYE9700106", None, "GBAYE9700106"]
    assert as_text(found) == "https://open.spotify.com/track/aAirbag\nhttps://open.spotify.com/track/aCreep\n"
    tape, played = await catalogue.setlist(show_id, ["Airbag", "Creep"], "actual")
    await catalogue.connection.execute("update setlist_songs set is_tape = true where id = $1", tape)
    found = await fetch_playlist(db, parse_reference("a"))
    assert (found["type"], [track["title"] for track in found["tracks"]]) == ("actual", ["Creep"])
    assert played


async def test_a_result_names_recordings_and_artists(db: Database, catalogue: SmallCatalogue) -> None:
    """Each song of an export has its artist, the artist's id at MusicBrainz and an ISRC, as far as they are known."""
    show_id = await catalogue.show("a", timedelta(hours=1))
    await catalogue.setlist(show_id, ["Airbag", "Unknown"])
    await catalogue.connection.execute(IDENTITIES)
    _, results = await fetch_results(db, parse_reference("a"))
    assert [(song["artist"], song["artist_mbid"], song["isrc"]) for song in results["songs"]] == [
        ("Radiohead", "mbid-radiohead", "GBAYE9700106"),
        ("Radiohead", "mbid-radiohead", None),
    ]
