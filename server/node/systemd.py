"""Tells systemd how the node is: ready, alive, stopping (sd_notify(3)). Under anything else it does nothing."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()


def _tell(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # "@" stands for the zero byte of an abstract address.
    address = address.replace("@", "\0", 1) if address[0] == "@" else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(state.encode(), address)
    except OSError as error:
        log.warning("systemd.not_told", state=state, error=str(error))


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def _feed_watchdog(period_s: float) -> None:
    """Shows that the event loop still turns: three times in each period of the watchdog."""
    while True:
        _tell("WATCHDOG=1")
        await asyncio.sleep(period_s / 3)


@asynccontextmanager
async def ready_for_systemd() -> AsyncIterator[Callable[[], None]]:
    """Tells systemd that the service is ready, feeds its watchdog inside the block, and tells it at the end that it stops.

    Gives: what ends the feeding, when a child process feeds the watchdog from now on
    """
    _tell("READY=1")
    async with fed_watchdog() as stop_feeding:
        try:
            yield stop_feeding
        finally:
            _tell("STOPPING=1")


@asynccontextmanager
async def fed_watchdog() -> AsyncIterator[Callable[[], None]]:
    """Feeds the watchdog inside the block: of this service, or as the child that serves in place of its first process."""
    period_us = os.environ.get("WATCHDOG_USEC", "")
    if not period_us.isdecimal() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        yield lambda: None
        return
    watchdog = asyncio.create_task(_feed_watchdog(int(period_us) / 1e6), name="systemd-watchdog")
    try:
        yield lambda: _cancel(watchdog)
    finally:
        watchdog.cancel()
