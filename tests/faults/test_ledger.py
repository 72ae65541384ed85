"""Nodes that append to ledgers are killed: no vote is missing or doubled in a ledger, and no signed tree is taken back."""

from __future__ import annotations

from functools import partial

import asyncpg
import pytest

from server.ledger.audit import Get, Missing, audit
from server.ledger.files import public_files
from server.ledger.notes import VerifierKey
from tests.faults.conftest import Place
from tests.support.audit import settled
from tests.support.node_process import until_async
from tests.support.open_shows import Show
from tests.support.recording_crowd import Crowd
from tests.support.witness import Witness

pytestmark = pytest.mark.timeout(90)


async def test_the_appending_node_is_killed(place: Place) -> None:
    """Of two nodes one is killed under load, then the other, then PostgreSQL; a witness sees one tree that only grows."""
    nodes = [await place.start_node() for _ in range(2)]
    witness = Witness()
    async with Crowd.voting(nodes, place.shows, place.users) as crowd:
        for fault in range(3):
            await crowd.more(60)
            if fault < 2:
                await nodes[fault].kill()
                await nodes[fault].start()
            else:
                place.engines.kill("postgres")
                await crowd.more(12, "accepted")
                place.engines.revive("postgres")
            await crowd.more(60)
            async with public_files(nodes[0].url) as get:
                for show in place.shows:
                    await until_async(partial(_has_begun, get, show), "the ledger has begun")
                    await witness.visit(get, str(show.id), VerifierKey.parse((await get(key_of(show))).decode()))
        assert await settled(crowd, place.database_url, place.redis_url) == []
        connection = await asyncpg.connect(place.database_url)

        async def is_appended() -> bool:
            return not await connection.fetchval("select exists (select from ledger_notes)")

        await until_async(is_appended, "the ledgers have everything")
        casts = await connection.fetchval("select count(*) from vote_analytics")
        entries = await connection.fetchval("select sum(size) from ledger_logs")
        assert await connection.fetchval("select count(*) from ledger_epochs") == 1
        await connection.close()
        # Each show has an entry for its opening too.
        assert entries == casts + len(place.shows)
        async with public_files(nodes[1].url) as get:
            for show in place.shows:
                key = VerifierKey.parse((await get(key_of(show))).decode())
                cosigned = await witness.visit(get, str(show.id), key)
                found = await audit(get, str(show.id), earlier=cosigned, witness=witness.key, settle_s=0)
                assert found.problems == []


def key_of(show: Show) -> str:
    return f"api/shows/{show.id}/ledger/key"


async def _has_begun(get: Get, show: Show) -> bool:
    try:
        await get(key_of(show))
    except Missing:
        return False
    return True
