"""The rare states that the runs have reached."""

from __future__ import annotations

from collections import Counter


class Seen(Counter[str]):
    """How often each state was reached."""

    def add(self, state: str) -> None:
        """Notes that a state was reached."""
        self[state] += 1


# What the seeds of `make test` have to reach.
RARE = (
    "a call of Valkey was cut before it ran",
    "a cast was answered HELD",
    "a cast was answered LOCKED",
    "a cast was answered OVERTAKEN",
    "a cast was answered SHOW_BUDGET",
    "a commit whose answer was lost",
    "a deposed writer was fenced off",
    "a listening connection was cut",
    "a notification came twice",
    "a notification was lost",
    "a second writer of a shard was fenced off",
    "a shard was reset",
    "a show became cold again before its cast came back",
    "a show became final",
    "a statement was overtaken by later ones",
    "a statement waited for a shard's row",
    "a vote was accepted first and durable later",
    "a warm-up older than the barrier was refused",
    "an acknowledgement for a discarded entry was refused",
    "casts were logged and the answer was lost",
    "counts were shown whose votes Valkey then lost",
    "notifications came in another order",
    "PostgreSQL restarted",
    "the database refused a vote that Valkey had taken",
    "two casts of a fan were in one batch",
    "Valkey restarted with an older log",
    "Valkey was emptied",
    "Valkey was full and refused a write",
)
