"""Slugs: made of a name in Latin letters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from anyascii import anyascii

from server.protocol.texts import clean_line

# A slug that a client or a file gives. Digits alone are read as an id (`parse_reference`), so such a slug would find nothing.
Slug = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=300,
        pattern="^(?![0-9]+$)[a-z0-9]+(-[a-z0-9]+)*$",
        description="Small Latin letters, digits and single hyphens; digits alone are an id.",
        examples=["grand-hall-leeds"],
    ),
]
# Room for a number behind a slug.
_MADE_CHARS_MAX = 280
SLUGS_TRIED_MAX = 100


def slug_of(*texts: str) -> str:
    """Makes a slug of names, in every script; empty when no character of them has Latin letters."""
    plain = anyascii(clean_line(" ".join(texts))).lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MADE_CHARS_MAX].strip("-")


def made_slug(kind: str, *names: str) -> str:
    """A slug for something new: `!!!` gets one by a hash, and `311` one that is not taken for an id.

    Takes: kind, such as artist, for a name that makes no slug
    """
    slug = slug_of(*names)
    if not slug:
        return f"{kind}-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]}"
    return f"{kind}-{slug}" if slug.isdigit() else slug


def slugs_of(slug: str) -> Iterator[str]:
    """The slug, and the same with numbers behind it, to try when it is taken."""
    yield slug
    for number in range(2, SLUGS_TRIED_MAX + 1):
        yield f"{slug}-{number}"
