"""Draws what sample fans have besides votes: profiles, followed artists, attended shows and venue reviews."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from server.sample.seed_data import Artist, People, Venue

NAMED_SHARE = 0.3  # of fans who have a profile; the others only vote
PUBLIC_SHARE = 0.7  # of profiles that are public
FOLLOWS_MAX = 8
GOING_MAX = 3
REVIEWS_PER_VENUE_MAX = 12
REVIEW_DAYS = 90
RATING_WEIGHTS = {5: 45, 4: 33, 3: 13, 2: 6, 1: 3}


class DrawnProfile(msgspec.Struct, frozen=True):
    """The profile of a fan [0-based]."""

    fan: int
    display_name: str
    city: str
    country: str
    is_public: bool


class DrawnReview(msgspec.Struct, frozen=True):
    """The review of a fan [0-based] about a venue [0-based]."""

    fan: int
    venue: int
    rating: int
    body: str
    created_at: datetime


def draw_profiles(rng: random.Random, people: People, venues: Sequence[Venue], fan_count: int) -> list[DrawnProfile]:
    """Profiles of some fans; names may repeat, as they do in life."""
    profiles = []
    for fan in range(fan_count):
        if rng.random() < NAMED_SHARE:
            home = rng.choice(venues)
            profiles.append(
                DrawnProfile(fan, rng.choice(people.names), home.city, home.country, rng.random() < PUBLIC_SHARE)
            )
    return profiles


def draw_follows(rng: random.Random, artists: Sequence[Artist], fan_count: int) -> list[tuple[int, int]]:
    """Pairs (fan, artist), both 0-based: most fans follow a few artists, and the first artists have the most followers."""
    follows: list[tuple[int, int]] = []
    for fan in range(fan_count):
        count = min(FOLLOWS_MAX, int(rng.expovariate(0.5)))
        followed = {int(len(artists) * rng.random() ** 2) for _ in range(count)}
        follows.extend((fan, artist) for artist in sorted(followed))
    return follows


def draw_attendance(rng: random.Random, show_count: int, fan_count: int) -> list[tuple[int, int]]:
    """Pairs (fan, show), both 0-based: a fan goes to no show, to one, or to a few."""
    going: list[tuple[int, int]] = []
    for fan in range(fan_count):
        count = rng.randint(0, min(GOING_MAX, show_count))
        going.extend((fan, show) for show in sorted(rng.sample(range(show_count), k=count)))
    return going


def draw_reviews(
    rng: random.Random, people: People, venues: Sequence[Venue], fan_count: int, *, now: datetime
) -> list[DrawnReview]:
    """A few reviews of every venue, each by another fan, none in the future."""
    reviews = []
    for index, venue in enumerate(venues):
        count = min(fan_count, rng.randint(REVIEWS_PER_VENUE_MAX // 3, REVIEWS_PER_VENUE_MAX))
        for fan in rng.sample(range(fan_count), k=count):
            rating, body = write_review(rng, people, venue.city)
            created_at = now - timedelta(days=REVIEW_DAYS) * rng.random()
            reviews.append(DrawnReview(fan, index, rating, body, created_at))
    return reviews


def write_review(rng: random.Random, people: People, city: str) -> tuple[int, str]:
    """A rating, and one or two sentences that fit it."""
    texts = rng.choices(people.reviews, weights=[RATING_WEIGHTS[texts.rating] for texts in people.reviews])[0]
    words = f"{rng.choice(texts.openings)} {rng.choice(texts.closings)}".strip()
    return texts.rating, words.format(city=city)
