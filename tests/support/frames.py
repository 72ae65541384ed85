"""Records every frame of some watchers, and compares each with the votes that the log held up to its position.

The log is read from Valkey's append-only file, so it also has the entries that the writer has trimmed. A frame is right
when its counts, together with the frames before it, are those of all entries up to its `at`.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import asyncpg

from server.voting.log import Entry, decode_entry
from tests.support.node_process import NodeProcess, until
from tests.support.open_shows import Show
from tests.support.recording_crowd import SUBPROTOCOL

Tally = dict[int, tuple[int, int]]  # song -> up, down
# A watcher leaves after a random number of messages, so that some subscribe at every moment.
MESSAGES_MAX = 60


@dataclass(frozen=True, slots=True)
class Frame:
    """What a watcher holds of a show's votes after a frame; `origin` says which watcher, node and kind of frame."""

    origin: str
    show: int
    at: int
    total: int
    tally: Tally


class FrameWatcher:
    """Watches all channels of some shows, through a random node each time it comes. Half of the times it comes as a new
    client, else it resumes with its positions.

    frames: of the votes; wrong: positions that repeat or go back on a channel, one line each
    """

    def __init__(self, name: str, nodes: Sequence[NodeProcess], shows: Iterable[Show], rng: Random) -> None:
        self._name = name
        self._nodes = nodes
        self._channels = [
            channel
            for show in shows
            for channel in (
                f"votes:{show.id}", f"setlist:{show.id}", f"status:{show.id}", f"attendance:{show.id}",
                f"followers:{show.artist}", f"song:{show.songs[0]}",
            )
        ]  # fmt: skip
        self._rng = rng
        self._origin = ""
        self._tallies: dict[int, Tally] = {}
        self.at: dict[str, int] = {}
        self.frames: list[Frame] = []
        self.wrong: list[str] = []
        self.push_count = 0
        self.is_watching = False

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Watches until cancelled."""
        while True:
            node = self._rng.choice(self._nodes)
            self._origin = f"{self._name} at {node.folder.name}"
            if self._rng.random() < 0.5:
                self.at = {}
                self._tallies = {}
            try:
                async with http.ws_connect(f"{node.url}/ws", protocols=[SUBPROTOCOL]) as socket:
                    await socket.send_json({"id": 1, "op": "subscribe", "channels": self._channels, "since": self.at})
                    stays = self._rng.randint(1, MESSAGES_MAX)
                    async for message in socket:
                        self._take(json.loads(message.data))
                        stays -= 1
                        if not stays:
                            break
            except (aiohttp.ClientError, OSError):
                # The node is down; it or the other one will answer.
                await asyncio.sleep(0.05)

    def _take(self, message: dict[str, Any]) -> None:
        if "ch" in message:
            self.push_count += 1
            channel, at = message["ch"], message["at"]
            if channel in self.at and at <= self.at[channel]:
                repeats = "repeats" if at == self.at[channel] else f"goes back from {self.at[channel]} to"
                self.wrong.append(f"{self._origin}: a push of {channel} {repeats} {at}")
            self._hold("push", channel, at, message)
        for channel, reply in message.get("ok", {}).get("channels", {}).items():
            if "at" not in reply:
                continue  # it cannot be read now
            self.is_watching = True
            if reply["at"] < self.at.get(channel, 0):
                self.wrong.append(f"{self._origin}: {channel} goes back from {self.at[channel]} to {reply['at']}")
            if "state" in reply and channel.startswith("votes:"):
                self._tallies[_subject(channel)] = {}
            self._hold("state", channel, reply["at"], reply.get("state"))

    def _hold(self, kind: str, channel: str, at: int, state: Mapping[str, Any] | None) -> None:
        self.at[channel] = at
        if channel.startswith("votes:") and state is not None:
            show = _subject(channel)
            tally = {**self._tallies.get(show, {}), **{song: (up, down) for song, up, down in state["tally"]}}
            self._tallies[show] = tally
            self.frames.append(Frame(f"{self._origin}, {kind}", show, at, state["total"], tally))


def _subject(channel: str) -> int:
    return int(channel.partition(":")[2])


@asynccontextmanager
async def watching(
    nodes: Sequence[NodeProcess], shows: Sequence[Show], *, count: int = 8, seed: int = 1
) -> AsyncIterator[list[FrameWatcher]]:
    """Runs some watchers that record; all of them have subscribed when it begins."""
    watchers = [FrameWatcher(f"watcher {number}", nodes, shows, Random(seed * 100 + number)) for number in range(count)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        tasks = [asyncio.create_task(watcher.run(http), name="frame-watcher") for watcher in watchers]
        try:
            await until(lambda: all(watcher.is_watching for watcher in watchers), "the frame watchers watch")
            yield watchers
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


# ── the ledger


def logged(append_only_file: Path, since_bytes: int) -> tuple[list[Entry], int]:
    """The entries that the logs of all shards got, in the order of their positions.

    Takes: since_bytes, where the file ended before the first of these entries
    Gives: the entries, and the place after the last complete command
    """
    entries = []
    end_bytes = since_bytes
    for command, size in _commands(append_only_file.read_bytes()[since_bytes:]):
        end_bytes += size
        if command[0].upper() == b"XADD":
            entries.append(decode_entry(command[2], command[3:]))
    return sorted(entries, key=lambda entry: entry.position), end_bytes


def _commands(resp: bytes) -> Iterator[tuple[list[bytes], int]]:
    """The commands of an append-only file, each with its size; one that is cut off at the end is left out."""
    begin = 0
    while (line_end := resp.find(b"\r\n", begin)) >= 0:
        command = []
        count, place = int(resp[begin + 1 : line_end]), line_end + 2
        for _ in range(count):
            line_end = resp.find(b"\r\n", place)
            if line_end < 0:
                return
            size, place = int(resp[place + 1 : line_end]), line_end + 2
            command.append(resp[place : place + size])
            place += size + 2
        if place > len(resp):
            return
        yield command, place - begin
        begin = place


class Ledger:
    """The counts of one show after each entry of the log that has votes for it."""

    def __init__(self, show: Show, entries: Iterable[Entry] = ()) -> None:
        self._show = show
        self._choices: dict[tuple[int, int], int] = {}
        self._positions = [0]
        self._tallies: list[Tally] = [dict.fromkeys(show.songs, (0, 0))]
        self.add(entries)

    def add(self, entries: Iterable[Entry]) -> None:
        """Counts the next entries."""
        for entry in entries:
            casts = [cast for cast in entry.casts if cast[0] == self._show.id]
            if not casts:
                continue
            tally = dict(self.end)
            for _, user, *votes, _day, _spent in casts:
                for song, choice in zip(votes[::2], votes[1::2], strict=True):
                    _move(tally, song, self._choices.get((user, song), 0), -1)
                    _move(tally, song, choice, 1)
                    self._choices[user, song] = choice
            self._positions.append(entry.position)
            self._tallies.append(tally)

    def at(self, position: int) -> Tally:
        """The counts of all entries up to a position."""
        return self._tallies[max(bisect_left(self._positions, position + 1) - 1, 0)]

    @property
    def end(self) -> Tally:
        """The counts of all entries."""
        return self._tallies[-1]


async def stored(database_url: str, show: Show) -> Tally:
    """The counts of a show in PostgreSQL."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("select id, up_count, down_count from setlist_songs where show_id = $1", show.id)
    finally:
        await connection.close()
    return {row["id"]: (row["up_count"], row["down_count"]) for row in rows}


def wrong_frames(watchers: Iterable[FrameWatcher], ledgers: Mapping[int, Ledger]) -> list[str]:
    """All that is wrong with what some watchers have seen, one line each; an empty list: every frame is a state that was.

    Takes: ledgers, by show
    """
    found = []
    seen: dict[tuple[int, int], Frame] = {}
    for watcher in watchers:
        found += watcher.wrong
        for frame in watcher.frames:
            place = f"{frame.origin}: votes:{frame.show} at {frame.at}"
            counted = sum(up + down for up, down in frame.tally.values())
            if frame.total != counted:
                found.append(f"{place} has total {frame.total}, and its counts make {counted}")
            if differs := _differs(frame.tally, ledgers[frame.show].at(frame.at)):
                found.append(f"{place} has other counts than the log: {differs}")
            other = seen.setdefault((frame.show, frame.at), frame)
            if differs := _differs(frame.tally, other.tally):
                found.append(f"{place} has other counts than {other.origin} had: {differs}")
    return found


def _differs(found: Tally, wanted: Tally) -> str:
    songs = [song for song in found.keys() | wanted.keys() if found.get(song) != wanted.get(song)]
    first = sorted(songs)[:3]
    shown = ", ".join(f"song {song} {found.get(song)}, not {wanted.get(song)}" for song in first)
    return f"{len(songs)} songs; {shown}" if songs else ""


def _move(tally: Tally, song: int, choice: int, by: int) -> None:
    if choice:
        up, down = tally[song]
        tally[song] = (up + by, down) if choice == 1 else (up, down + by)
