"""Alerts: a failing service gives one alert, by log and webhook, and another one when it has recovered."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from server.admin.alerts import BAD_COUNT, QUIET_S, Alerts
from server.store.database import Database


class Hook:
    """A webhook that remembers the posts, and answers with a chosen status."""

    def __init__(self) -> None:
        self.url = ""
        self.posted: list[dict[str, Any]] = []
        self.requests: list[tuple[bytes, Any]] = []
        self.status = 200

    async def take(self, request: web.Request) -> web.Response:
        """`POST /hook`."""
        self.posted.append(await request.json())
        self.requests.append((await request.read(), request.headers))
        return web.Response(status=self.status)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A webhook that listens."""
    opened = Hook()
    app = web.Application()
    app.add_routes([web.post("/hook", opened.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    opened.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield opened
    await runner.cleanup()


async def found(sql: Any, service: str, status: str, *, bad: int, detail: str = "", hours_ago: int = 0) -> None:
    """Writes the health that nodes found for a service in this hour, or in an earlier one."""
    await sql.execute(
        "insert into service_health (service, hour, ok_count, down_count, last_status, last_detail, last_at)"
        " values ($1, date_trunc('hour', now(), 'UTC') - make_interval(hours => $5), 5, $2, $3::health_status, $4,"
        " now() - make_interval(hours => $5))"
        " on conflict (service, hour) do update"
        " set down_count = $2, last_status = $3::health_status, last_detail = $4, last_at = excluded.last_at",
        service, bad, status, detail, hours_ago,
    )  # fmt: skip


async def test_a_failing_service_gives_one_alert_and_its_recovery_another(
    database: Database, sql: Any, hook: Hook
) -> None:
    """One bad response gives no alert, several do; recovery is reported after a while, not at the first good response."""
    alerts = Alerts(hook.url, None)

    async def look() -> list[tuple[str, str]]:
        hook.posted.clear()
        async with database.connection() as connection:
            await alerts.send_changes(connection)
            await alerts.send_changes(connection)
        return [(one["service"], one["status"]) for one in hook.posted]

    await found(sql, "postgres", "ok", bad=0)
    await found(sql, "setlistfm", "down", bad=BAD_COUNT - 1, detail="answered 500")
    assert await look() == []
    await found(sql, "setlistfm", "down", bad=BAD_COUNT, detail="answered 500")
    assert await look() == [("setlistfm", "down")]
    assert hook.posted[0]["detail"] == "answered 500"
    assert hook.posted[0]["since"].endswith("Z")
    await found(sql, "setlistfm", "ok", bad=BAD_COUNT)
    assert await look() == []
    await sql.execute("update service_alerts set since = now() - make_interval(secs => $1)", QUIET_S + 1)
    assert await look() == [("setlistfm", "ok")]
    await found(sql, "postgres", "degraded", bad=BAD_COUNT)
    assert await look() == [("postgres", "degraded")]


async def test_alerts_are_signed(database: Database, sql: Any, hook: Hook) -> None:
    """As Standard Webhooks want it: an id that two alerts do not share, the time, and a signature over both and the body."""
    await found(sql, "setlistfm", "down", bad=BAD_COUNT)
    await found(sql, "spotify", "down", bad=BAD_COUNT)
    async with database.connection() as connection:
        await Alerts(hook.url, b"k" * 32).send_changes(connection)
    assert len({headers["webhook-id"] for _, headers in hook.requests}) == 2
    for body, headers in hook.requests:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.digest(b"k" * 32, signed, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{wanted}"
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


async def test_a_new_hour_ends_no_alert_and_hides_none(database: Database, sql: Any, hook: Hook) -> None:
    """A new hour starts with one bad response: an alert goes on, and bad responses around the turn of the hour give one."""
    alerts = Alerts(hook.url, b"k" * 32)

    async def look() -> list[tuple[str, str]]:
        hook.posted.clear()
        async with database.connection() as connection:
            await alerts.send_changes(connection)
        return [(one["service"], one["status"]) for one in hook.posted]

    await found(sql, "spotify", "down", bad=BAD_COUNT - 1, hours_ago=1)
    await found(sql, "spotify", "down", bad=1)
    assert await look() == [("spotify", "down")]
    await sql.execute("update service_alerts set since = now() - interval '3 hours'")
    # The bad responses of the start are older than anything that is read.
    await sql.execute("delete from service_health where hour < date_trunc('hour', now(), 'UTC')")
    assert await look() == []
    await found(sql, "spotify", "ok", bad=1)
    assert await look() == [("spotify", "ok")]


async def test_an_alert_ends_that_no_node_saw_end(database: Database, sql: Any, hook: Hook) -> None:
    """No node ran for hours after the start of an alert, and nobody has asked the service since."""
    alerts = Alerts(hook.url, None)
    async with database.connection() as connection:
        await found(sql, "spotify", "down", bad=BAD_COUNT)
        await alerts.send_changes(connection)
        await sql.execute(
            "update service_health set hour = hour - interval '5 hours', last_at = last_at - interval '5 hours'"
        )
        await sql.execute("update service_alerts set since = since - interval '5 hours'")
        await alerts.send_changes(connection)
    assert [(one["status"], one["detail"]) for one in hook.posted] == [("down", ""), ("ok", "")]


async def test_a_failing_webhook_stops_nothing(
    database: Database, sql: Any, hook: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers with an error, or not at all: the log has a line, and the alert stays."""
    await found(sql, "spotify", "down", bad=BAD_COUNT)
    hook.status = 500
    async with database.connection() as connection:
        await Alerts(hook.url, None).send_changes(connection)
        await found(sql, "valkey", "down", bad=BAD_COUNT)
        await Alerts("http://127.0.0.1:9/nobody", None).send_changes(connection)
    assert [row["service"] for row in await sql.fetch("select service from service_alerts order by 1")] == [
        "spotify",
        "valkey",
    ]
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("alert.not_posted") == 2
