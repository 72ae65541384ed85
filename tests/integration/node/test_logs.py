"""The log of a node from its start to its stop, its level, and a start that fails."""

from __future__ import annotations

import json
from pathlib import Path

from server import __version__
from tests.support.node_process import SECRET, NodeProcess, until


async def test_a_node_logs_its_start_signals_and_stop(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """The version, the settings without secrets, the engines, the reasons why it is not ready, the signal and the end."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_ORIGINS": "https://sets.example"}
    async with NodeProcess.running(tmp_path, **environ) as node:
        await until(lambda: bool(node.records("node.ready")), "the node says that it is ready")
        (starting,) = node.records("node.starting")
        assert starting["version"] == __version__
        assert starting["settings"]["origins"] == "('https://sets.example',)"
        assert starting["settings"]["database_url"] == "…"
        (found,) = node.records("engines.found")
        assert (found["postgres"].startswith("18."), found["valkey"].startswith("9.")) == (True, True)
        assert (await node.metric("mysetlist_ready"), await node.metric("mysetlist_disk_free_bytes") > 0) == (1, True)
        assert await node.metric("mysetlist_valkey_memory_bytes") > 0
        assert await node.terminate() == 0
    (signal,) = node.records("signal.received")
    assert (signal["signal"], len(node.records("node.stopped"))) == ("SIGTERM", 1)
    assert SECRET not in node.log_path.read_text()


async def test_a_level_hides_what_is_below_it_and_a_failed_start_is_json(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Each line on stderr is JSON; with the level `error` only the failure is left."""
    node = NodeProcess(
        tmp_path, "--host", "192.0.2.1", DATABASE_URL=database_url, REDIS_URL=redis_url, MYSETLIST_LOG_LEVEL="error"
    )
    process = await node.launch()
    assert await process.wait() == 1
    (line,) = [json.loads(line) for line in node.log_path.read_text().splitlines()]
    assert (line["action"], line["level"]) == ("command.failed", "error")
    assert line["reason"].startswith("cannot listen on 192.0.2.1:0: ")
