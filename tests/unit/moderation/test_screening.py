"""Texts that are held for a moderator, and texts that are not."""

from __future__ import annotations

import pytest

from server.moderation.screening import BLOCKED_WORDS, priority_of, screen
from server.moderation.text_review import assess

HARMLESS = [
    "",
    "Great sound, friendly staff, long queue at the bar.",
    "AC/DC at MSG!!!",  # few letters
    "WOW WOW WOW",
    "A perfect show. LOUD and proud.",
    "Hmmm... soooo good",
    "1,000,000 people. At 20:30.",
    "e.g. the balcony.Nice view",  # a missing space does not make a link
    "We came from Scunthorpe and Penistone.",  # whole words only
    "The bassist plays class A amps.",
    "سعيد جداً بالحفلة",
    "אולם יפה",
    "👩‍👩‍👧‍👦🤘",
    "می‌خواهم",  # the joiner is a part of the word
    "'; drop table venue_reviews; --",
    "日本語のレビューです。とても良い会場でした。",
]

HELD = [
    ("Buy at http://example.org", ["links"]),
    ("HTTPS://EXAMPLE.ORG", ["links", "shouting"]),
    ("see www.example", ["links"]),
    ("cheap-tickets.shop has them", ["links"]),
    ("THE WORST VENUE EVER", ["shouting"]),
    ("ΤΟ ΧΕΙΡΟΤΕΡΟ ΜΕΡΟΣ", ["shouting"]),
    ("nooooooo", ["repetition"]),
    ("!!!!!!", ["repetition"]),
    ("bad bad BAD bad", ["repetition"]),
    ("what a shit place", ["blocked_words"]),
    ("what a SHIT place", ["blocked_words"]),
    ("what a sh1t place", ["blocked_words"]),
    ("what a $hit place", ["blocked_words"]),
    ("what a shít place", ["blocked_words"]),
    ("what a s\u0301hit place", ["blocked_words"]),
    ("Scheiße", ["blocked_words"]),
    ("ｓｈｉｔ", ["blocked_words"]),  # full width
    ("sh\u200bit", ["blocked_words", "hidden_characters"]),
    ("sh\u200dit", ["blocked_words"]),
    ("\u202eevil", ["hidden_characters"]),
    ("invisible\u3164", ["hidden_characters"]),
]


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_texts_are_shown(text: str) -> None:
    """Praise, criticism, names, other scripts and emoji are not held."""
    assert screen(text) == []


@pytest.mark.parametrize(("text", "reasons"), HELD)
def test_suspicious_texts_are_held(text: str, reasons: list[str]) -> None:
    """Each rule matches, also when the text tries to avoid it."""
    assert screen(text) == reasons


def test_each_text_is_screened_alone() -> None:
    """A name and a city are not joined to one text, and each reason is given once."""
    assert screen("BIG FAN", "NEW YORK CITY") == []
    assert screen("www.a.example", "www.b.example") == ["links"]


@pytest.mark.parametrize("text", ["a" * 2000, "a." * 1000, "a-" * 1000, "w" * 1999 + ".", "\u0301" * 2000, "aA" * 1000])
def test_long_texts_are_screened_fast(text: str) -> None:
    """Every rule is linear in the length of the text; a quadratic rule would exceed the time limit of the test."""
    for _ in range(50):
        screen(text)


@pytest.mark.parametrize("word", ["a-", "ab.", "a", "-", "a--"])
def test_the_time_grows_with_the_length_alone(word: str) -> None:
    """Two hundred thousand characters: a rule that reads on from each of them takes ten billion steps, and no test has the
    time for that.
    """
    assert "links" not in screen(word * (200_000 // len(word)))


def test_blocked_words_have_high_priority() -> None:
    """Blocked words and hidden characters come before links, shouting and repetition."""
    assert priority_of(["links", "blocked_words"]) == "high"
    assert priority_of(["hidden_characters"]) == "high"
    assert priority_of(["links", "shouting", "repetition"]) == "normal"


def test_blocked_words_are_normalised() -> None:
    """Each entry is one lower-case word; any other entry would never match."""
    assert BLOCKED_WORDS
    assert all(word.isalpha() and word == word.casefold() for word in BLOCKED_WORDS)


def test_a_rejected_text_needs_a_moderator() -> None:
    """A harmless new text after a rejected text is held. An empty text stays rejected."""
    assert assess("Lovely.").status == "approved"
    assert assess("Lovely.", previous="pending").status == "approved"
    again = assess("Lovely.", previous="rejected")
    assert (again.status, again.reasons) == ("pending", ["rejected_before"])
    assert assess("", previous="rejected").status == "rejected"
    assert assess("", previous="pending").status == "approved"
    assert assess("", "").status == "approved"
