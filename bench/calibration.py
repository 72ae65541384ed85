"""How fast this machine is now: three fixed pieces of work, whose times a result is compared with."""

from __future__ import annotations

import socket
import time

import asyncpg
from send_loop import send_loop

PYTHON_STEPS = 2_000_000
SOCKETS = 100
SEND_ROUNDS = 200
FRAME = b"x" * 92
ROWS = 50_000


async def calibrate(database_url: str) -> dict[str, float | str]:
    """Takes the three times.

    Gives:  python_ms, a loop of PYTHON_STEPS additions; send_us, the CPU of one `send()` of 92 bytes in a loop over SOCKETS
            sockets, and the language of this loop; insert_ms, the insert of ROWS rows by one statement and its commit
    """
    python_ms = _python_ms()
    language, send_us = _send_us()
    return {
        "python_ms": python_ms,
        "send_us": send_us,
        "send_language": language,
        "insert_ms": await _insert_ms(database_url),
    }


def _python_ms() -> float:
    began_s = time.process_time()
    total = 0
    for number in range(PYTHON_STEPS):
        total += number
    return round((time.process_time() - began_s) * 1000, 1)


def _send_us() -> tuple[str, float]:
    language, broadcast = send_loop()
    with socket.create_server(("127.0.0.1", 0), backlog=SOCKETS) as listener:
        near = [socket.create_connection(listener.getsockname()) for _ in range(SOCKETS)]
        far = [listener.accept()[0] for _ in range(SOCKETS)]
    spent_s = 0.0
    for _ in range(SEND_ROUNDS):
        before_s = time.process_time()
        broadcast(near, FRAME)
        spent_s += time.process_time() - before_s
        for one in far:
            one.recv(4096)
    for one in (*near, *far):
        one.close()
    return language, round(spent_s / SEND_ROUNDS / SOCKETS * 1e6, 3)


async def _insert_ms(database_url: str) -> float:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "drop table if exists calibration; create table calibration (id bigint primary key, text text)"
        )
        began_s = time.monotonic()
        await connection.execute(
            f"insert into calibration select number, 'row ' || number from generate_series(1, {ROWS}) as number"
        )
        return round((time.monotonic() - began_s) * 1000, 1)
    finally:
        await connection.execute("drop table if exists calibration")
        await connection.close()
