"""Metrics of every stage of a vote, and a request id in every log record."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from server.node.node import Node
from tests.support.node_process import NodeProcess
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

# A metric that has to grow on a vote's way, and its labels.
STAGES: list[tuple[str, dict[str, str]]] = [
    ("mysetlist_intake_wait_seconds_count", {}),
    ("mysetlist_script_seconds_count", {}),
    ("mysetlist_script_casts_count", {}),
    ("mysetlist_valkey_seconds_count", {"command": "EVALSHA"}),
    ("mysetlist_commit_seconds_count", {}),
    ("mysetlist_commit_votes_sum", {}),
    ("mysetlist_pool_wait_seconds_count", {"pool": "writer"}),
    ("mysetlist_pool_wait_seconds_count", {"pool": "reads"}),
    ("mysetlist_notify_lag_seconds_count", {}),
    ("mysetlist_push_seconds_count", {"kind": "votes"}),
    ("mysetlist_push_lag_seconds_count", {}),
    ("mysetlist_frames_total", {}),
    ("mysetlist_acknowledgement_seconds_count", {}),
    ("mysetlist_casts_total", {"outcome": "committed"}),
    ("mysetlist_closes_total", {"code": "1000"}),
    ("mysetlist_closes_total", {"code": "other"}),
    ("mysetlist_closes_total", {"code": "4401"}),
    ("mysetlist_request_seconds_count", {"method": "GET", "route": "/api/shows/{show}", "status": "200"}),
    ("mysetlist_request_seconds_count", {"method": "GET", "route": "none", "status": "404"}),
    ("mysetlist_request_seconds_count", {"method": "other", "route": "none", "status": "405"}),
]


def values() -> list[float]:
    return [REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels in STAGES]


def socket_requests() -> float:
    return sum(
        sample.value
        for family in REGISTRY.collect()
        if family.name == "mysetlist_request_seconds"
        for sample in family.samples
        if sample.name.endswith("_count") and sample.labels["route"] == "/ws"
    )


async def test_every_stage_of_a_vote_is_measured(node: Node, factory: RowFactory) -> None:
    """From the intake to the push, and the ends of connections and requests; an open websocket is no request."""
    before, sockets_before = values(), socket_requests()
    show = await factory.show(7)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        await fan.watch("votes:7")
        await fan.cast(7, (show.first, "up"))
        await fan.push("votes:7")
    async with SocketClient.connect(node.url) as fan:
        await fan.socket.close(code=3999)
    async with SocketClient.connect(node.url) as fan:
        await fan.refusal("hello", token="bad")
        await fan.close_code()
    async with aiohttp.ClientSession(node.url) as http:
        for method, path in (("GET", "/api/shows/7"), ("GET", "/api/nothing/12"), ("PROPFIND", "/api/shows")):
            async with http.request(method, path):
                pass

    still: list[Any] = []

    async def all_moved() -> bool:
        still[:] = [stage for stage, now, then in zip(STAGES, values(), before, strict=True) if now <= then]
        return not still

    try:
        await until(all_moved)
    except TimeoutError:
        raise AssertionError(f"not measured: {still}") from None
    routes = {
        sample.labels["route"]
        for family in REGISTRY.collect()
        if family.name == "mysetlist_request_seconds"
        for sample in family.samples
    }
    # Only a refused upgrade counts as a request; other tests in this process have had some.
    assert socket_requests() == sockets_before
    assert not any("12" in route or "7" in route for route in routes)


async def test_every_answer_is_counted(node: Node, factory: RowFactory) -> None:
    """Redirects too: they are no failures."""
    await factory.show(7)
    counts = node.rooms.request_counts
    before = counts.all, counts.failed
    async with aiohttp.ClientSession(node.url) as http:
        for path, status in (("/api/shows/7", 200), ("/api/nothing", 404), ("/shows/7/", 301), ("/j/nothing", 404)):
            async with http.get(path, allow_redirects=False) as answer:
                assert answer.status == status
                assert answer.headers["X-Request-ID"]
    assert (counts.all, counts.failed) == (before[0] + 4, before[1])


async def test_a_request_has_an_id(node: Node, database_url: str, redis_url: str) -> None:
    """A new one, or a trusted proxy's if it is well formed; in the answer and in each log record."""
    proxies = (ipaddress.ip_network("127.0.0.0/8"),)
    async with running_node(database_url, redis_url, trusted_proxies=proxies) as behind:
        for url, given, is_kept in (
            (node.url, "", False),
            (node.url, "from-nobody", False),
            (behind.url, "edge:4711-a.b_c", True),
            (behind.url, "x" * 65, False),
            (behind.url, "a b", False),
        ):
            with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as records:
                async with (
                    aiohttp.ClientSession(url) as http,
                    http.post(
                        "/api/session", headers={"X-Request-ID": given, "Origin": "https://evil.example"}
                    ) as answer,
                ):
                    request_id = answer.headers["X-Request-ID"]
            assert (request_id == given) == is_kept
            assert len(request_id) == 16 or is_kept
            assert [r["request_id"] for r in records if r["event"] == "origin.refused"] == [request_id]


async def test_a_websocket_has_an_id(node: Node) -> None:
    """In all log records about it, for as long as it is open."""
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as records:
        async with SocketClient.connect(node.url) as first, SocketClient.connect(node.url) as second:
            ids = [client.socket._response.headers["X-Request-ID"] for client in (first, second)]
            for client in (first, second):
                await client.socket.send_str("{}")
                await client.receive()
            (server_side,) = [c for c in node.rooms.sockets.connections() if c.request_id == ids[1]]
            server_side.hang_up_slow()
            await second.close_code()
    assert len(set(ids)) == 2
    assert [r["request_id"] for r in records if r["event"] == "request.malformed"] == ids
    assert [r["request_id"] for r in records if r["event"] == "socket.slow"] == ids[1:]


async def test_any_worker_answers_for_all(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Prometheus reaches any worker; the answer has the sums over all."""
    async with NodeProcess.running(
        tmp_path, "--workers", "2", DATABASE_URL=database_url, REDIS_URL=redis_url
    ) as process:
        clients = [SocketClient.connect(process.url) for _ in range(6)]
        for client in clients:
            await client.__aenter__()

        async def told() -> float:
            """How many websockets a worker tells, any of the two."""
            async with aiohttp.ClientSession() as http, http.get(f"{process.url}/metrics") as answer:
                families = text_string_to_metric_families(await answer.text())
            (count,) = [
                sample.value
                for family in families
                for sample in family.samples
                if (sample.name, sample.labels.get("kind")) == ("mysetlist_sockets", "websocket")
            ]
            return count

        async def is_whole() -> bool:
            return await told() == 6

        try:
            # A worker counts a websocket a moment after its client has the answer.
            await until(is_whole)
            assert [await told() for _ in range(6)] == [6] * 6
        finally:
            for client in clients:
                await client.__aexit__(None, None, None)
