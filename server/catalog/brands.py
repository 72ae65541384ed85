"""Reads brands: which there are, and the logo of one."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from server.catalog.brand_colours import Colours
from server.catalog.queries import brands as queries
from server.errors import StoreError
from server.store.database import Database

# So soon every node knows of a change; the one that makes it, at once.
READ_EVERY_S = 5.0
_DEFAULT_PORT = re.compile(r":(80|443)$")


class Brand(NamedTuple):
    """A brand as pages show it. With `artist` or `venue`, slugs, its list has only their shows."""

    id: int
    host: str
    name: str
    colours: Colours
    has_logo: bool
    revision: int
    artist: str | None
    venue: str | None


class Logo(NamedTuple):
    """A picture and its type."""

    body: bytes
    media_type: str


class KnownBrands:
    """All brands, as they were read last: whoever answers a request asks them without a wait."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._by_host: dict[str, Brand] = {}

    def of_host(self, host: str) -> Brand | None:
        """The brand of a host, as the header Host names it; None: the service itself."""
        return self._by_host.get(_DEFAULT_PORT.sub("", host.lower()))

    async def run(self) -> None:
        """Reads them again and again; while PostgreSQL is away, the brands of before stay."""
        while True:
            with suppress(StoreError):
                await self.read()
            await asyncio.sleep(READ_EVERY_S)

    async def read(self) -> None:
        """Reads all brands now.

        Raises: StoreUnavailable
        """
        async with self._db.connection() as connection:
            self._by_host = {row["host"]: _brand(row) async for row in queries.served_brands(connection)}


async def fetch_logo(db: Database, brand_id: int) -> Logo | None:
    """The logo of a brand; None: it has none."""
    async with db.connection() as connection:
        row = await queries.logo_of_brand(connection, id=brand_id)
    if row is None or row["logo"] is None or row["logo_type"] is None:
        return None
    return Logo(row["logo"], row["logo_type"])


def _brand(row: Any) -> Brand:
    return Brand(
        id=row["id"],
        host=row["host"],
        name=row["name"],
        colours=msgspec.json.decode(row["colours"], type=Colours),
        has_logo=row["has_logo"],
        revision=row["revision"],
        artist=row["artist_slug"],
        venue=row["venue_slug"],
    )
