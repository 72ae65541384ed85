"""One node for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from server.embedded import EmbeddedEngines
from tests.support.contract import Api, running_api
from tests.support.engines import LoopThread, execute, short_folder


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest, engines: EmbeddedEngines, template_database: str) -> Iterator[Api]:
    """A node on its own database; a bug in its log fails the last test of the file."""
    name = request.module.__name__.rsplit(".", 1)[-1]
    database_url = engines.database_url.replace("/mysetlist?", f"/{name}?")
    redis_url = f"{engines.redis_url}?db=0"
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    thread = LoopThread()
    try:
        thread.run(execute(engines.database_url, f"create database {name} template {template_database}"))
        with short_folder() as folder:
            opened = running_api(folder, database_url, redis_url)
            running = thread.run(opened.__aenter__())
            try:
                yield running
                complaint = running.complaint()
            finally:
                thread.run(opened.__aexit__(None, None, None))
        thread.run(execute(engines.database_url, f"drop database {name} with (force)"))
    finally:
        thread.close()
    assert not complaint, complaint
