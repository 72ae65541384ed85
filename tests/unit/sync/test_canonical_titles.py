"""How songs are written here, whatever others call them."""

from __future__ import annotations

from server.sync.canonical_titles import CanonicalTitles
from server.sync.clients.setlistfm import Artist, Set, Setlist, Sets, Song
from server.sync.setlists import to_played_set, to_set_records

OTHER = Artist(mbid="m", name="Other")


def setlist(*sets: Set) -> Setlist:
    """One with those sets."""
    return Setlist(id="1", event_date="25-11-2026", sets=Sets(sets))


def test_a_song_is_written_as_it_was_first() -> None:
    """Another spelling is the same song; another artist's of that title is not."""
    canonical = CanonicalTitles([(None, "Rock 'n' Roll"), (None, "Rock ’n’ Roll"), ("m", "Hurt - Remastered")])
    assert canonical.of(None, "ROCK & ROLL") == "Rock 'n' Roll"
    assert canonical.of("m", " Hurt ") == "Hurt - Remastered"
    assert canonical.of(None, "Hurt") == "Hurt"
    assert canonical.of(None, "hurt") == "Hurt"


def test_a_medley_is_split_only_when_nothing_is_called_so_and_each_part_is_known() -> None:
    """Slashes belong to titles too."""
    canonical = CanonicalTitles([(None, title) for title in ("Weird Fishes/Arpeggi", "Alpha", "Beta")])
    assert canonical.parts(None, "Weird Fishes / Arpeggi") == ["Weird Fishes/Arpeggi"]
    assert canonical.parts(None, "Alpha / beta") == ["Alpha", "Beta"]
    assert canonical.parts(None, "Alpha / Gamma") == ["Alpha / Gamma"]
    assert canonical.parts(None, "AC/DC Bag") == ["AC/DC Bag"]


def test_sets_hold_each_song_once_at_its_first_place() -> None:
    """Spellings, repeats and medleys: what is written is in order, a medley's parts together, tape marked."""
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


def test_spellings_are_one_song_to_who_predicts() -> None:
    """What is written in two ways counts as one."""
    canonical = CanonicalTitles()
    titles = [
        to_played_set(setlist(Set(song=[Song(name)])), canonical).songs[0].title
        for name in ("Can’t Stop", "Can't Stop")
    ]
    assert titles == ["Can’t Stop", "Can’t Stop"]
