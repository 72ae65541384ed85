"""Sends many HTTP requests of a crowd, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from server.client.http import CONNECTIONS_MAX, HttpClient, Session, Show

SIGN_INS_AT_ONCE_MAX = CONNECTIONS_MAX
SHOWS_AT_ONCE_MAX = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


async def bounded_map(items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], count_max: int) -> list[Result]:
    """Runs `work` for every item, at most `count_max` at a time.

    Gives:  the results, in the order of the items
    Raises: the first error of `work`, unwrapped; the other runs are cancelled
    """
    todo = list(enumerate(items))[::-1]
    results: dict[int, Result] = {}

    async def run() -> None:
        while todo:
            index, item = todo.pop()
            results[index] = await work(item)

    tasks = [asyncio.ensure_future(run()) for _ in range(min(count_max, len(todo)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [results[index] for index in range(len(results))]


async def sign_in_many(http: HttpClient, count: int) -> list[Session]:
    """Creates `count` anonymous users.

    Raises: Unreachable
    """
    return await bounded_map(range(count), lambda _: http.sign_in(), SIGN_INS_AT_ONCE_MAX)


async def fetch_shows(http: HttpClient, ids: Iterable[int]) -> dict[int, Show]:
    """Fetches several shows; gives show id -> show.

    Raises: SetupError: a show does not exist; Unreachable
    """
    shows = await bounded_map(ids, http.show, SHOWS_AT_ONCE_MAX)
    return {show.id: show for show in shows}
