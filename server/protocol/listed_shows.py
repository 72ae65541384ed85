"""A show in a list of a signed-in user, whichever room the list is of."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from server.protocol.instants import iso


class ShowArtist(msgspec.Struct, frozen=True):
    """The artist of a show."""

    id: int
    slug: str
    name: str


class ShowVenue(msgspec.Struct, frozen=True):
    """The venue of a show."""

    id: int
    slug: str
    name: str
    city: str


class ListedShow(msgspec.Struct, frozen=True, kw_only=True):
    """What each list tells of a show."""

    id: int
    slug: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: str
    starts_at: str
    artist: ShowArtist
    venue: ShowVenue


def fields_of_show(row: Any) -> dict[str, Any]:
    """The fields of a ListedShow, from a row of a query."""
    return {
        "id": row["id"],
        "slug": row["slug"],
        "status": row["status"],
        "local_date": row["local_date"].isoformat(),
        "starts_at": iso(row["starts_at"]),
        "artist": ShowArtist(row["artist_id"], row["artist_slug"], row["artist_name"]),
        "venue": ShowVenue(row["venue_id"], row["venue_slug"], row["venue_name"], row["city"]),
    }
