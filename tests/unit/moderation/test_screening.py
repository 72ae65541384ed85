"""What holds a text back, and what must not."""

from __future__ import annotations

import pytest

from server.moderation.screening import BLOCKED_WORDS, priority_of, screen
from server.moderation.text_review import judge

HARMLESS = [
    "",
    "Great sound, friendly staff, long queue at the bar.",
    "AC/DC at MSG!!!",  # few letters
    "WOW WOW WOW",
    "A perfect show. LOUD and proud.",
    "Hmmm... soooo good",
    "1,000,000 people. At 20:30.",
    "e.g. the balcony.Nice view",  # a missing space is no link
    "We came from Scunthorpe and Penistone.",  # whole words only
    "The bassist plays class A amps.",
    "سعيد جداً بالحفلة",
    "אולם יפה",
    "👩‍👩‍👧‍👦🤘",
    "می‌خواهم",  # a joiner belongs to the word
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
    """Praise, blame, names, other scripts and emoji wait for nobody."""
    assert screen(text) == []


@pytest.mark.parametrize(("text", "reasons"), HELD)
def test_suspicious_texts_are_held_back(text: str, reasons: list[str]) -> None:
    """Each rule, and the usual ways round it."""
    assert screen(text) == reasons


def test_each_text_stands_by_itself() -> None:
    """Rules look at one text at a time, so that a name and a city make no sentence; reasons come once."""
    assert screen("BIG FAN", "NEW YORK CITY") == []
    assert screen("www.a.example", "www.b.example") == ["links"]


@pytest.mark.parametrize("text", ["a" * 2000, "a." * 1000, "a-" * 1000, "w" * 1999 + ".", "\u0301" * 2000, "aA" * 1000])
def test_long_texts_are_judged_at_once(text: str) -> None:
    """Nothing in a rule goes through a text more than a few times; one that did would meet the test's time limit."""
    for _ in range(50):
        screen(text)


def test_what_hurts_is_looked_at_first() -> None:
    """Words and tricks before links and shouting."""
    assert priority_of(["links", "blocked_words"]) == "high"
    assert priority_of(["hidden_characters"]) == "high"
    assert priority_of(["links", "shouting", "repetition"]) == "normal"


def test_the_list_of_words_is_as_it_is_compared() -> None:
    """Lower case, one word a line: any other entry would match nothing."""
    assert BLOCKED_WORDS
    assert all(word.isalpha() and word == word.casefold() for word in BLOCKED_WORDS)


def test_what_was_rejected_does_not_come_back_by_itself() -> None:
    """A new text under a rejected one waits, however harmless; one without any words stays rejected."""
    assert judge("Lovely.").status == "approved"
    assert judge("Lovely.", was="pending").status == "approved"
    again = judge("Lovely.", was="rejected")
    assert (again.status, again.reasons) == ("pending", ["rejected_before"])
    assert judge("", was="rejected").status == "rejected"
    assert judge("", was="pending").status == "approved"
    assert judge("", "").status == "approved"
