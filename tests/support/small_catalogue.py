"""Inserts a small catalogue straight into the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


class SmallCatalogue:
    """A catalogue of three artists, three venues, and the shows that a test adds."""

    def __init__(self, connection: Any, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.artists: dict[str, int] = {}
        self.venues: dict[str, int] = {}

    async def build(self) -> None:
        """Inserts the artists and venues."""
        for slug, name in (("bjork", "Björk"), ("radiohead", "Radiohead"), ("the-50-percent", "The 50% Band")):
            self.artists[slug] = await self.connection.fetchval(
                "insert into artists (slug, name, genre, country) values ($1, $2, 'Rock', 'GB') returning id",
                slug,
                name,
            )
        for slug, name, city, latitude, longitude, zone in (
            ("blaisdell-arena", "Blaisdell Arena", "Honolulu", 21.2987, -157.8497, "Pacific/Honolulu"),
            ("barclays-center", "Barclays Center", "Brooklyn", 40.6827, -73.9752, "America/New_York"),
            ("madison-square-garden", "Madison Square Garden", "New York", 40.7505, -73.9934, "America/New_York"),
        ):
            self.venues[slug] = await self.connection.fetchval(
                "insert into venues (slug, name, city, region, country, latitude, longitude, time_zone, capacity)"
                " values ($1, $2, $3, 'NY', 'US', $4, $5, $6, 100) returning id",
                slug, name, city, latitude, longitude, zone,
            )  # fmt: skip

    async def show(self, slug: str, starts_in: timedelta, status: str = "upcoming", **columns: Any) -> int:
        """Inserts a show, and gives its id."""
        starts_at = self.now + starts_in
        row = {
            "slug": slug,
            "artist_id": self.artists[columns.pop("artist", "radiohead")],
            "venue_id": self.venues[columns.pop("venue", "madison-square-garden")],
            "name": slug.title(),
            "local_date": starts_at.date(),
            "time_zone": "America/New_York",
            "starts_at": starts_at,
            "status": status,
            "opens_at": starts_at - timedelta(days=30),
            "closes_at": starts_at,
        } | columns
        names = ", ".join(row)
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        statement = f"insert into shows ({names}) values ({places}) returning id"
        return int(await self.connection.fetchval(statement, *row.values()))

    async def setlist(self, show_id: int, titles: list[str], type_: str = "predicted") -> list[int]:
        """Inserts a setlist with songs, and gives the ids that fans vote on."""
        setlist_id = await self.connection.fetchval(
            "insert into setlists (show_id, type, name) values ($1, $2, $3) returning id", show_id, type_, type_.title()
        )
        ids = []
        for position, title in enumerate(titles, start=1):
            song_id = await self.connection.fetchval(
                "insert into songs (artist_id, title) select artist_id, $2 from shows where id = $1"
                " on conflict (artist_id, title) do update set title = excluded.title returning id",
                show_id,
                title,
            )
            values = (setlist_id, show_id, song_id, position)
            statement = "insert into setlist_songs (setlist_id, show_id, song_id, position) values ($1, $2, $3, $4) returning id"
            ids.append(await self.connection.fetchval(statement, *values))
        return ids

    async def vote(self, show_id: int, song: int, up: int, down: int) -> None:
        """Inserts votes of new users: so many up and so many down."""
        statement = (
            "with u as (insert into users (role) select 'user' from generate_series(1, $5::int) returning id)"
            " insert into votes select $1, id, $2, $3::vote_choice, $4 from u"
        )
        for choice, count in (("up", up), ("down", down)):
            await self.connection.execute(statement, song, show_id, choice, self.now, count)
