"""What a document shows of a show before the script is there."""

from __future__ import annotations

import re
from typing import Any

from server.settings import data_folder
from server.web.first_songs import SONGS_MAX, with_first_songs, with_styles
from server.web.static_files import StaticFiles

DOCUMENT = '<body><main id="main" tabindex="-1">\n</main></body>'


def song_of(number: int, title: str, up: int | None, down: int | None) -> dict[str, Any]:
    """A song of a predicted set, which was not played."""
    return {"id": number, "title": title, "up": up, "down": down, "played_at": None}


def show_of(songs: list[tuple[str, int | None, int | None]], **changes: Any) -> Any:
    """The parts of a show that are used."""
    return {
        "status": "live",
        "voting": "open",
        "artist": {"name": "Ann & <b>"},
        "venue": {"name": "Hall", "city": "Oslo", "region": "", "country": "NO"},
        "bill": [{}],
        "votes_per_user_max": None,
        "setlists": [
            {"type": "actual", "songs": []},
            {"type": "predicted", "songs": [song_of(number, *song) for number, song in enumerate(songs, start=1)]},
        ],
    } | changes


def titles_of(text: str) -> list[str]:
    """The titles in the order in which they are drawn."""
    return re.findall(r'class="title"[^>]*>([^<]*)<', text)


def test_the_songs_stand_by_votes() -> None:
    """The best score first, equal ones in the order of the set; names are escaped, and long sets are cut."""
    text = with_first_songs(DOCUMENT, show_of([("One", 1, 1), ("T<w>o", 5, 1), ("Three", 1234, 0), ("Four", 0, 0)]))
    assert titles_of(text) == ["Three", "T&lt;w&gt;o", "One", "Four"]
    assert '<h1 dir="auto" translate="no">Ann &amp; &lt;b&gt;</h1>' in text
    assert "Hall, Oslo, NO" in text
    assert '<span class="count">1,234</span>' in text
    long = show_of([(f"Song {number}", 0, 0) for number in range(40)])
    assert len(titles_of(with_first_songs(DOCUMENT, long))) == SONGS_MAX


def test_played_songs_stand_behind_a_line() -> None:
    """While voting goes on, the played songs are not there; afterwards all stand by votes."""
    show = show_of([("One", 9, 0), ("Two", 8, 0), ("Three", 7, 0), ("Four", 6, 0)])
    for song in (1, 3):
        show["setlists"][1]["songs"][song - 1]["played_at"] = "2026-11-30T20:00:00Z"
    text = with_first_songs(DOCUMENT, show)
    assert titles_of(text) == ["Two", "Four"]
    assert re.findall(r'class="rank"[^>]*>(\d+)<', text) == ["2", "4"]
    assert 'class="fold"' in text
    closed = with_first_songs(DOCUMENT, show | {"voting": "closed"})
    assert titles_of(closed) == ["One", "Two", "Three", "Four"]
    assert 'class="fold"' not in closed


def test_hidden_counts_are_not_in_the_document() -> None:
    """A reader who may not see counts gets the order of the set and no number."""
    text = with_first_songs(DOCUMENT, show_of([("One", None, None), ("Two", None, None)]))
    assert (titles_of(text), "count" in text) == (["One", "Two"], False)


def test_a_show_that_takes_no_votes_stays_as_it_was() -> None:
    """What is finished begins with something else, and a show without songs has none to show."""
    assert with_first_songs(DOCUMENT, show_of([("One", 1, 0)], status="finished")) == DOCUMENT
    assert with_first_songs(DOCUMENT, show_of([])) == DOCUMENT


def test_the_styles_are_in_the_document_and_allowed() -> None:
    """Both style sheets stand in the page of a show, each with the hash by which the browser knows it."""
    text, sources = StaticFiles(data_folder("static")).styled_page("index.html")
    assert (text.count("<style>"), len(sources), "stylesheet" in text) == (2, 2, False)
    assert all(re.fullmatch(r"'sha256-[\w+/]{43}='", source) for source in sources)
    assert with_styles("<head></head>", str) == ("<head></head>", [])
