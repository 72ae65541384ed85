"""Random follows, attendance, reviews, reports and decisions: every stored count equals the number of rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import strategies as st

from server.clock import SystemClock
from server.errors import Refused
from server.moderation.decisions import DecisionRoutes
from server.moderation.queue import QueueRoutes
from server.moderation.reports import ReportRoutes
from server.people.accounts import AccountRoutes
from server.people.follows import FollowRoutes
from server.people.marks import Marks
from server.people.reviews import ReviewRoutes
from server.protocol.http.endpoints import Call, Endpoint
from server.protocol.http.parameters import parse_body, parse_query
from server.protocol.identity import Identity
from server.protocol.outcomes import Marked, Waiter
from server.store.database import REQUEST_ROLE, Database
from tests.support.engines import OpenDatabase
from tests.support.examples import play_examples
from tests.support.row_factory import RowFactory

FANS = 3
TEXTS = ["", "Fine.", "Good sound.", "cheap tickets at www.example.org", "what a shit place"]

FAN = st.integers(0, FANS - 1)
STEP = st.one_of(
    st.tuples(st.sampled_from(["PUT", "DELETE"]), st.just("/api/artists/{artist}/follow"), FAN, st.integers(1, 2)),
    st.tuples(st.sampled_from(["PUT", "DELETE"]), st.just("/api/shows/{show}/attendance"), FAN, st.integers(1, 2)),
    st.tuples(st.just("POST"), st.just("/api/venues/{venue}/reviews"), FAN, st.integers(1, 2),
              st.integers(1, 5), st.sampled_from(TEXTS)),
    st.tuples(st.just("POST"), st.just("/api/venues/{venue}/reviews"), FAN, st.integers(1, 2),
              st.integers(1, 5), st.sampled_from(TEXTS)),
    st.tuples(st.just("DELETE"), st.just("/api/venues/{venue}/reviews"), FAN, st.integers(1, 2)),
    st.tuples(st.just("report"), FAN, st.integers(0, 2)),
    st.tuples(st.just("report"), FAN, st.integers(0, 2)),
    st.tuples(st.just("decide"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("decide"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("erase"), FAN),
)  # fmt: skip


@dataclass
class World:
    """Two artists, shows and venues; fans, one of whom may be erased and come back as a new user; a moderator."""

    factory: RowFactory
    endpoints: dict[tuple[str, str], Endpoint]
    moderator: Identity
    fans: list[Identity]
    outcomes: set[str]

    async def ask(self, method: str, path: str, who: Identity, body: bytes = b"", **names: object) -> Any:
        """Calls an endpoint without HTTP; None: it was refused, as some calls must be."""
        endpoint = self.endpoints[method, path]
        call = Call(
            path={name: str(value) for name, value in names.items()},
            query=None if endpoint.query is None else parse_query([("limit", "100")], endpoint.query),
            body=None if endpoint.body is None else parse_body(body, endpoint.body),
            identity=who,
        )
        try:
            answer = (await endpoint.handler(call)).document
        except Refused as refusal:
            self.outcomes.add(refusal.code)
            return None
        self.outcomes.add(f"{method} {path}")
        return answer

    async def play(self, steps: list[Any]) -> None:
        """Plays one example, and compares the counts with the rows after each step."""
        self.fans = [Identity(user_id, "user") for user_id in await self.factory.users(FANS)]
        for step in steps:
            await self._do(step)
            assert await self.factory.sql.fetch("select * from miscounts()") == [], step
            await self._compare_queue()

    async def _do(self, step: Any) -> None:
        match step:
            case ("decide", number, is_kind):
                await self._decide(number, is_kind=is_kind)
            case ("erase", fan):
                await self.factory.sql.fetch("select erase_user($1)", self.fans[fan].user_id)
                (user_id,) = await self.factory.users(1)
                self.fans[fan] = Identity(user_id, "user")
            case ("report", fan, number):
                rows = await self.factory.sql.fetch("select id from venue_reviews order by id desc limit 6")
                review = rows[number % len(rows)]["id"] if rows else 10**9
                body = b'{"review":%d,"reason":"x"}' % review
                await self.ask("POST", "/api/reports", self.fans[fan], body)
            case ("POST", path, fan, venue, rating, text):
                body = b'{"rating":%d,"body":"%b"}' % (rating, text.encode())
                await self.ask("POST", path, self.fans[fan], body, venue=venue)
            case (method, path, fan, number):
                name = path[path.index("{") + 1 : path.index("}")]
                await self.ask(method, path, self.fans[fan], **{name: number})

    async def _decide(self, number: int, *, is_kind: bool) -> None:
        items = (await self.ask("GET", "/api/admin/moderation", self.moderator)).items
        if not items:
            return
        item = items[number % len(items)]
        if item.kind == "held":
            path, name, words = "/api/admin/moderation/{held}", "held", (b"approve", b"reject")
        else:
            path, name, words = "/api/admin/reports/{report}", "report", (b"dismiss", b"uphold")
        body = b'{"decision":"%b"}' % words[not is_kind]
        assert await self.ask("POST", path, self.moderator, body, **{name: item.id}) is not None

    async def _compare_queue(self) -> None:
        """Each text that is held back is in the queue once, and no other text is."""
        rows = await self.factory.sql.fetch(
            "select r.id as review, r.status::text, count(m.id) as waiting from venue_reviews r"
            " left join content_moderation m on m.review_id = r.id and m.status = 'pending' group by r.id"
        )
        assert all(row["waiting"] == (row["status"] == "pending") for row in rows)


class Scribe:
    """Writes each mark at once, as the writer's transaction would."""

    def __init__(self, sql: Any) -> None:
        self.sql = sql
        self.tasks: set[asyncio.Task[None]] = set()

    def submit(self, marked: Marked, subject_id: int, user_id: int, waiter: Waiter, /, *, wanted: bool) -> None:
        """Marks.Submit."""
        self.tasks.add(asyncio.create_task(self._write((user_id,), (subject_id,), (wanted,), marked, waiter)))

    async def _write(
        self, users: tuple[int], subjects: tuple[int], wanted: tuple[bool], marked: Marked, waiter: Waiter
    ) -> None:
        nothing: tuple[list[int], ...] = ([], [], [])
        said = (users, subjects, wanted)
        columns = (*said, *nothing) if marked == "show" else (*nothing, *said)
        await self.sql.execute("select commit_marks('{}', '{}', $1, $2, $3, $4, $5, $6)", *columns)
        waiter.answered(1, "committed", "", None)


@asynccontextmanager
async def open_world(new_database: OpenDatabase) -> AsyncIterator[World]:
    """The rooms' endpoints on a database, in the role of requests."""
    async with new_database() as database_url, RowFactory.open(database_url) as factory:
        requests = await Database.open(database_url, role=REQUEST_ROLE)
        await factory.sql.execute(
            "insert into artists (slug, name) values ('duo', 'Duo');"
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('club', 'Club', 'Ghent', 'BE', 51, 3.7, 'Europe/Brussels')"
        )
        for show_id in (1, 2):
            await factory.show(show_id, song_count=0)
        moderator = await factory.sql.fetchval("insert into users (role) values ('moderator') returning id")
        routes: list[Any] = [
            FollowRoutes(requests, Marks(requests, SystemClock(), Scribe(factory.sql).submit)), ReviewRoutes(requests), ReportRoutes(requests), QueueRoutes(requests), DecisionRoutes(requests),
            AccountRoutes(requests, SystemClock()),
        ]  # fmt: skip
        endpoints = {(each.method, each.path): each for room in routes for each in room.endpoints()}
        yield World(factory, endpoints, Identity(moderator, "moderator"), [], set())
        await requests.close()


async def test_counts_are_what_the_rows_say(new_database: OpenDatabase) -> None:
    """Counts hold after every step of every random sequence, and the moderators' queue has exactly the held texts."""
    steps = st.lists(STEP, min_size=10, max_size=30)
    outcomes: set[str] = set()

    async def play(world: World, example: list[Any]) -> None:
        await world.play(example)
        outcomes.update(world.outcomes)

    await play_examples(partial(open_world, new_database), play, steps, count=20)
    # The random steps reached every case.
    assert outcomes >= {
        "PUT /api/artists/{artist}/follow", "DELETE /api/artists/{artist}/follow",
        "PUT /api/shows/{show}/attendance", "DELETE /api/shows/{show}/attendance",
        "POST /api/venues/{venue}/reviews", "DELETE /api/venues/{venue}/reviews", "POST /api/reports",
        "POST /api/admin/moderation/{held}", "POST /api/admin/reports/{report}", "conflict", "not_found", "bad_request",
    }  # fmt: skip
