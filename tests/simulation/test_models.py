"""The models of both engines say what the engines say: the same random calls on the scripts, on commit_log(), and on the models."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from server.protocol.positions import from_stream_id, stream_id
from server.store.database import Database
from server.voting import log
from server.voting.compaction import Compacted
from server.voting.queries import voting as queries
from tests.simulation.hot_copy import DAY_MS, HotShard, ScriptError, packed_ballot
from tests.simulation.postgres_model import StoredShow, Tables
from tests.simulation.valkey_model import HotData
from tests.support.examples import scaled
from tests.support.row_factory import RowFactory

CALLS = 40
SHOWS = (4, 6)
SONGS = {4: (41, 42, 43), 6: (61, 62)}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def _script(text: bytes) -> bytes:
    """A script whose clock is a key that the test sets."""
    return text.replace(b"redis.call('TIME')", b"redis.call('LRANGE', 'clock', 0, 1)")


class _Both:
    """A shard in a real Valkey and in the model, and one call after the other on both."""

    def __init__(self, client: Any, random: Random) -> None:
        self.client = client
        self.random = random
        self.model = HotData([HotShard(), HotShard()])
        self.hot = self.model.shards[0]
        self.now_ms = 20_000 * DAY_MS + 5_000
        self.orders = 0
        client.flushdb()

    def call(self) -> None:
        """One random call on both; they must say and hold the same."""
        random = self.random
        self.now_ms += random.choice((0, 0, 1, 5, 50, 5_000, 61_000, -20))
        seconds, ms = divmod(self.now_ms, 1000)
        self.client.delete("clock")
        self.client.rpush("clock", seconds, ms * 1000)
        calls = (self._cast, self._cast, self._cast, self._cast, self._reset, self._hold, self._revise, self._advance,
                 self._tally, self._cool, self._trim)  # fmt: skip
        real, modelled = random.choice(calls)() if self.hot.last else self._reset()
        assert modelled == real
        assert self._modelled() == self._real()

    def _run(self, script: bytes, *arguments: Any, keys: tuple[str, ...] = ("{0}:",)) -> Any:
        try:
            return self.client.eval(_script(script), len(keys), *keys, *arguments)
        except ResponseError as error:
            return str(error)[:20]

    def _model(self, call: Any) -> Any:
        try:
            return call()
        except ScriptError as error:
            return str(error).removeprefix("ERR ")[:20]

    def _position(self) -> int:
        return (self.hot.last or 0) + self.random.choice((0, 0, 0, -1, 1 << 30))

    def _cast(self) -> tuple[Any, Any]:
        random = self.random
        day, show = self.now_ms // DAY_MS, random.choice(SHOWS)
        opens, closes = self.now_ms + random.choice((-1000, 0, 1000)), self.now_ms + random.choice((10, 100_000))
        tally = [number for song in SONGS[show] for number in (song, random.randrange(3), random.randrange(3))]
        shows = [(show, self._position(), opens, closes, int(random.random() < 0.1), random.choice((0, 1, 2)),
                  random.randrange(5), tally, int(random.random() < 0.2), 0, random.choice(("", f" {SONGS[show][0]} ")), self.now_ms + random.choice((-9, 900)),
                  random.randrange(2))]  # fmt: skip
        ballots = [
            (show, user, self._position(), random.choice(("", "7:", f"{SONGS[show][0]}u", f"-3:{SONGS[show][1]}d{SONGS[show][0]}u")),
             day - random.randrange(2), random.randrange(3), random.randrange(2))
            for user in (1, 2)
        ]  # fmt: skip
        casts = [self._one_cast() for _ in range(random.randrange(1, 4))]
        request = (6, shows * random.randrange(2), ballots * random.randrange(2), casts)
        real = self._run(log.CAST_SCRIPT, _encode(request))
        modelled = self._model(lambda: self.model.cast(0, _encode(request), self.now_ms))
        return _decode(real) if isinstance(real, bytes) else real, _decode(modelled) if isinstance(
            modelled, bytes
        ) else modelled

    def _one_cast(self) -> list[int]:
        random = self.random
        if random.random() < 0.1:
            return [0, 4, 1, random.choice(SHOWS), 0, 0, 0, 41]
        if random.random() < 0.1:
            return [0, random.choice((1, 3)), 1, random.choice(SHOWS), 1]
        show = random.choice(SHOWS)
        songs = random.sample((*SONGS[show], 99), random.choice((0, 1, 1, 1, 2)))
        votes = [
            number for song in songs if song != 99 or random.random() < 0.1 for number in (song, random.randrange(3))
        ]
        self.orders += 1
        order = [-max(1, self.orders + random.choice((0, 0, -3))), 0] if votes and random.random() < 0.6 else []
        return [show, random.choice((1, 2)), *votes, *order]

    def _reset(self) -> tuple[Any, Any]:
        last = b"" if self.hot.last is None else b"%d" % self.hot.last
        base, is_new = max(0, self._position()), self.random.random() < 0.5
        expected = self.random.choice((last, b"*", b"1"))
        real = self._run(log.RESET_SCRIPT, base, expected, int(is_new), keys=("{0}:", "spent"))
        modelled = self._model(lambda: self.model.reset(0, base, expected, is_new=is_new))
        return real, list(modelled) if isinstance(modelled, tuple) else modelled

    def _hold(self) -> tuple[Any, Any]:
        request = _encode((self.random.choice("ab"), self.random.choice((1, 60, 10_000)), [self.random.choice(SHOWS)]))
        return self._run(log.HOLD_SCRIPT, request), self._model(lambda: self.model.hold(0, request, self.now_ms))

    def _revise(self) -> tuple[Any, Any]:
        random = self.random
        changes: list[Any] = []
        for show in random.sample(SHOWS, random.choice((1, 2))):
            songs = [song for song in SONGS[show] if random.random() < 0.9]
            opens = 0 if random.random() < 0.1 else self.now_ms - 1
            rule = (
                show,
                opens,
                self.now_ms + 9_000,
                0,
                random.choice((0, 2)),
                random.randrange(1, 30),
                songs,
                0,
                1,
                songs[:1],
                self.now_ms + 5,
            )
            changes.append(random.choice((rule, rule, (show,))))
        request = _encode((random.choice(("", "a", "b")), changes))
        return self._run(log.REVISE_SCRIPT, request), self._model(lambda: self.model.revise(0, request, self.now_ms))

    def _advance(self) -> tuple[Any, Any]:
        at = self._position()
        return self._run(log.ADVANCE_SCRIPT, at), self._model(lambda: self.model.advance(0, at))

    def _tally(self) -> tuple[Any, Any]:
        show = self.random.choice(SHOWS)
        real, modelled = self._run(log.TALLY_SCRIPT, show, ""), self.model.tally(0, show)
        if real is None or modelled is None:
            return real, modelled
        return [*real[:3], sorted(zip(real[3][::2], real[3][1::2], strict=True))], [
            *modelled[:3], sorted(zip(modelled[3][::2], modelled[3][1::2], strict=True))
        ]  # fmt: skip

    def _cool(self) -> tuple[Any, Any]:
        committed, idle_ms, over_ms = self._position(), self.random.choice((0, 30_000)), self.random.choice((0, 10_000))
        real = self._run(log.COOL_SCRIPT, committed, idle_ms, over_ms, keys=("{0}:", "spent"))
        gone = [user for user, (_, day, _) in self.model.spent.items() if day < self.now_ms // DAY_MS - 1]
        modelled = self._model(lambda: self.model.cool(0, committed, idle_ms, over_ms, self.now_ms))
        for user in gone:  # the model leaves them, because a run is shorter than a day
            del self.model.spent[user]
        return real, modelled

    def _trim(self) -> tuple[Any, Any]:
        least = self._position()
        self.client.execute_command("XTRIM", "{0}:log", "MINID", stream_id(least))
        self.hot.log = [entry for entry in self.hot.log if entry[0] >= least]
        return None, None

    def _real(self) -> dict[str, Any]:
        client = self.client
        meta = client.hgetall("{0}:meta")
        shows = {}
        for show in client.smembers("{0}:shows"):
            name = show.decode()
            rules = {field.decode(): value.decode() for field, value in client.hgetall(f"{{0}}:show:{name}").items()}
            shows[int(show)] = (
                {field: rules.get(field, "") for field in "oclbrtapknu"},
                {
                    int(song): tuple(map(int, counts.split()))
                    for song, counts in client.hgetall(f"{{0}}:tally:{name}").items()
                },
                {int(user): ballot.decode() for user, ballot in client.hgetall(f"{{0}}:ballots:{name}").items()},
                set(map(int, client.smembers(f"{{0}}:tickets:{name}"))),
            )
        spent = client.hgetall("spent")
        return {
            "last": int(meta[b"last"]) if b"last" in meta else None,
            "barrier": int(meta.get(b"barrier", 0)),
            "log": [
                (from_stream_id(entry), int(fields[b"p"]), _decode(fields[b"e"])) for entry, fields in client.xrange("{0}:log")
            ],
            "shows": shows,
            "revisions": {int(show): int(revision) for show, revision in client.hgetall("{0}:revisions").items()},
            "holds": {int(show): holds.decode().split() for show, holds in client.hgetall("{0}:holds").items()},
            "spent": {
                int(user): tuple(map(int, packed.split())) for user, packed in spent.items() if user.isdigit()
            },
            "generation": int(spent.get(b"generation", 0)),
        }  # fmt: skip

    def _modelled(self) -> dict[str, Any]:
        hot = self.hot
        shows = {}
        for show_id, show in hot.shows.items():
            played = f" {' '.join(map(str, show.played))} " if show.played else ""
            rules = (show.opens_ms, show.closes_ms, int(show.is_locked), show.budget, show.revision, int(show.requires_ticket),
                     show.audience, played, show.picks_close_ms, int(show.is_new), show.used_ms)  # fmt: skip
            shows[show_id] = (
                dict(zip("oclbrtapknu", map(str, rules), strict=True)),
                {song: tuple(counts) for song, counts in show.tally.items()},
                {
                    user: "-" * is_aside + (f"{order}:" if order else "") + packed_ballot(ballot)
                    for user, (is_aside, order, ballot) in show.ballots.items()
                },
                show.tickets,
            )
        return {
            "last": hot.last, "barrier": hot.barrier, "log": hot.log, "shows": shows, "revisions": hot.revisions,
            "holds": {show: [str(part) for hold in holds for part in hold] for show, holds in hot.holds.items()},
            "spent": self.model.spent, "generation": self.model.generation,
        }  # fmt: skip


def test_the_model_of_valkey_is_the_scripts(redis_url: str) -> None:
    """The model of Valkey answers and holds what the scripts do."""
    client = redis.Redis.from_url(redis_url)

    @settings(max_examples=scaled(25), suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 1 << 32))
    def play(seed: int) -> None:
        both = _Both(client, Random(seed))
        for _ in range(CALLS):
            both.call()

    play()
    client.close()


def _random_commit(random: Random, tables: Tables, users: list[int], now_ms: int) -> dict[str, Any]:
    """The parameters of a commit_log() of a random fold, whose positions may be wrong."""
    shards = sorted(random.sample((4, 5), random.choice((1, 2))))
    show_ids = [show for show in tables.shows if tables.shard_of(show) in shards]
    old = [tables.positions[shard][0] - (random.random() < 0.05) for shard in shards]
    new = [tables.positions[shard][0] + random.randrange(1, 9) for shard in shards]
    keys = sorted({
        (song, random.choice(users), show)
        for show in show_ids for song in random.sample(tables.shows[show].songs, random.randrange(3))
    })  # fmt: skip
    orders = sorted({(user, show) for _, user, show in keys})
    return {
        "shards": shards, "old_positions": old, "new_positions": new,
        "entries": [",".join(map(str, range(was + 1, now + 1))) for was, now in zip(old, new, strict=True)],
        "song_ids": [song for song, _, _ in keys], "user_ids": [user for _, user, _ in keys],
        "show_ids": [show for _, _, show in keys], "choices": [random.choice(("up", "down", None)) for _ in keys],
        "cast_ms": [now_ms + random.randrange(-4_000_000, 4_000_000) for _ in keys],
        "spent_user_ids": sorted(users), "spent_days": [20_000] * len(users), "spent": [random.randrange(9) for _ in users],
        "order_user_ids": [user for user, _ in orders], "order_show_ids": [show for _, show in orders],
        "cast_orders": [random.randrange(1, 99) for _ in orders],
    }  # fmt: skip


async def test_the_model_of_postgresql_is_commit_log(database_url: str) -> None:
    """The model of PostgreSQL answers, holds and tells what commit_log() and the queries of the vote path do."""
    random = Random(1)
    async with RowFactory.open(database_url) as factory:
        sql = factory.sql
        users = await factory.users(3)
        for show_id in (4, 5, 20):
            await factory.show(show_id)
        rows = await queries_of(sql, "fetch_warm_up_shows", show_ids=[4, 5, 20])
        tables = Tables(
            {row["shard"]: (row["position"], row["reset_position"]) for row in await queries_of(sql, "fetch_positions")},
            {
                row["id"]: StoredShow(row["id"], tuple(row["song_ids"]), row["opens_ms"], row["closes_ms"], revision=row["revision"], picks_close_ms=row["picks_close_ms"])
                for row in rows
            },
            frozenset(users),
        )  # fmt: skip
        heard: list[tuple[str, str]] = []
        for channel in ("votes", "refusals", "commits"):
            await sql.add_listener(channel, lambda _c, _p, name, payload: heard.append((name, payload)))
        now_ms = int(await sql.fetchval("select (extract(epoch from now()) * 1000)::bigint"))
        database = await Database.open(database_url, pool_size=1)
        for _ in range(scaled(40)):
            parameters = _random_commit(random, tables, users, now_ms)
            async with database.connection() as connection:
                no_marks = Compacted().mark_parameters()
                real = dict(await queries.commit_log(connection, **parameters, **no_marks, group_ids=[]))
            row, notices = tables.commit_log(parameters, 0)
            await sql.execute("select 1")  # notifications come before its answer
            assert _told(real) == _told(row)
            assert list(map(_plain, heard)) == list(map(_plain, notices))
            heard.clear()
            pairs = [(show, user) for show in (4, 5, 20) for user in users]
            questions: dict[str, dict[str, Any]] = {
                "fetch_positions": {},
                "fetch_warm_up_shows": {"show_ids": [4, 5, 20]},
                "fetch_tally": {"show_id": 4},
                "fetch_warm_up_ballots": {"show_ids": [s for s, _ in pairs], "user_ids": [u for _, u in pairs]},
                "fetch_show_positions": {"show_ids": [4, 5, 20]},
                "fetch_revised_shows": {"show_ids": [4, 5, 20]},
                "shards_to_reset": {"held": [4, 5]},
                "fetch_commits": {"shards": [4, 5], "positions": [0, tables.positions[5][0]]},
            }
            for name, asked in questions.items():
                shard_count = {"shard_count": 16} if name in ("fetch_tally", "fetch_show_positions") else {}
                found = await queries_of(sql, name, **asked, **shard_count)
                assert _sorted(found) == _sorted(getattr(tables, name)(**asked)), name
        await database.close()


async def queries_of(connection: Any, name: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows of a named query."""
    return [dict(row) async for row in getattr(queries, name)(connection, **parameters)]


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    for row in rows:
        if "refused" in row:
            row["refused"] = sorted(vote for votes in json.loads(row["refused"] or b"[]") for vote in votes)
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def _told(row: dict[str, Any]) -> tuple[int, list[Any]]:
    return row["changed_count"], sorted(json.loads(row["refused"] or b"[]"))


def _plain(notice: tuple[str, str]) -> tuple[str, Any]:
    channel, payload = notice
    decoded = json.loads(payload)
    return channel, sorted(decoded) if isinstance(decoded, list) else decoded | {"ms": 0}
