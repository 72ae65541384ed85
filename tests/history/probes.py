"""Questions to parts of a service, and the pauses of faults."""

from __future__ import annotations

import asyncio
import re
import struct
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from random import Random

import asyncpg
import redis

from tests.history.service import Service

DOWN_S = (0.3, 3.0)
SILENCE_S = 0.5
BACK_S = 60.0
# A request for each protocol that is answered at once: SSLRequest, PING, GET.
QUESTIONS = {
    "PostgreSQL": struct.pack("!ii", 8, 80877103),
    "PgBouncer": struct.pack("!ii", 8, 80877103),
    "Valkey": b"PING\r\n",
    "clients": b"GET /healthz HTTP/1.0\r\n\r\n",
}


async def down(rng: Random) -> None:
    await asyncio.sleep(rng.uniform(*DOWN_S))


async def date_of_answer(port: int) -> float:
    """The wall clock of a node, in whole seconds: its own header Date."""
    until_s = time.monotonic() + BACK_S
    while True:
        with suppress(OSError, TimeoutError, EOFError):
            async with asyncio.timeout(SILENCE_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(QUESTIONS["clients"])
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                finally:
                    writer.close()
            (date,) = re.findall(r"^Date: (.+)\r$", head, re.MULTILINE)
            return parsedate_to_datetime(date).timestamp()
        assert time.monotonic() < until_s, "the node does not answer"
        await asyncio.sleep(0.1)


async def answer_s(port: int, question: bytes, timeout_s: float = SILENCE_S) -> float | None:
    """How long an answer takes; None: there is none."""
    began_s = time.monotonic()
    writer = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(question)
            if await reader.read(1):
                return time.monotonic() - began_s
    except (OSError, TimeoutError):
        pass
    finally:
        if writer is not None:
            writer.close()
    return None


async def is_silent(service: Service, engine: str) -> bool:
    try:
        async with asyncio.timeout(SILENCE_S):
            if engine == "Valkey":
                async with service.valkey() as valkey:
                    await valkey.ping()
            else:
                async with service.postgres() as connection:
                    await connection.fetchval("select 1")
    except (TimeoutError, OSError, redis.RedisError, asyncpg.PostgresError):
        return True
    return False


async def until_answers(service: Service, engine: str) -> None:
    until_s = time.monotonic() + BACK_S
    while await is_silent(service, engine):
        assert time.monotonic() < until_s, f"{engine} does not come back"
        await asyncio.sleep(0.1)
