"""Operations on the database when their node or PostgreSQL is killed, and when two nodes are asked at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests.faults.conftest import Place
from tests.support.api_client import ApiClient
from tests.support.node_process import SECRET, NodeProcess, until_async

pytestmark = [pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="module")]

PATH = "/api/database/operations"
VACUUM = {"operation": "vacuum", "table": "songs"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(shared_place: Place) -> list[NodeProcess]:
    """Two nodes for all tests; a test starts the one again that it kills."""
    return [await shared_place.start_node(), await shared_place.start_node()]


async def _admin(place: Place) -> int:
    connection = await asyncpg.connect(place.database_url)
    try:
        user_id: int = await connection.fetchval("insert into users (role) values ('admin') returning id")
    finally:
        await connection.close()
    return user_id


@asynccontextmanager
async def _admin_clients(place: Place, *nodes: NodeProcess) -> AsyncIterator[list[ApiClient]]:
    user_id = await _admin(place)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(ApiClient.open(node.url, user_id=user_id, secret=SECRET)) for node in nodes
        ]


@asynccontextmanager
async def _locked_songs(place: Place) -> AsyncIterator[None]:
    """Holds a lock that a vacuum of songs waits for, so that the vacuum runs until the block ends."""
    connection = await asyncpg.connect(place.database_url)
    try:
        async with connection.transaction():
            await connection.execute("lock table songs in share row exclusive mode")
            yield
    finally:
        await connection.close()


async def _status(api: ApiClient, operation: dict[str, Any]) -> str:
    code, document = await api.get(f"{PATH}/{operation['id']}")
    # No answer is possible while PostgreSQL starts again.
    return str(document["status"]) if code == 200 else "unknown"


async def _counts(place: Place) -> tuple[int, int]:
    """How many operations there are, and how many the audit log names."""
    connection = await asyncpg.connect(place.database_url)
    try:
        return (
            await connection.fetchval("select count(*) from database_operations"),
            await connection.fetchval("select count(*) from audit_log where action like 'database.%'"),
        )
    finally:
        await connection.close()


async def test_the_node_is_killed_in_the_middle(shared_place: Place, nodes: list[NodeProcess]) -> None:
    """Another node marks its operation as interrupted, and the next one may start there."""
    doomed, other = nodes
    async with _admin_clients(shared_place, doomed, other) as (first, second):
        async with _locked_songs(shared_place):
            code, operation = await first.post(PATH, VACUUM)
            assert code == 202
            assert await _status(second, operation) == "running"
            await doomed.kill()

            async def is_found() -> bool:
                return await _status(second, operation) == "interrupted"

            await until_async(is_found, "the dead node's operation is found")
            code, document = await second.get(f"{PATH}/{operation['id']}")
            assert document["error"] == "The node that ran it died. Start the operation again."
            assert document["finished_at"] is not None
        code, operation = await second.post(PATH, VACUUM)
        assert code == 202
        assert (await second.ended(operation))["status"] == "succeeded"
    await doomed.start()


async def test_the_next_operation_needs_no_look_at_the_list(shared_place: Place, nodes: list[NodeProcess]) -> None:
    """A POST alone finds that the node of the last operation is dead."""
    doomed, other = nodes
    async with _admin_clients(shared_place, doomed, other) as (first, second):
        async with _locked_songs(shared_place):
            assert (await first.post(PATH, VACUUM))[0] == 202
            await doomed.kill()

        started: dict[str, Any] = {}

        async def may_go() -> bool:
            code, document = await second.post(PATH, {"operation": "cleanup"})
            started.update(document)
            return code == 202

        await until_async(may_go, "the next operation may go")
        _, document = await second.get(PATH)
        assert [each["operation"] for each in document["operations"][:2]] == ["cleanup", "vacuum"]
        # The vacuum may have ended before the server noticed the kill.
        assert document["operations"][1]["status"] == "interrupted"
        await second.ended(started)
    await doomed.start()


async def test_two_nodes_are_asked_at_once(shared_place: Place, nodes: list[NodeProcess]) -> None:
    """Exactly one starts it, the other answers with conflict; five times over."""
    operations, audited = await _counts(shared_place)
    async with _admin_clients(shared_place, *nodes) as desks:
        for _ in range(5):
            async with _locked_songs(shared_place):
                answers = await asyncio.gather(*(api.post(PATH, VACUUM) for api in desks))
                assert sorted(code for code, _ in answers) == [202, 409]
                (refused,) = [document for code, document in answers if code == 409]
                assert refused["code"] == "conflict"
            (operation,) = [document for code, document in answers if code == 202]
            assert (await desks[0].ended(operation))["status"] == "succeeded"
    assert await _counts(shared_place) == (operations + 5, audited + 5)


async def test_postgres_is_killed_in_the_middle(shared_place: Place, nodes: list[NodeProcess]) -> None:
    """The node goes on; when PostgreSQL is back the operation has not succeeded, and the next one may start."""
    async with _admin_clients(shared_place, nodes[0]) as (api,):
        locked = _locked_songs(shared_place)
        await locked.__aenter__()
        code, operation = await api.post(PATH, VACUUM)
        assert code == 202
        shared_place.engines.kill("postgres")
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await locked.__aexit__(None, None, None)
        shared_place.engines.revive("postgres")

        async def is_over() -> bool:
            return await _status(api, operation) in ("failed", "interrupted")

        await until_async(is_over, "the operation is over")

        async def may_go() -> bool:
            code, document = await api.post(PATH, VACUUM)
            return code == 202 and (await api.ended(document))["status"] == "succeeded"

        await until_async(may_go, "the next operation goes through")
