"""The drill: fourteen incidents, and the page Now names the cause of each. How long that took is printed: 0.1 to 4 s on a quiet machine.

One node serves all of them. The order matters: what is remembered for minutes, such as a botnet, comes before what outranks it.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import redis

from server.embedded.engines import EngineName
from server.errors import StoreUnavailable
from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.limits import Limits
from server.store.listening import LISTENER
from tests.faults.conftest import Engines
from tests.support import providers as stand_in
from tests.support.api_client import ApiClient
from tests.support.engines import TEMPLATE, execute
from tests.support.providers import ticketmaster
from tests.support.providers.world import World
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import SECRET, running_node, until
from tests.support.smtp_server import SmtpServer
from tests.support.socket_client import SocketClient

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

SOCKETS_MAX = 4
# An overview costs ten times as much as most requests, and a verdict may take seconds.
LOOK_EVERY_S = 0.1
OVERVIEW = "/api/admin/overview?history=false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """The node, what it needs, and an administrator who looks at the page Now."""

    engines: Engines
    node: Node
    admin: ApiClient
    factory: RowFactory
    show: Show
    mail: SmtpServer
    services: stand_in.Providers

    async def overview(self) -> Any:
        """The page Now."""
        status, seen = await self.admin.get(OVERVIEW)
        assert status == 200, seen
        return seen

    async def is_named(self, name: str, cause: str) -> None:
        """The sentence of the page becomes this verdict, and tells the cause."""
        began_s = time.monotonic()
        seen: Any = {}

        async def first() -> bool:
            nonlocal seen
            await asyncio.sleep(LOOK_EVERY_S)
            seen = await self.overview()
            return bool(seen["findings"]) and seen["findings"][0]["name"] == name

        with suppress(TimeoutError):
            await until(first)
        took_s = time.monotonic() - began_s
        assert [finding["name"] for finding in seen["findings"][:1]] == [name], seen["findings"]
        assert cause in seen["verdict"]["sentence"], seen["verdict"]
        assert seen["verdict"]["act"]
        print(f"{name}: named after {took_s:.1f} s: {seen['verdict']['sentence']}")

    async def is_over(self, name: str) -> None:
        """The page does not name this verdict any more."""

        async def is_gone() -> bool:
            await asyncio.sleep(LOOK_EVERY_S)
            return name not in [finding["name"] for finding in (await self.overview())["findings"]]

        await until(is_gone)

    async def cast(self) -> None:
        """A fan votes, and the vote is accepted."""
        async with SocketClient.connect(self.node.url) as fan:
            await fan.hello(await self.factory.token())
            await fan.cast(self.show.id, (self.show.first, "up"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def drill(mortal_engines: Engines) -> AsyncIterator[Drill]:
    """A node of a small service: one show, one provider with a key, a mail server."""
    await execute(mortal_engines.server_url, f"create database drill template {TEMPLATE} strategy file_copy")
    # Of the fault tests before, which had other databases.
    with redis.Redis.from_url(mortal_engines.redis_url) as valkey:
        valkey.flushall()
    database_url = mortal_engines.server_url.replace("/mysetlist?", "/drill?")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        factory = await enter(RowFactory.open(database_url))
        mail = await enter(SmtpServer.open())
        services = await enter(stand_in.running_providers(World.make(artists=1)))
        node = await enter(
            running_node(
                database_url,
                mortal_engines.redis_url,
                smtp_url=mail.url(),
                musicbrainz_api_url=services.url,
                ticketmaster_api_url=services.url,
                ticketmaster_api_key=ticketmaster.KEY,
                limits=Limits(connections_per_address=SOCKETS_MAX),
            )
        )
        admin_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
        admin = await enter(ApiClient.open(node.url, user_id=admin_id))
        yield Drill(
            engines=mortal_engines,
            node=node,
            admin=admin,
            factory=factory,
            show=await factory.show(7),
            mail=mail,
            services=services,
        )
        for engine in ("postgres", "valkey"):
            mortal_engines.revive(engine)
    await execute(mortal_engines.server_url, "drop database drill with (force)")


async def test_nothing_is_wrong(drill: Drill) -> None:
    """Before the first incident the page says so."""

    async def is_well() -> bool:
        return bool((await drill.overview())["verdict"]["sentence"] == "All well.")

    await until(is_well)


async def test_a_node_is_drained(drill: Drill) -> None:
    """Another node stops in order: it is named, and its row says so."""
    database_url = drill.engines.server_url.replace("/mysetlist?", "/drill?")
    async with running_node(database_url, drill.engines.redis_url) as other:

        async def has_both() -> bool:
            return len((await drill.overview())["nodes"]) == 2

        await until(has_both)
        stopping = asyncio.create_task(other.stop())
        await drill.is_named("NodeDraining", other.rooms.name)
        await stopping
    rows = {row["node"]: row["state"] for row in (await drill.overview())["nodes"]}
    assert rows[other.rooms.name] == "stopped"


async def test_the_replica_is_away(drill: Drill) -> None:
    """A node that has the address of a replica reads from the primary: the replica's node and reason are named."""
    url = drill.engines.server_url.replace("/mysetlist?", "/drill?")
    nowhere = "postgresql://me:hush@127.0.0.1:1/drill"
    async with running_node(url, drill.engines.redis_url, database_read_url=nowhere) as other:
        await drill.is_named("ReplicaLeftOut", f"Node {other.rooms.name} sends all reads to the primary")
        assert "hush" not in str(await drill.overview())
    await drill.is_over("ReplicaLeftOut")


async def test_a_connection_limit_of_a_node_is_full(drill: Drill) -> None:
    """The address has all the websockets that it may have, and the next one is refused."""
    async with AsyncExitStack() as stack:
        for _ in range(SOCKETS_MAX):
            await stack.enter_async_context(SocketClient.connect(drill.node.url))
        with pytest.raises(Exception, match="429|503"):
            await stack.enter_async_context(SocketClient.connect(drill.node.url))
        await drill.is_named("ConnectionsRefused", "connections")


async def test_a_webhook_gets_nothing(drill: Drill) -> None:
    """Its address is refused at each attempt, so its events have waited for a quarter of an hour."""
    await drill.factory.sql.execute(
        "insert into webhooks (url, description, events, secret)"
        " values ('https://127.0.0.1/KEN', 'Screen', '{show.final}', sha256('x'));"
        "insert into webhook_events (type, show_id, data, is_queued) values ('show.final', 7, '{}', true);"
        "insert into webhook_deliveries (webhook_id, event_id, queued_at, not_before, attempts)"
        " values (1, 1, now() - interval '15 minutes', now(), 2)"
    )
    await drill.is_named("WebhooksPileUp", "The webhook Screen (1) gets nothing")
    seen = await drill.overview()
    assert seen["verdict"]["button"]["page"] == "webhooks"
    assert "KEN" not in seen["verdict"]["sentence"]
    await drill.factory.sql.execute("delete from webhooks")
    await drill.is_over("WebhooksPileUp")


async def test_the_ledger_is_late(drill: Drill) -> None:
    """Somebody's session holds the log of a show, so nothing can be appended; votes go on."""
    sql = drill.factory.sql
    await until(lambda: sql.fetchval("select exists (select from ledger_logs where show_id = $1)", drill.show.id))
    holder = await asyncpg.connect(drill.engines.server_url.replace("/mysetlist?", "/drill?"))
    async with holder.transaction():
        await holder.execute("select from ledger_logs where show_id = $1 for update", drill.show.id)
        await drill.cast()
        await until(lambda: sql.fetchval("select exists (select from ledger_notes)"))
        # As if it were seconds later.
        await sql.execute("update ledger_notes set noted_at = noted_at - interval '10 seconds'")
        await drill.is_named("LedgerLate", "s behind the votes")
    await holder.close()
    await drill.is_over("LedgerLate")


async def test_a_botnet_votes(drill: Drill) -> None:
    """Forty accounts of one program vote for one song among fans who do not; the watch of groups finds them."""
    await drill.factory.sql.execute("update shows set status = 'live' where id = $1", drill.show.id)
    users = await drill.factory.users(80)
    bots, fans = users[:40], users[40:]
    await drill.factory.sql.execute(
        "insert into sessions (user_id, kind, agent_hash, expires_at) select u, 'fan',"
        " decode(lpad(to_hex(case when u = any($2) then 1 else u end), 16, '0'), 'hex'), now() + interval '1 day'"
        " from unnest($1::bigint[]) u",
        users, bots,
    )  # fmt: skip
    now_ms = drill.node.rooms.clock.now_ms()
    for place, user in enumerate(fans):
        drill.node.rooms.group_watch.take(
            now_ms + place**2, [[drill.show.id, user, song, 1, 20_000, 1] for song in drill.show.songs[1:3]]
        )
    for place, user in enumerate(bots):
        drill.node.rooms.group_watch.take(
            now_ms + 3 * place**2, [[drill.show.id, user, drill.show.first, 1, 20_000, 1]]
        )
    await drill.is_named("VoteGroup", "40 ballots look like the work of one hand")
    assert (await drill.overview())["verdict"]["button"]["page"] == "abuse"


async def test_mail_is_refused(drill: Drill) -> None:
    """The mail server takes nothing from our address."""
    drill.mail.at_sender = "530 5.7.0 Authentication required"
    await drill.factory.sql.execute(
        "with fan as (insert into users default values returning id), wish as ("
        " insert into email_preferences (user_id, address, confirmed_at, frequency, kinds)"
        " select id, 'fan@example.org', now(), 'immediately', '{show_announced}' from fan), follow as ("
        " insert into user_follows_artists (user_id, artist_id) select id, 1 from fan)"
        " insert into email_queue (user_id, kind, about) select id, 'show_announced', 'show:7' from fan"
    )
    await drill.is_named("MailServerAway", "mail server")


async def test_the_key_of_a_provider_is_revoked(drill: Drill) -> None:
    """The next request to the provider is refused; a key that works again is not named any more."""
    drill.services.ticketmaster.is_revoked = True
    await drill.admin.get("/api/external-apis/diagnostics?service=ticketmaster&probe=1")
    await drill.is_named("KeyRefused", "ticketmaster does not accept our key")
    drill.services.ticketmaster.is_revoked = False
    await drill.node.rooms.overviews._gates["ticketmaster"].reopen()
    await drill.admin.get("/api/external-apis/diagnostics?service=ticketmaster&probe=1")
    await drill.is_over("KeyRefused")


async def test_the_writer_is_stuck(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds its leases and commits nothing."""
    released = asyncio.Event()
    writer = drill.node.rooms.writer
    write = writer._write

    async def wait(*given: Any) -> Any:
        await released.wait()
        return await write(*given)

    monkeypatch.setattr(writer, "_write", wait)
    await drill.cast()
    await drill.is_named("CommitsStalled", "The writer is stuck")
    released.set()
    await drill.is_over("CommitsStalled")


async def test_the_listener_is_cut(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection ends and cannot be opened again, while PostgreSQL answers everything else."""

    async def refuse(*_: Any) -> Any:
        raise StoreUnavailable("cut by a firewall")

    monkeypatch.setattr("server.live.listener.Listening", SimpleNamespace(open=refuse))
    await drill.factory.sql.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = 'drill'",
        LISTENER,
    )
    await drill.is_named("ListenerCut", "has lost its listening connection")
    monkeypatch.undo()
    await drill.is_over("ListenerCut")


async def test_a_statement_is_slow(drill: Drill) -> None:
    """Somebody's report runs for long, until it is cancelled as the page says."""
    statement = "select pg_sleep(60) as report"
    connection = await asyncpg.connect(drill.engines.server_url.replace("/mysetlist?", "/drill?"))
    running = asyncio.create_task(connection.execute(statement))
    await drill.is_named("StatementSlow", statement)
    await drill.factory.sql.execute("select pg_cancel_backend(pid) from pg_stat_activity where query = $1", statement)
    with pytest.raises(asyncpg.QueryCanceledError):
        await running
    await connection.close()
    await drill.is_over("StatementSlow")


async def test_a_clock_is_off_by_a_minute(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's clock is a minute ahead of the node's."""

    async def minute_ahead(_: Any) -> float:
        return 60_000.0

    monkeypatch.setattr("server.node.vitals.postgres_ahead_ms", minute_ahead)
    await drill.is_named("ClocksDiffer", "PostgreSQL is 60 s ahead")
    monkeypatch.undo()
    await drill.is_over("ClocksDiffer")


async def test_the_disk_is_full(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is left where the node keeps its data."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("server.node.node.shutil.disk_usage", lambda _: usage._replace(free=4_096))
    await drill.is_named("DiskNearlyFull", "4,096 bytes are free")
    monkeypatch.undo()
    await drill.is_over("DiskNearlyFull")


async def test_the_connections_of_postgresql_are_full(drill: Drill) -> None:
    """More clients are connected than the database may have."""
    await drill.factory.sql.execute("alter database drill connection limit 3")
    await drill.is_named("PostgresConnectionsFull", "PostgreSQL has nearly all the connections")
    await drill.factory.sql.execute("alter database drill connection limit -1")
    await drill.is_over("PostgresConnectionsFull")


@pytest.mark.parametrize(("engine", "name"), [("valkey", "ValkeyAway"), ("postgres", "PostgresAway")])
async def test_an_engine_hangs(drill: Drill, engine: EngineName, name: str) -> None:
    """It takes connections and answers nothing. The open page learns of it, because nothing waits for that engine."""
    admin_id = await drill.factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    async with SocketClient.connect(drill.node.url) as page:
        await page.hello(mint_token(SECRET, admin_id, "admin"))
        await page.watch("overview")
        with drill.engines.frozen(engine):
            await page.push("overview", lambda push: [one["name"] for one in push["findings"]][:1] == [name])
        await page.push("overview", lambda push: name not in [one["name"] for one in push["findings"]])


async def test_valkey_is_stopped(drill: Drill) -> None:
    """It is killed; its row says so too, and PostgreSQL's does not."""
    drill.engines.kill("valkey")
    await drill.is_named("ValkeyAway", "Valkey does not answer")
    seen = await drill.overview()
    assert not seen["is_complete"]
    assert {row["service"]: row["status"] for row in seen["services"] if row["kind"] == "engine"} == {
        "postgres": "ok",
        "valkey": "down",
    }
    drill.engines.revive("valkey")
    await drill.is_over("ValkeyAway")


async def test_postgresql_is_stopped(drill: Drill) -> None:
    """It is killed; the page still answers, and Valkey still works."""
    drill.engines.kill("postgres")
    await drill.is_named("PostgresAway", "PostgreSQL does not answer")
    seen = await drill.overview()
    assert {row["service"]: row["status"] for row in seen["services"] if row["kind"] == "engine"} == {
        "postgres": "down",
        "valkey": "ok",
    }
    drill.engines.revive("postgres")
    await drill.is_over("PostgresAway")
