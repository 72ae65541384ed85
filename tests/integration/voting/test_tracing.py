"""Traces of votes: one trace from the cast to the push, across nodes; none unless they are configured."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from server import tracing
from server.errors import SetupError, StoreUnavailable
from server.node import rooms as building
from server.people.sessions import mint_token
from server.settings import Settings
from server.telemetry import FAILURES, Failures
from server.tracing import open_traces, traces_to
from tests.support.api_client import ApiClient
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, running_node, until
from tests.support.socket_client import SocketClient

TRACED: Any = {"otlp_endpoint": "http://collector", "traces_ratio": 1.0}
WAITING = {"writer.waiting", "webhooks.waiting"}
STAGES = ["cast", "script", "commit", "notify", "push"]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Gets the spans of a node that starts with TRACED."""
    exporter = InMemorySpanExporter()

    def to_memory(_endpoint: str, ratio: float, node: str, shard_count: int) -> tracing.Traces:
        return traces_to(SimpleSpanProcessor(exporter), ratio, node, shard_count)

    monkeypatch.setattr(building, "open_traces", to_memory)
    return exporter


async def test_a_vote_is_one_trace(
    factory: RowFactory, database_url: str, redis_url: str, memory: InMemorySpanExporter
) -> None:
    """Its stages share a trace, follow its first span, and name the position in the log."""
    show = await factory.show(7)
    async with running_node(database_url, redis_url, **TRACED) as node:
        async with SocketClient.connect(node.url) as fan:
            await fan.hello(await factory.token())
            await fan.watch("votes:7")
            at = (await fan.cast(7, (show.first, "up")))["at"]
            await fan.push("votes:7")

            async def are_told() -> Any:
                told = {span.name: span for span in memory.get_finished_spans()}
                return told if len(told) == len(STAGES) else None

            spans = await until(are_told)
            await fan.ok("ballot", show=7)
        assert len(memory.get_finished_spans()) == len(STAGES)  # a read of a ballot logs nothing
    assert sorted(spans) == sorted(STAGES)
    first = spans["cast"].context
    assert spans["cast"].parent is None
    for name in STAGES[1:]:
        assert (spans[name].context.trace_id, spans[name].parent.span_id) == (first.trace_id, first.span_id)
    for span in spans.values():
        assert (span.attributes["shard"], span.attributes["position"]) == (7, at)
        assert span.start_time <= span.end_time
        assert span.resource.attributes["service.instance.id"] == node.rooms.fleet.node
    assert spans["cast"].start_time <= spans["script"].start_time
    assert spans["push"].attributes["subscribers"] == 1
    assert spans["cast"].attributes["casts"] == 1


def test_failures_of_one_moment_share_a_trace() -> None:
    """A loop may fail a thousand times a second. What has a trace already, or a request, gets no other one."""
    failures, ids = Failures(), iter("abc")
    failures.trace = lambda _action, _detail, loop: f"{next(ids)} of {loop}"

    def note(action: str, **fields: Any) -> str:
        failures.note(None, "warning", {"event": action, "error": "x", "loop": "writer", **fields})
        return failures.newest(1)[0].trace_id

    assert [note("one"), note("one"), note("other")] == ["a of writer", "a of writer", "b of writer"]
    assert [note("third", trace_id="t", request_id="r"), note("fourth", request_id="r")] == ["t", ""]
    assert failures.note(None, "warning", {"event": "fifth", "error": "x"})["trace_id"] == "c of "
    assert "trace_id" not in failures.note(None, "info", {"event": "well"})


async def test_a_failure_of_a_loop_has_a_trace(
    factory: RowFactory,
    database_url: str,
    redis_url: str,
    memory: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its error names the trace, whose one span says what failed in which loop."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, FAILURES.note, *structlog.get_config()["processors"]]
    )
    try:
        async with running_node(database_url, redis_url, **TRACED) as node:

            async def fail() -> None:
                raise StoreUnavailable("a test")

            class Away:
                def connection(self) -> None:
                    raise StoreUnavailable("a test")

            async def told() -> Any:
                return {one.action for one in FAILURES.newest(50) if one.detail == "a test"} >= WAITING

            monkeypatch.setattr(node.rooms.writer, "_work", fail)
            monkeypatch.setattr(node.rooms.webhook_sender, "_database", Away())
            await until(told)
            rows = {one.action: one for one in FAILURES.newest(50)}
    finally:
        structlog.reset_defaults()
    assert FAILURES.trace is None
    for action, loop in (("writer.waiting", "writer"), ("webhooks.waiting", "webhooks")):
        assert rows[action].request_id == ""
        finished: Any = memory.get_finished_spans()
        spans = [span for span in finished if span.attributes.get("action") == action]
        assert rows[action].trace_id in {f"{span.context.trace_id:032x}" for span in spans}
        assert len(spans) <= rows[action].count
        assert (spans[0].name, spans[0].parent) == ("failure", None)
        assert spans[0].attributes == {"action": action, "error": "a test", "loop": loop}


async def test_a_request_that_fails_has_a_trace(
    factory: RowFactory,
    database_url: str,
    redis_url: str,
    memory: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its error names the trace, in which the request is one span with its id; a request that is well has no span."""
    admin_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, FAILURES.note, *structlog.get_config()["processors"]]
    )
    try:
        async with (
            running_node(database_url, redis_url, **TRACED) as node,
            ApiClient.open(node.url, user_id=admin_id) as admin,
        ):

            async def fail(*_: Any, **__: Any) -> None:
                raise ArithmeticError

            monkeypatch.setattr(node.rooms.overviews, "overview", fail)
            headers = {"Authorization": f"Bearer {mint_token(SECRET, admin_id, 'admin')}"}
            async with (
                aiohttp.ClientSession(headers=headers) as http,
                http.get(f"{node.url}/api/admin/overview") as answer,
            ):
                assert answer.status == 500

            async def told() -> Any:
                _, seen = await admin.get("/api/admin/errors")
                assert seen["is_traced"]
                return [row for row in seen["items"] if row["trace_id"] and row["request_id"]]

            (row,) = await until(told)
    finally:
        structlog.reset_defaults()
    (span,) = [span for span in memory.get_finished_spans() if span.name == "request"]
    assert (f"{span.context.trace_id:032x}", span.parent) == (row["trace_id"], None)
    assert span.attributes == {
        "request_id": row["request_id"], "method": "GET", "route": "/api/admin/overview", "status": 500,
    }  # fmt: skip


def test_all_nodes_sample_the_same_entries() -> None:
    """Sampled entries and their ids are derived from the log alone."""
    sampled = []
    for node in ("a", "b"):
        memory = InMemorySpanExporter()
        traces = traces_to(SimpleSpanProcessor(memory), 0.25, node, 16)
        for position in range(400):
            traces.committed(3, [position], time.monotonic())
        spans: Any = memory.get_finished_spans()
        sampled.append({(s.context.trace_id, s.parent.span_id, s.attributes["position"]) for s in spans})
    assert sampled[0] == sampled[1]
    assert 50 < len(sampled[0]) < 150


def test_a_push_has_a_span_for_each_commit_in_it() -> None:
    """It has one for every commit of its own shard up to its position; commits that are never pushed are forgotten."""
    memory = InMemorySpanExporter()
    traces = traces_to(SimpleSpanProcessor(memory), 1.0, "node", 16)
    for shard, at, entry in ((7, 20, 19), (7, 20, 20), (7, 30, 30), (8, 20, 20)):
        traces.notified(shard, at, [entry], 0)
    for _ in range(2):
        traces.pushed(23, 25, time.monotonic(), 1)
    spans: Any = memory.get_finished_spans()
    pushed = [s.attributes["position"] for s in spans if s.name == "push"]
    assert pushed == [19, 20]
    traces.notified(1, 1, range(2 * tracing.AWAITING_PUSH_MAX), 0)
    assert len(traces._awaiting) == tracing.AWAITING_PUSH_MAX


async def test_traces_are_sent_to_a_collector() -> None:
    """They are sent over HTTP, at the latest when the node stops."""
    bodies: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        bodies.put_nowait(await request.read())
        return web.Response()

    collector = web.Application()
    collector.add_routes([web.post("/v1/traces", take)])
    runner = web.AppRunner(collector)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        traces = open_traces(f"http://127.0.0.1:{port}", 1.0, "node", 16)
        traces.committed(7, [1], time.monotonic())
        await asyncio.to_thread(traces.close)
        assert b"commit" in bodies.get_nowait()
    finally:
        await runner.cleanup()


def test_without_a_collector_nothing_is_loaded() -> None:
    """A node without traces does not import the SDK; only the Valkey client imports the API."""
    code = "import sys, server.node.node; sys.exit('opentelemetry.sdk.trace' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the extra that is missing; a ratio must be between 0 and 1."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SetupError, match=r"mysetlist\[otel\]"):
        open_traces("http://collector", 1.0, "node", 16)
    environ = {"MYSETLIST_SECRET": "s" * 32, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert Settings.from_environ(environ).traces_ratio == 0.01
    for ratio in ("2", "-1", "much", "nan"):
        with pytest.raises(SetupError, match="OTEL_TRACES_SAMPLER_ARG"):
            Settings.from_environ(environ | {"OTEL_TRACES_SAMPLER_ARG": ratio})
