"""Every process is killed while a recorded crowd votes: what was acknowledged is there, and counts once."""

from __future__ import annotations

import pytest
import redis.asyncio

from tests.faults.conftest import Place
from tests.support.audit import settled
from tests.support.recorder import Crowd

pytestmark = pytest.mark.timeout(90)


async def test_a_calm_night(place: Place) -> None:
    """Without any fault everything is acknowledged as committed, in the order it was cast."""
    node = await place.start_node()
    async with Crowd.voting([node], place.shows, place.users) as crowd:
        await crowd.more(400)
        assert await settled(crowd, place.database_url, place.redis_url) == []
        assert crowd.ledger.count("committed") == len(crowd.ledger.casts)
