"""Canonical titles: one spelling of a song, whatever spelling a provider uses."""

from __future__ import annotations

from server.sync.canonical_titles import CanonicalTitles
from server.sync.clients.setlistfm import Artist, Set, Setlist, Sets, Song
from server.sync.setlists import to_played_sets, to_set_records

OTHER = Artist(mbid="m", name="Other")


def setlist(*sets: Set) -> Setlist:
    """A setlist with these sets."""
    return Setlist(id="1", event_date="25-11-2026", sets=Sets(sets))


def test_the_first_spelling_of_a_title_is_canonical() -> None:
    """Another spelling is the same song; the same title of another artist is another song."""
    canonical = CanonicalTitles([(None, "Rock 'n' Roll"), (None, "Rock ’n’ Roll"), ("m", "Hurt - Remastered")])
    assert canonical.of(None, "ROCK & ROLL") == "Rock 'n' Roll"
    assert canonical.of("m", " Hurt ") == "Hurt - Remastered"
    assert canonical.of(None, "Hurt") == "Hurt"
    assert canonical.of(None, "hurt") == "Hurt"


def test_a_medley_is_split_only_when_each_part_is_a_known_title() -> None:
    """A title with a slash stays whole when it is known as a whole, or when a part is unknown."""
    canonical = CanonicalTitles([(None, title) for title in ("Weird Fishes/Arpeggi", "Alpha", "Beta")])
    assert canonical.parts(None, "Weird Fishes / Arpeggi") == ["Weird Fishes/Arpeggi"]
    assert canonical.parts(None, "Alpha / beta") == ["Alpha", "Beta"]
    assert canonical.parts(None, "Alpha / Gamma") == ["Alpha / Gamma"]
    assert canonical.parts(None, "AC/DC Bag") == ["AC/DC Bag"]


def test_a_set_record_holds_each_song_once_at_its_first_place() -> None:
    """Songs are in order with canonical titles, parts of a medley are together, and tape is marked."""
    canonical = CanonicalTitles([(None, title) for title in ("Alpha", "Beta", "Last")])
    main = Set(song=[Song("ALPHA"), Song("Hurt", cover=OTHER), Song("Alpha"), Song("Intro", tape=True), Song("")])
    encore = Set(song=[Song("Beta / Last", info="short")], encore=1)
    first, second = to_set_records(
        setlist(Set(song=[Song("Nobody")], name="VIP:"), main, encore), {"m": "other"}, canonical
    )
    assert [(song.title, song.by, song.is_tape) for song in first.songs] == [
        ("Alpha", None, False), ("Hurt", "other", False), ("Intro", None, True),
    ]  # fmt: skip
    assert [(song.title, song.medley, song.note) for song in second.songs] == [
        ("Beta", 1, "short"),
        ("Last", 1, "short"),
    ]
    assert (first.kind, second.kind) == ("main", "encore")


def test_two_spellings_are_one_song_in_a_prediction() -> None:
    """Songs with different apostrophes get one title."""
    canonical = CanonicalTitles()
    sets = [setlist(Set(song=[Song(name)])) for name in ("Can’t Stop", "Can't Stop")]
    titles = [played.songs[0].title for played in to_played_sets(sets, canonical)]
    assert titles == ["Can’t Stop", "Can’t Stop"]
