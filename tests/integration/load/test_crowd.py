"""A small crowd against a real node: `--verify` passes when all is well and fails when one count is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from server.cli import live_board
from server.client.http import Web
from server.errors import SetupError
from server.load.crowd import CrowdOptions, run

READY = b"listening on "
START_S = 40.0
# Long enough for a slow machine to bring the last pushes; a difference is only believed after it.
PATIENCE_S = 5.0


async def _lines(stream: asyncio.StreamReader) -> None:
    """Reads on, so that the node never waits for us to read."""
    while await stream.readline():
        pass


@asynccontextmanager
async def running_node(database_url: str, redis_url: str, folder: Path) -> AsyncIterator[str]:
    """A node with sample data on the test's own database; gives its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "server", "serve", "--port", "0", "--data-dir", str(folder), "--demo",
        env={**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    reading: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(START_S):
            line = b""
            while READY not in line:
                line = await process.stdout.readline()
                assert line, "the node ended before it was ready"
        reading = asyncio.create_task(_lines(process.stdout))
        yield line.partition(READY)[2].split()[0].decode()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        if reading is not None:
            await reading


@pytest.fixture
async def url(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[str]:
    async with running_node(database_url, redis_url, tmp_path) as address:
        yield address


async def _open_show(url: str) -> int:
    web = Web(url)
    try:
        return (await web.open_shows())[0]
    finally:
        await web.close()


async def _crowd(
    url: str, show: int | None, on_step: Callable[[str], Awaitable[None]] | None = None, **changes: Any
) -> dict[str, Any]:
    options: dict[str, Any] = {
        "url": url, "show": show, "voters": 12, "watchers": 6, "rate_per_s": 150.0, "duration_s": 1.0,
        "verify": True, "subscribe": True, "settle_s": PATIENCE_S,
    }  # fmt: skip
    return await run(CrowdOptions(**options | changes), stop=asyncio.Event(), on_step=on_step, show_progress=False)


async def test_a_crowd_finds_every_vote_counted_once(url: str) -> None:
    """Everything acknowledged is in ballots, tallies and on every watcher's board; in one process and in two."""
    report = await _crowd(url, await _open_show(url))
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


async def test_a_wrong_count_and_a_lost_vote_are_found(url: str, database_url: str) -> None:
    """A count moved by one makes the run fail and names the song; so does a row of votes that went missing."""
    show = await _open_show(url)
    corrupted: list[int] = []

    async def corrupt(step: str) -> None:
        # After the first count was taken, before most votes: the wrong count is published with the song's next vote.
        if step == "casting":
            corrupted.append(await _corrupt(database_url, show))

    report = await _crowd(url, show, corrupt, settle_s=1.0)
    assert report["ok"] is False
    assert corrupted[0] in {difference["song"] for difference in report["verify"]["differences"]}

    async def lose(step: str) -> None:
        if step == "settled":
            await _execute(
                database_url,
                "delete from votes where (setlist_song_id, user_id) = "
                "(select setlist_song_id, user_id from votes where show_id = $1 order by cast_at desc limit 1)",
                show,
            )

    report = await _crowd(url, show, lose, settle_s=1.0)
    assert report["ok"] is False
    assert report["verify"]["difference_count"] >= 1


async def test_the_command_ends_when_told_and_exits_1_on_a_wrong_count(url: str, database_url: str) -> None:
    """`mysetlist crowd --verify` prints one JSON object after SIGTERM too; its exit code says whether all was well."""
    show = await _open_show(url)
    code, report = await _command(url, show)
    assert (code, report["interrupted"], report["verify"]["ok"]) == (0, True, True)
    await _execute(
        database_url,
        "create function miscount() returns trigger language plpgsql as $$ begin "
        "new.up_count := new.up_count + 1; return new; end $$",
    )
    await _execute(
        database_url,
        "create trigger miscounted before update on setlist_songs for each row execute function miscount()",
    )
    code, report = await _command(url, show)
    assert code == 1
    assert report["verify"]["difference_count"] >= 1


async def test_a_board_follows_a_show(url: str) -> None:
    """`watch` prints a line for each change where there is no terminal; a show that does not exist is one line."""
    show = await _open_show(url)
    lines = await _until_a_push(url, show, _crowd(url, show, verify=False, watchers=0))
    assert any("connection: live" in line for line in lines)
    assert any(" up, " in line for line in lines)
    with pytest.raises(SetupError, match="no show 999999999"):
        await _crowd(url, 999_999_999)
    with pytest.raises(SetupError, match="no show nowhere"):
        await live_board.run(url, "nowhere", stop=asyncio.Event())


class _Lines:
    """A console that only remembers, and says when a line fits."""

    is_terminal = False

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.has_counts = asyncio.Event()

    def print(self, line: str, **_: Any) -> None:
        """One line."""
        self.lines.append(line)
        if " up, " in line:
            self.has_counts.set()


async def _until_a_push(url: str, show: int, votes: Awaitable[Any] | None = None) -> list[str]:
    """Watches until a count moves; `votes`, what is to move it, when nobody does yet."""
    console, stop = _Lines(), asyncio.Event()
    watching = asyncio.create_task(live_board.run(url, show, stop=stop, console=console))  # type: ignore[arg-type]  # a stand-in
    if votes is not None:
        await votes
    async with asyncio.timeout(START_S):
        await console.has_counts.wait()
    stop.set()
    await watching
    return console.lines


async def _command(url: str, show: int) -> tuple[int, dict[str, Any]]:
    """Runs the command until its votes are seen, then ends it with SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "server", "crowd", "--url", url, "--show", str(show), "--voters", "10",
        "--watchers", "3", "--rate", "100", "--duration", "0", "--verify",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await _until_a_push(url, show)
    process.send_signal(signal.SIGTERM)
    output, _ = await process.communicate()
    report: dict[str, Any] = orjson.loads(output)
    assert process.returncode is not None
    return process.returncode, report


async def _corrupt(database_url: str, show: int) -> int:
    """Moves the count of the first song by one; gives the song."""
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
