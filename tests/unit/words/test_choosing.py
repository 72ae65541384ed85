"""The language of an answer, by hand and by what the browser asks for."""

from __future__ import annotations

import pytest

from server.words.choosing import choose_language

LANGUAGES = ("en", "es", "ja", "pt-BR")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("ES-419", "es"),
        ("fr-FR,fr;q=0.9,ja;q=0.5,en;q=0.4", "ja"),
        ("en;q=0.5,ja;q=0.9", "ja"),
        ("ja;q=0,es", "es"),
        ("ja;Q=0.4, es; Q=0.9", "es"),
        ("ja;q=0", "en"),
        ("pt-br", "pt-BR"),
        ("pt-PT", "en"),
        ("fr, *", "en"),
        ("ja;q=1.0;x, es ; q=0.7", "es"),
        ("\x00;q=,;;,es-" + "x" * 400, "en"),
        ("x" * 600 + ",es", "en"),
    ],
)
def test_the_browser_asks_for_a_language(header: str, language: str) -> None:
    """The best language that there is; a region falls back to its language; what is no list of languages counts as nothing."""
    assert choose_language(LANGUAGES, (), header) == language


def test_a_choice_by_hand_goes_first() -> None:
    """The first choice that is a language of ours wins over the browser's."""
    assert choose_language(LANGUAGES, ("es", "ja"), "en") == "es"
    assert choose_language(LANGUAGES, (None, "ja"), "en") == "ja"
    assert choose_language(LANGUAGES, ("xx", "../en"), "es") == "es"
