"""Every kind of transaction that locks rows of several tables, on rows that all of them want: one coroutine each, by its name.

A new path goes into the module of its subject, and its row into docs/data-model.md. It is then found by itself.
"""

from __future__ import annotations

import inspect

from tests.support.lock_paths import catalogue, messages, people, syncs, votes
from tests.support.lock_paths.world import Transaction

PATHS: dict[str, Transaction] = {
    name: path
    for module in (votes, catalogue, syncs, people, messages)
    for name, path in vars(module).items()
    if inspect.iscoroutinefunction(path) and path.__module__ == module.__name__ and not name.startswith("_")
}
