"""Every change of a show's rules holds on all nodes before its answer, however tight the crowd is."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from server.people.sessions import mint_token
from server.store.database import Database
from server.sync.file_import import import_file
from server.voting.rule_changes import open_rule_changes
from tests.faults.conftest import Place
from tests.support.audit import differences, until_drained
from tests.support.node_process import SECRET, until, until_async
from tests.support.open_shows import Show, make_shows
from tests.support.stepped_client import SteppedClient

pytestmark = pytest.mark.timeout(120)

IN_FLIGHT = 4  # casts of a fan at the same time
ANSWERS = 40  # before the change, and after it

Votes = Callable[[Show, int], dict[int, str]]


class Staff:
    """An administrator of the place, and one of its nodes."""

    def __init__(self, place: Place, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self.place = place
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, body: Any = None) -> None:
        """A request that must succeed."""
        async with self._http.request(method, self._url + path, headers=self._headers, json=body) as response:
            assert response.status < 300, await response.text()

    async def sync(self, content: dict[str, Any], folder: Path) -> None:
        """Imports a file, as `mysetlist sync import` does."""
        path = folder / "shows.json"
        path.write_text(json.dumps(content))
        database = await Database.open(self.place.database_url, pool_size=1)
        async with open_rule_changes(database, self.place.redis_url) as change_rules:
            result = await import_file(database, path, change_rules)
        await database.close()
        assert result.counts == {"shows": {"changed": 1}}, result.results


async def crowd(
    fans: Sequence[SteppedClient], show: Show, votes: Votes, change: Callable[[], Awaitable[None]]
) -> list[str]:
    """Lets fans vote as fast as they can, changes the rules meanwhile, and gives the outcome of every cast sent afterwards."""
    early: list[str] = []
    late: list[str] = []
    is_changed = is_over = False

    async def vote(fan: SteppedClient) -> None:
        number = 0
        while not is_over:
            number += 1
            was_changed = is_changed
            answer = await fan.cast(show.id, votes(show, number))
            (late if was_changed else early).append(answer.get("code", "ok"))

    async with asyncio.TaskGroup() as tasks:
        for fan in fans:
            for _ in range(IN_FLIGHT):
                tasks.create_task(vote(fan))
        await until(lambda: len(early) >= ANSWERS, "the crowd votes")
        await change()
        is_changed = True
        await until(lambda: len(late) >= ANSWERS, "the crowd goes on")
        is_over = True
    return late


def flip(show: Show, number: int) -> dict[int, str]:
    """Changes the choice on the first song every time."""
    return {show.songs[0]: ("up", "down")[number % 2]}


def grow(show: Show, number: int) -> dict[int, str]:
    """Holds two votes, then none."""
    return dict.fromkeys(show.songs[:2], ("up", "none")[number % 2])


@asynccontextmanager
async def two_nodes(place: Place) -> AsyncIterator[tuple[Staff, list[SteppedClient]]]:
    """Staff at one node, and fans at both."""
    nodes = [await place.start_node(), await place.start_node()]
    connection = await asyncpg.connect(place.database_url)
    administrator = await connection.fetchval("insert into users (role) values ('admin') returning id")
    await connection.close()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        fans = [
            await stack.enter_async_context(SteppedClient.connected(nodes[number % 2].url, user))
            for number, user in enumerate(place.users)
        ]
        yield Staff(place, http, nodes[0].url, mint_token(SECRET, administrator, "admin")), fans


def in_s(seconds: float) -> str:
    """An instant so many seconds from now."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).isoformat()


async def test_no_vote_follows_old_rules(place: Place, tmp_path: Path) -> None:
    """Two nodes, every kind of change: no cast sent after the answer is decided by the rules before it."""
    async with two_nodes(place) as (staff, fans):
        shows = iter(await make_shows(place.database_url, count=10))

        async def changed(
            votes: Votes, path: str, body: Any = None, method: str = "POST", before: Any = None
        ) -> tuple[Show, set[str]]:
            show = next(shows)
            if before is not None:
                await staff.ask("POST", f"/api/admin/shows/{show.id}/{before[0]}", before[1])
            filled = path.format(song=show.songs[0])
            if isinstance(body, dict) and "song" in body:
                body = {**body, "song": show.songs[0]}
            late = await crowd(
                fans, show, votes, lambda: staff.ask(method, f"/api/admin/shows/{show.id}{filled}", body)
            )
            return show, set(late)

        closed, late = await changed(flip, "/close")
        assert late == {"closed"}
        assert (await changed(flip, "/lock", {"is_locked": True}))[1] == {"locked"}
        assert (await changed(flip, "/lock", {"is_locked": False}, before=("lock", {"is_locked": True})))[1] == {"ok"}
        assert (await changed(flip, "", {"closes_at": in_s(-60)}, "PATCH"))[1] == {"closed"}
        assert (await changed(flip, "", {"status": "cancelled"}, "PATCH"))[1] == {"closed"}
        assert (await changed(grow, "", {"votes_per_user_max": 1}, "PATCH"))[1] == {"ok", "budget"}
        assert (await changed(flip, "/tickets", {"requires_ticket": True}, "PUT"))[1] == {"forbidden"}
        shortened, late = await changed(flip, "/songs/{song}?confirm=true", None, "DELETE")
        assert late == {"not_found"}
        # To repeat a choice is no change.
        assert (await changed(flip, "/played", {"song": 0, "played": True}))[1] == {"ok", "closed"}
        show = next(shows)
        assert set(await crowd(fans, show, flip, lambda: close_by_import(staff, show, tmp_path))) == {"closed"}
        reopening = {"closes_at": in_s(600), "reason": "It rains."}
        late = set(
            await crowd(
                fans, closed, flip, lambda: staff.ask("POST", f"/api/admin/shows/{closed.id}/reopen", reopening)
            )
        )
        assert late == {"ok"}
        late = set(await crowd(fans, closed, flip, lambda: staff.ask("POST", f"/api/admin/shows/{closed.id}/close")))
        assert late == {"closed"}
        await no_vote_is_late(place, removed_song=shortened.songs[0])


async def close_by_import(staff: Staff, show: Show, folder: Path) -> None:
    """An import moves the end of a show's voting to now."""
    connection = await asyncpg.connect(staff.place.database_url)
    row = await connection.fetchrow(
        "select s.slug, a.slug as artist, v.slug as venue, s.local_date from shows s join artists a on a.id = s.artist_id"
        " join venues v on v.id = s.venue_id where s.id = $1",
        show.id,
    )
    await connection.close()
    assert row is not None
    record = {"slug": row["slug"], "artist": row["artist"], "venue": row["venue"], "date": str(row["local_date"])}
    await staff.sync({"shows": [record | {"opens_at": in_s(-86_400), "closes_at": in_s(0.005)}]}, folder)


async def no_vote_is_late(place: Place, removed_song: int) -> None:
    """No vote stands outside its window or after the final result; rows, counts and Valkey agree."""
    connection = await asyncpg.connect(place.database_url)

    async def is_final() -> bool:
        return not await connection.fetchval(
            "select count(*) from shows where closes_at < now() and finalised_at is null"
        )

    await until_async(is_final, "all closed shows are final")
    await until_drained(place.database_url, place.redis_url)
    assert await connection.fetch("select * from integrity_check() where rule in ('window', 'final', 'played')") == []
    assert await connection.fetchval("select count(*) from votes") > 0
    await connection.close()
    found = await differences(place.database_url, place.redis_url)
    # The history of a removed song stays, without its votes.
    assert [one for one in found if not re.match(rf"history: \(\d+, {removed_song}\)", one)] == []
