"""Lists near a point: distances, and the shows and venues within a radius."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.catalog.artists_venues_songs import list_venues
from server.catalog.parameters import NearQuery, ShowQuery
from server.catalog.shows import list_shows
from server.store.database import Database
from tests.support import one_node
from tests.support.examples import scaled
from tests.support.small_catalogue import NOW, SmallCatalogue

database_url = one_node.database_url

DAY = timedelta(days=1)


async def _shows(db: Database, **filters: Any) -> list[str]:
    return [item["slug"] for item in (await list_shows(db, ShowQuery(**filters), now=NOW))["items"]]


_EDGES = st.sampled_from([-90.0, -89.999999, -45.0, 0.0, 1e-9, 45.0, 89.999999, 90.0])
_LATITUDES = st.one_of(_EDGES, st.floats(-90, 90))
_LONGITUDES = st.one_of(
    st.sampled_from([-180.0, -179.999999, -90.0, 0.0, 90.0, 179.999999, 180.0]), st.floats(-180, 180)
)
_PLACES = st.tuples(_LATITUDES, _LONGITUDES)
_RADII = st.one_of(
    st.sampled_from([0.001, 1.0, 111.2, 5_000.0, 10_007.6, 20_015.0, 20_038.0]), st.floats(0.001, 20_038)
)


def _haversine_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    (lat_a, lon_a), (lat_b, lon_b) = (tuple(map(math.radians, place)) for place in (a, b))
    chord = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(chord)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=scaled(30))
@given(venues=st.lists(_PLACES, min_size=1, max_size=40), centre=_PLACES, radius_km=_RADII)
async def test_distances_agree_with_the_haversine_formula(
    venues: list[tuple[float, float]], centre: tuple[float, float], radius_km: float, database_url: str
) -> None:
    """Also across the date line and the poles; both formulas are exact to a metre, so a difference below two is allowed."""
    connection = await asyncpg.connect(database_url)
    database = await Database.open(database_url, pool_size=1)
    try:
        await connection.execute("delete from venues; alter table venues alter id restart")
        await connection.executemany(
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('v' || $1::int, 'V', 'C', 'US', $2, $3, 'UTC')",
            [(number, *place) for number, place in enumerate(venues)],
        )
        near = f"{centre[0]!r},{centre[1]!r}"
        found: dict[str, float] = {}
        cursor = None
        while True:
            page = await list_venues(database, NearQuery(near=near, radius_km=radius_km, limit=7, cursor=cursor))
            found |= {item["slug"]: item["distance_km"] for item in page["items"]}
            cursor = page["next"]
            if cursor is None:
                break
    finally:
        await database.close()
        await connection.close()
    assert list(found.values()) == sorted(found.values())
    for number, place in enumerate(venues):
        expected = _haversine_km(centre, place)
        distance = found.get(f"v{number}")
        if distance is None:
            assert expected > radius_km - 0.002
        else:
            assert distance == pytest.approx(expected, abs=0.002)
            assert expected < radius_km + 0.002


async def test_lists_near_a_point_have_distances(db: Database, catalogue: SmallCatalogue) -> None:
    """Venues come nearest first, shows in their own order; only lists with `near` have distances."""
    manhattan = "40.7505,-73.9934"
    venues = (await list_venues(db, NearQuery(near=manhattan, radius_km=9_000)))["items"]
    assert [(venue["slug"], round(venue["distance_km"], 1)) for venue in venues] == [
        ("madison-square-garden", 0.0),
        ("barclays-center", 7.7),
        ("blaisdell-arena", 7_981.7),
    ]
    assert [v["slug"] for v in (await list_venues(db, NearQuery(near=manhattan, q="brooklyn")))["items"]] == [
        "barclays-center"
    ]
    await catalogue.show("near", 2 * DAY)
    await catalogue.show("far", DAY, venue="barclays-center")
    shows = (await list_shows(db, ShowQuery(near=manhattan), now=NOW))["items"]
    assert [(show["slug"], round(show["distance_km"], 1)) for show in shows] == [("far", 7.7), ("near", 0.0)]
    assert await _shows(db, near=manhattan, venue="barclays-center") == ["far"]
    assert await _shows(db, near="0,0", venue="barclays-center") == []
    assert "distance_km" not in (await list_shows(db, ShowQuery(), now=NOW))["items"][0]
    assert "distance_km" not in (await list_venues(db, NearQuery()))["items"][0]


async def test_distance_is_measured_on_the_globe(db: Database, catalogue: SmallCatalogue) -> None:
    """`near` keeps shows within the radius: 7.7 km between the two halls of New York, 8,000 km to Honolulu."""
    await catalogue.show("brooklyn", timedelta(days=1), venue="barclays-center")
    await catalogue.show("honolulu", timedelta(days=2), venue="blaisdell-arena")
    await catalogue.show("manhattan", timedelta(days=3))
    manhattan = "40.7505,-73.9934"
    assert await _shows(db, near=manhattan) == ["brooklyn", "manhattan"]
    assert await _shows(db, near=manhattan, radius_km=7.6) == ["manhattan"]
    assert await _shows(db, near=manhattan, radius_km=7.8) == ["brooklyn", "manhattan"]
    assert await _shows(db, near=manhattan, radius_km=7900) == ["brooklyn", "manhattan"]
    assert await _shows(db, near=manhattan, radius_km=8100) == ["brooklyn", "honolulu", "manhattan"]
    # The shortest way to Honolulu crosses the date line.
    assert await _shows(db, near="21.3,179.9", radius_km=2290) == []
    assert await _shows(db, near="21.3,-179.9", radius_km=2290) == ["honolulu"]
    assert await _shows(db, near="21.3,179.9", radius_km=2320) == ["honolulu"]
    assert await _shows(db, near="-90,0", radius_km=20038) == ["brooklyn", "honolulu", "manhattan"]
