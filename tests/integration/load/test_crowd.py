"""Small crowds against a real node: `--verify` passes when every count is right and fails when one is wrong."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
import pytest_asyncio
import redis

from server.cli import live_board
from server.embedded import EmbeddedEngines
from server.errors import SetupError
from server.load.crowd import CrowdOptions, run
from server.protocol.limits import Limits
from server.telemetry import LIMITED
from tests.support.commands import Command, plain_environ, run_command
from tests.support.engines import OpenDatabase
from tests.support.node_process import SECRET, NodeProcess
from tests.support.open_shows import make_shows
from tests.support.running_node import running_node, until

RUN_TIMEOUT_S = 30.0
# A slow machine needs this long to deliver the last pushes; only then is a difference an error.
SETTLE_S = 5.0
FILE_LIMIT = 128  # more than the test itself opens


# One node for all tests, each with a show of its own.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_database_url(new_database: OpenDatabase) -> AsyncIterator[str]:
    """The database of the shared node."""
    async with new_database() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shows(shared_database_url: str) -> Iterator[int]:
    """Open shows, one after the other."""
    return iter([show.id for show in await make_shows(shared_database_url, count=8, songs=12)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(
    shared_database_url: str, shows: Iterator[int], engines: EmbeddedEngines, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The address of the shared node."""
    # The last number: a test that asks for a Valkey of its own gets the first.
    redis_url = f"{engines.redis_url}?db=15"
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    folder = tmp_path_factory.mktemp("node")
    async with NodeProcess.running(folder, DATABASE_URL=shared_database_url, REDIS_URL=redis_url) as node:
        yield node.url


@pytest.fixture
def show(shows: Iterator[int]) -> int:
    """A show of the test's own."""
    return next(shows)


@pytest.fixture
def low_file_limit() -> Iterator[None]:
    """Lets this process open few files, as a shell does; child processes inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILE_LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _crowd(
    url: str, show: int | None, on_step: Callable[[str], Awaitable[None]] | None = None, **changes: Any
) -> dict[str, Any]:
    options: dict[str, Any] = {
        "url": url, "show": show, "voters": 12, "watchers": 6, "rate_per_s": 150.0, "duration_s": 1.0,
        "verify": True, "subscribe": True, "settle_s": SETTLE_S,
    }  # fmt: skip
    return await run(CrowdOptions(**options | changes), stop=asyncio.Event(), on_step=on_step, show_progress=False)


async def test_a_crowd_finds_every_vote_counted_once(url: str, show: int) -> None:
    """Every acknowledged vote is in the ballots, the tallies and the watchers' states; with one process and with two."""
    report = await _crowd(url, show)
    assert report["verify"]["differences"] == []
    assert report["ok"] is True
    assert report["casts"]["committed"] > 0
    assert report["verify"]["ballots"] >= 1
    assert report["verify"]["views"] == 12 + 6
    assert report["pushes"]["backward"] == 0
    report = await _crowd(url, None, processes=2, votes_per_cast=3, in_flight=2)
    assert report["verify"]["differences"] == []
    assert report["settings"]["processes"] == 2
    assert report["votes"] > report["casts"]["committed"]


async def test_a_wrong_count_and_a_lost_vote_are_found(url: str, show: int, shared_database_url: str) -> None:
    """A count that is wrong by one fails the run and names the song; a deleted vote fails it too."""
    corrupted: list[int] = []

    async def corrupt(step: str) -> None:
        # After the first reading of the counts, before most votes: the song's next vote publishes the wrong count.
        if step == "casting":
            corrupted.append(await _corrupt(shared_database_url, show))

    report = await _crowd(url, show, corrupt, settle_s=1.0)
    assert report["ok"] is False
    assert corrupted[0] in {difference["song"] for difference in report["verify"]["differences"]}

    async def lose(step: str) -> None:
        if step == "settled":
            await _execute(
                shared_database_url,
                "delete from votes where (setlist_song_id, user_id) = "
                "(select setlist_song_id, user_id from votes where show_id = $1 order by cast_at desc limit 1)",
                show,
            )

    report = await _crowd(url, show, lose, settle_s=1.0)
    assert report["ok"] is False
    assert report["verify"]["difference_count"] >= 1


async def test_the_command_reports_after_sigterm_and_exits_1_on_a_wrong_count(
    url: str, show: int, shared_database_url: str, tmp_path: Path
) -> None:
    """`mysetlist crowd --verify` prints one JSON object also after SIGTERM, and exits with 1 if a count is wrong."""
    code, report = await _command(url, show, tmp_path / "first")
    assert (code, report["interrupted"], report["verify"]["ok"]) == (0, True, True)
    await _execute(
        shared_database_url,
        "create function miscount() returns trigger language plpgsql as $$ begin "
        "new.up_count := new.up_count + 1; return new; end $$",
    )
    await _execute(
        shared_database_url,
        "create trigger miscounted before update on setlist_songs for each row execute function miscount()",
    )
    try:
        code, report = await _command(url, show, tmp_path / "second")
    finally:
        await _execute(shared_database_url, "drop function miscount cascade")
    assert code == 1
    assert report["verify"]["difference_count"] >= 1


async def test_node_and_crowd_raise_the_limit_on_open_files(
    low_file_limit: None, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A node and both processes of a crowd take more sockets than the shell's limit on open files allows."""
    await make_shows(database_url)
    async with NodeProcess.running(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url) as node:
        _, output, _ = await run_command(
            "crowd", "--url", node.url, "--watchers", str(FILE_LIMIT * 5 // 2), "--voters", "2", "--processes", "2",
            "--duration", "1", "--verify", environ=plain_environ(),
        )  # fmt: skip
    report = orjson.loads(output)
    assert report["ok"] is True
    assert report["pushes"]["views"] == FILE_LIMIT * 5 // 2


async def test_a_board_follows_a_show(url: str, show: int) -> None:
    """Without a terminal `watch` prints a line for each change; a show that does not exist is a SetupError."""
    lines = await _until_a_push(url, show, _crowd(url, show, verify=False, watchers=0))
    assert any("connection: live" in line for line in lines)
    assert any(" up, " in line for line in lines)
    with pytest.raises(SetupError, match="no show 999999999"):
        await _crowd(url, 999_999_999)
    with pytest.raises(SetupError, match="no show nowhere"):
        await live_board.run(url, "nowhere", stop=asyncio.Event())


class _KeptLines:
    """A console that keeps its lines, and sets an event at the first line with counts."""

    is_terminal = False

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.has_counts = asyncio.Event()

    def print(self, line: str, **_: Any) -> None:
        """Keeps a line."""
        self.lines.append(line)
        if " up, " in line:
            self.has_counts.set()


async def _until_a_push(url: str, show: int, votes: Awaitable[Any] | None = None) -> list[str]:
    """Runs the board until a count changes; gives its lines.

    Takes:  votes, casts votes; None: another crowd already votes
    """
    console, stop = _KeptLines(), asyncio.Event()
    watching = asyncio.create_task(live_board.run(url, show, stop=stop, console=console))  # type: ignore[arg-type]  # a stand-in
    if votes is not None:
        await votes
    async with asyncio.timeout(RUN_TIMEOUT_S):
        await console.has_counts.wait()
    stop.set()
    await watching
    return console.lines


async def _command(url: str, show: int, output: Path) -> tuple[int, dict[str, Any]]:
    """Runs the command until its votes are on a board, then ends it with SIGTERM; gives exit code and report."""
    command = await Command.start(
        "crowd", "--url", url, "--show", str(show), "--voters", "10", "--watchers", "3", "--rate", "100",
        "--duration", "0", "--verify", environ=plain_environ(), output=output, errors=Path(os.devnull),
    )  # fmt: skip
    await _until_a_push(url, show)
    command.send_signal(signal.SIGTERM)
    async with asyncio.timeout(RUN_TIMEOUT_S):
        code = await command.wait()
    report: dict[str, Any] = orjson.loads(output.read_bytes())
    return code, report


async def _corrupt(database_url: str, show: int) -> int:
    """Adds one to the count of the first song; gives the song."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "update setlist_songs set up_count = up_count + 1 where id = "
            "(select min(id) from setlist_songs where show_id = $1) returning id",
            show,
        )
    finally:
        await connection.close()
    return int(rows[0]["id"])


async def _execute(database_url: str, statement: str, *arguments: Any) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


async def test_a_signal_ends_a_crowd_that_cannot_connect(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """It was signed in and waits for room on the node: there is nothing to report, and it ends at once."""
    async with running_node(database_url, redis_url, secret=SECRET, limits=Limits(connections_per_address=1)) as node:
        (show,) = await make_shows(database_url)
        before = LIMITED.labels("connections_per_address")._value.get()
        output = tmp_path / "output"
        command = await Command.start(
            "crowd", "--url", node.url, "--show", str(show.id), "--voters", "3",
            environ=plain_environ(), output=output, errors=Path(os.devnull),
        )  # fmt: skip

        async def is_refused() -> bool:
            return bool(LIMITED.labels("connections_per_address")._value.get() > before)

        await until(is_refused)
        command.send_signal(signal.SIGTERM)
        async with asyncio.timeout(RUN_TIMEOUT_S):
            assert await command.wait() == 128 + signal.SIGTERM
    assert b"{" not in output.read_bytes()
