"""Bugs, planted one at a time, which the simulation has to find: replacements in the text of a module, in memory only.

Modules of tests.simulation stand for the scripts and the SQL that they model.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Bug:
    """A replacement. found_after: seeds from 0 on until it was found, when it was planted for this table."""

    module: str
    old: str
    new: str
    found_after: int

    def planted(self) -> str:
        """The text of the module with the bug in it."""
        source = (_ROOT / f"{self.module.replace('.', '/')}.py").read_text()
        assert source.count(self.old) == 1, f"this text is {source.count(self.old)} times in {self.module}: {self.old}"
        return source.replace(self.old, self.new)


_LOCKED = (
    "    async with database.transaction() as connection:\n"
    "        committed: int = await queries.lock_position(connection, shard=shard)\n"
    '        ((last, opened_on),) = await ask([("HMGET", meta_key(shard), "last", "server")])\n'
)

_BEGUN = (
    "async for row in queries.lock_positions(connection, shards=shards)}\n"
    "        behind = await _shards_behind(ask, positions)\n"
    "        new = [shard for shard in behind if positions[shard] == 0]\n"
    "        if new:\n"
    '            begun = {row["shard"]: row["position"] async for row in queries.begin_logs(connection, shards=new)}\n'
    '            answers = await ask([_reset(shard, at, b"", 0,'
)

BUGS = {
    "a connection that was reset ends a loop": Bug(
        "server.cache.connection", "    except RuntimeError as error:\n", "    except ZeroDivisionError as error:\n", 38
    ),
    "acknowledged before the commit": Bug(
        "server.voting.intake",
        "            self.pending_acks.add(PendingEntry(shard, position, self._clock.monotonic_s(), acks))\n",
        "            self.pending_acks.add(PendingEntry(shard, position, self._clock.monotonic_s(), acks))\n"
        "            self.pending_acks.committed(shard, [position])\n",
        0,
    ),
    "acknowledged by a later position (notification)": Bug(
        "server.voting.pending_acks",
        "        for position in positions:\n",
        "        for position in [*positions, *[p for s, p in self._entries if s == shard and p < max(positions, default=0)]]:\n",
        115,
    ),
    "acknowledged by a later position (settlement)": Bug(
        "server.voting.pending_acks",
        "[entry.position for entry in due if entry.position in committed_entries]",
        "[entry.position for entry in due]",
        29,
    ),
    "no fence": Bug(
        "tests.simulation.postgres_model",
        "if any(self.positions[shard][0] != old for",
        "if any(self.positions[shard][0] != old and False for",
        7,
    ),
    "a reset does not fence off writers": Bug(
        "server.voting.log",
        "raised: int = await queries.raise_position(connection, shard=shard, at_least=0)",
        "raised = committed",
        140,
    ),
    "shards are not opened on a new connection": Bug(
        "server.voting.intake", "        await open_shards(self._database, line)\n", "", 408
    ),
    "held casts are forgotten": Bug("server.voting.held", "                self._resume(held.casts)\n", "", 14),
    "trimmed before the commit": Bug(
        "server.voting.writer",
        "                self._positions[batch.shard] = batch.new_position\n",
        "                self._positions[batch.shard] = batch.new_position\n"
        "                self._trims.append(trim_command(batch.shard, batch.new_position))\n",
        0,
    ),
    "the first choice wins": Bug(
        "server.voting.compaction",
        "votes[cast[i], user] = (show, CHOICES[cast[i + 1]], cast_ms)",
        "votes.setdefault((cast[i], user), (show, CHOICES[cast[i + 1]], cast_ms))",
        8,
    ),
    "every show is new": Bug("server.voting.warm_up", 'int(row["is_new"])', "1", 0),
    "orders are not kept": Bug(
        "server.voting.compaction",
        "compacted.orders[order_key] = max(-cast[end], compacted.orders.get(order_key, 0))",
        "pass",
        149,
    ),
    "lost entries are never settled": Bug(
        "server.voting.settlement",
        "            if end is not None and",
        "            if False and end is not None and",
        238,
    ),
    "refused votes are confirmed": Bug(
        "server.voting.pending_acks",
        '            self._refused[show_id, user_id, cast_ms, reason == "pick"] = None\n',
        "            pass\n",
        30,
    ),
    "refusals are not settled": Bug(
        "server.voting.settlement", "                self._pending_acks.refused(votes)\n", "                pass\n", 796
    ),
    "a raised position is not committed first": Bug(
        "server.voting.log",
        "    loss = await _fence(database, ask, shard, awaited)\n" + _LOCKED,
        "    loss = ''\n" + _LOCKED + "        if _is_behind(last, committed) or int(last) == committed < awaited:\n"
        "            committed = await queries.raise_position(connection, shard=shard, at_least=0)\n",
        0,
    ),
    "a reset without a barrier": Bug(
        "tests.simulation.valkey_model",
        "        hot.last = hot.barrier = newest\n",
        "        hot.last = newest\n",
        2022,
    ),
    "rows of a warm-up are older than their position": Bug(
        "server.voting.warm_up",
        '        positions = {row["shard"]: row["position"] for row in position_rows}\n',
        "        async with self._database.connection() as connection:\n"
        '            positions = {row["shard"]: row["position"] async for row in queries.fetch_positions(connection)}\n',
        783,
    ),
    "a new connection does not read the rules": Bug(
        "server.voting.intake",
        "        await revise_warm(self._database, line.ask_first_shards, line.held(range(self._shard_count)), self._shard_count)\n",
        "",
        19,
    ),
    "a change of rules holds nothing": Bug(
        "tests.simulation.valkey_model",
        "            hot.holds.setdefault(show_id, []).append((token, now_ms + hold_ms))\n",
        "            pass\n",
        157,
    ),
    "a join between a change and its push": Bug(
        "server.live.hub", "            channel.joined[subscriber] = channel.state.at\n", "            pass\n", 5
    ),
    "a position is read without its lock": Bug(
        "server.voting.log",
        _BEGUN,
        _BEGUN.replace(
            "lock_positions(connection, shards=shards)", "fetch_positions(connection) if row['shard'] in shards"
        ).replace('b""', 'b"*"'),
        27,
    ),
    "a missed change is not noticed": Bug(
        "server.live.states", "        if after > self.at:\n", "        if after > self.at and False:\n", 1
    ),
    "older counts are taken": Bug(
        "server.live.states",
        "        if newer.at <= self.at:\n            if newer.at",
        "        if newer.at < 0:\n            if newer.at",
        24,
    ),
    "positions are not compared": Bug(
        "server.live.listener",
        '            if row["position"] > watched.get(row["id"], row["position"]):\n',
        '            if row["position"] < 0:\n',
        31,
    ),
    "a fork is not seen": Bug(
        "server.voting.compaction", "            if entry.previous != previous:\n", "            if False:\n", 1831
    ),
    "a loss that later casts hide resets nothing": Bug(
        "server.voting.settlement",
        '            if lost and lost[-1].position > row["reset_position"]:\n',
        "            if False:\n",
        3681,
    ),
    "a lost answer of a commit is taken for a commit": Bug(
        "server.voting.writer",
        "        changed_count, refused = await self._write(batches, compacted)\n        if changed_count < 0 and before",
        "        try:\n"
        "            changed_count, refused = await self._write(batches, compacted)\n"
        "        except StoreError:\n"
        "            changed_count, refused = 0, []\n"
        "        if changed_count < 0 and before",
        47,
    ),
}


def plant(name: str) -> None:
    """Loads a module with a bug in it, before anything else has loaded it."""
    bug = BUGS[name]
    assert bug.module not in sys.modules, f"{bug.module} is loaded already"
    spec = importlib.util.find_spec(bug.module)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[bug.module] = module
    exec(compile(bug.planted(), str(spec.origin), "exec"), module.__dict__)
    package, _, last = bug.module.rpartition(".")
    setattr(sys.modules[package], last, module)
