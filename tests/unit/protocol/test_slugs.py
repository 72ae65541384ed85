"""Slugs of names in every script."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.protocol.slugs import SLUGS_TRIED_MAX, made_slug, slug_of, slugs_of

SLUG = re.compile("[a-z0-9]+(-[a-z0-9]+)*")


@pytest.mark.parametrize(
    ("names", "slug"),
    [
        (("Sigur Rós",), "sigur-ros"),
        (("Sigur Ro\u0301s",), "sigur-ros"),
        (("Guns N’ Roses",), "guns-n-roses"),
        (("MØ",), "mo"),
        (("-M-",), "m"),
        (("Кино",), "kino"),
        (("武道館", "東京"), "wudaoguan-dongjing"),
        (("Straße",), "strasse"),
    ],
)
def test_a_name_is_written_in_latin_letters(names: tuple[str, ...], slug: str) -> None:
    """No script is lost, and an apostrophe does not divide a word."""
    assert slug_of(*names) == slug


def test_a_name_without_letters_has_a_slug_of_its_own() -> None:
    """It is the same every time; a number alone is not taken for an id."""
    assert made_slug("artist", "!!!") == made_slug("artist", "!!!") != made_slug("artist", "???")
    assert made_slug("artist", "311") == "artist-311"


def test_as_many_slugs_are_tried_as_the_limit_says() -> None:
    """The name's own one is the first of them."""
    tried = list(slugs_of("band"))
    assert (tried[:2], tried[-1]) == (["band", "band-2"], "band-100")
    assert len(tried) == SLUGS_TRIED_MAX


@given(st.text(min_size=1, max_size=200), st.text(max_size=120))
def test_every_name_makes_a_valid_slug(name: str, city: str) -> None:
    """The catalogue takes it, with room for a number behind it."""
    slug = made_slug("venue", name, city)
    assert SLUG.fullmatch(slug)
    assert len(slug) <= 290
