"""Looks for what is left of somebody: in every column of every table, and in every key of Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import redis.asyncio


async def traces_in_postgres(sql: Any, *needles: object) -> list[str]:
    """Every row in which one of the needles occurs, whatever the column, by table. Takes: sql, an owner's connection."""
    # One statement: a table by itself costs as much as ten of them together.
    everything = await sql.fetchval(
        "select string_agg(format('select %L, t::text from %s t', c.name, c.name), ' union all ' order by c.name) from"
        " (select oid::regclass::text as name from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind = 'r') c"
    )
    rows = await sql.fetch(everything)
    return [f"{table}: {needle} in {row}" for table, row in rows for needle in needles if str(needle) in row]


async def traces_in_valkey(redis_url: str, *needles: object) -> list[str]:
    """Every key in whose name, fields, members, values or log entries one of the needles occurs."""
    found = []
    valkey: Any
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        async for key in valkey.scan_iter():
            kind = (await valkey.type(key)).decode()
            content = "\n".join([key.decode(), *_texts(await _read(valkey, kind, key))])
            found += [f"{kind} {key.decode()}: {needle}" for needle in needles if str(needle) in content]
    return found


async def _read(valkey: Any, kind: str, key: bytes) -> Any:
    match kind:
        case "string":
            return await valkey.get(key)
        case "hash":
            return await valkey.hgetall(key)
        case "set":
            return await valkey.smembers(key)
        case "zset":
            return await valkey.zrange(key, 0, -1)
        case "list":
            return await valkey.lrange(key, 0, -1)
        case "none":  # it expired since its name was read
            return None
        case "stream":
            entries = await valkey.xrange(key)
            return [(entry_id, fields[b"p"], msgspec.msgpack.decode(fields[b"e"])) for entry_id, fields in entries]
    raise AssertionError(f"a key of a kind nobody looks into: {kind} {key!r}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.items():
            yield from _texts(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
    else:
        yield str(value)
