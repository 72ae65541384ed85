"""What a show is called in each language."""

from __future__ import annotations

import json
from pathlib import Path

from server.protocol.show_names import NAME_CHARS_MAX, default_name
from server.words.show_names import name_of_show
from server.words.texts import shipped

# Pages and PostgreSQL compose the same names: tests/unit/js/messages.test.mjs, tests/integration/catalog/test_entry_editing.py.
CASES = Path(__file__).parents[1] / "js" / "show-names.json"


def test_the_default_name_is_artist_and_venue() -> None:
    """It is cut to what a name may be, in characters and not in bytes."""
    for case in json.loads(CASES.read_text()):
        assert default_name(case["artist"], case["venue"]) == case["name"]


def test_a_show_that_nobody_has_named_is_artist_and_venue_in_the_readers_words() -> None:
    """Also when the default was cut to what a name may be; a given name stays as it is."""
    names = ("Justice", "Red Rocks"), ("J" * NAME_CHARS_MAX, "Red Rocks")
    wanted = {"en": "{} at {}", "es": "{} en {}", "ja": "{}、{}"}
    for tag, pattern in wanted.items():
        words = shipped().language(tag)
        for artist, venue in names:
            assert name_of_show(default_name(artist, venue), artist, venue, words) == pattern.format(artist, venue)
            assert name_of_show(artist, artist, venue, words) == pattern.format(artist, venue)
            assert name_of_show("Una noche", artist, venue, words) == "Una noche"
