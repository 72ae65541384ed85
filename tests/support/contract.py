"""The contract as the app itself states it, and one node in a process of its own to hold to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import asyncpg

from server.clock import SystemClock
from server.live.sse import EVENTS
from server.node.catalogue_sync import providers_of
from server.node.intervals import DEFAULT_INTERVALS
from server.node.rooms import Rooms
from server.node.web_app import endpoints_of
from server.people.sessions import mint_token
from server.protocol.http.endpoints import Endpoint
from server.protocol.identity import ROLES
from server.sample.demo import seed_demo
from server.store.database import Database
from server.store.databases import Databases
from server.store.reads import Reads
from server.voting.rule_changes import RuleChanges
from server.web.openapi import describe
from tests.support.node_process import SECRET, NodeProcess
from tests.support.running_node import settings

# Far above the ids that tests try, so that nobody bans, promotes or erases who asks.
FIRST_ASKER = 4_000_000_000


def served_endpoints() -> list[Endpoint]:
    """The endpoints of a node, built without any engine."""

    async def build() -> list[Endpoint]:
        unused = Mock(spec=Database, url="postgresql://nowhere")
        given = settings("postgresql://nowhere", "redis://nowhere")
        async with AsyncExitStack() as stack:
            rule_changes = RuleChanges(AsyncMock(), AsyncMock(), shard_count=16)
            opened = providers_of(given, unused, "redis://nowhere", SystemClock(), rule_changes)
            providers = await stack.enter_async_context(opened)
            rooms = Rooms(
                given,
                stack,
                databases=Databases(unused, Reads(unused), unused, unused, unused),
                providers=providers,
                rule_changes=rule_changes,
                installation="installation",
                shard_count=16,
                intervals=DEFAULT_INTERVALS,
                has_own_database=False,
            )
            return endpoints_of(rooms)

    return asyncio.run(build())


def title(endpoint: Endpoint) -> str:
    """How a test names an endpoint."""
    return f"{endpoint.method} {endpoint.path}"


ENDPOINTS = served_endpoints()
DOCUMENT: dict[str, Any] = {**describe([*ENDPOINTS, EVENTS])}


# Whatever has an id: the sample data and who asks have one with this id.
EXISTING = 1
# What has a secret code in the path, or the rest of one.
SECRETS = {"crew": "0000000000000001", "tile": "0/000.p/1"}


def path_values(endpoint: Endpoint) -> dict[str, Any]:
    """What exists, for the names in an endpoint's path."""
    names = re.findall(r"\{(\w+)", endpoint.path)
    # Staff is given a user, a webhook and a brand of the endpoint's own: one of them erases what it is given.
    own = ("user", "webhook", "brand") if endpoint.access in ("moderator", "admin") else ()
    return {name: asker(endpoint, "user") if name in own else SECRETS.get(name, EXISTING) for name in names}


def query_values(endpoint: Endpoint) -> dict[str, str]:
    """What exists, for the parameters of a query that are needed and name something."""
    parameters = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()].get("parameters", [])
    names = {found["name"] for found in parameters if found["in"] == "query" and found["required"]}
    return dict.fromkeys(names & {"show", "artist", "venue", "song"}, str(EXISTING))


@dataclass(frozen=True)
class Api:
    """A running node, and who asks it: for each endpoint a user of its own in each role, since one of them erases itself."""

    url: str
    process: NodeProcess
    slugs: dict[str, str]  # of what has the id 1

    def headers(self, endpoint: Endpoint, role: str | None = None) -> dict[str, str]:
        """The headers of somebody who may; of the least role that may, if none is given."""
        role = role or ("user" if endpoint.access == "anyone" else endpoint.access)
        user = asker(endpoint, role)
        return {"Authorization": f"Bearer {mint_token(SECRET, user, role)}"}

    def complaint(self) -> str:
        """What the node's log says of the first bug; nothing is all that bad input may bring about."""
        log = self.process.log_path.read_text()
        found = re.search(r'^.*("level": ?"(error|critical)"|Traceback)', log, re.MULTILINE)
        return log[found.start() :][:4_000] if found else ""


def asker(endpoint: Endpoint, role: str) -> int:
    """The user who asks an endpoint in a role."""
    return FIRST_ASKER + len(ROLES) * ENDPOINTS.index(endpoint) + ROLES.index(role)


@asynccontextmanager
async def running_api(folder: Path, database_url: str, redis_url: str) -> AsyncIterator[Api]:
    """A node with the sample data, and a tenth of its votes."""
    await seed_demo(database_url, turnout=0.1)
    async with NodeProcess.running(
        folder, DATABASE_URL=database_url, REDIS_URL=redis_url, MYSETLIST_EXPORTS_PER_DAY="1000"
    ) as process:
        connection = await asyncpg.connect(database_url)
        try:
            askers = [(asker(endpoint, role), role) for endpoint in ENDPOINTS for role in ROLES]
            await connection.executemany(
                "insert into users (id, role) overriding system value values ($1, $2::user_role)", askers
            )
            await connection.execute(
                "insert into user_profiles (user_id, display_name, is_public, status)"
                " values ($1, 'Somebody', true, 'approved')"
                " on conflict (user_id) do update set is_public = true, status = 'approved'",
                EXISTING,
            )
            # What no sample holds: every path names something that is there, whichever test comes first.
            await connection.execute(
                "insert into database_operations (operation, status, finished_at) values ('analyze', 'succeeded', now())"
            )
            await connection.execute(
                "insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
                f" values ({EXISTING}, 9, '[]', 1, now(), now())"
            )
            await connection.execute("insert into crews (code, name) values ($1, 'Crew')", SECRETS["crew"])
            await connection.execute(
                f"insert into tours (artist_id, name, first_date, last_date) values ({EXISTING}, 'Tour', now(), now())"
            )
            # Its address is refused at each attempt, so no test leaves this machine.
            await connection.executemany(
                "insert into webhooks (id, url, events, secret) overriding system value"
                " values ($1, 'https://127.0.0.1/', '{show.final}', sha256('x'))",
                [(asker(endpoint, "user"),) for endpoint in ENDPOINTS if "{webhook}" in endpoint.path],
            )
            await connection.executemany(
                "insert into brands (id, host, name) overriding system value values ($1, $1::bigint || '.example', 'Brand')",
                [(asker(endpoint, "user"),) for endpoint in ENDPOINTS if "{brand}" in endpoint.path],
            )
            tables = {"show": "shows", "artist": "artists", "venue": "venues"}
            slugs = {
                name: await connection.fetchval(f"select slug from {table} where id = {EXISTING}")
                for name, table in tables.items()
            }
        finally:
            await connection.close()
        yield Api(process.url, process, slugs)
