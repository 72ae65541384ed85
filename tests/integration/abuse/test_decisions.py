"""Notes of decisions that are not applied are handed in, each once."""

from __future__ import annotations

from typing import Any

from server.abuse.decisions import Decisions
from server.errors import Refused
from server.protocol.codes import Code
from server.store.database import Database
from tests.support.row_factory import RowFactory
from tests.support.vote_path import SHARD_COUNT


async def test_one_note_of_a_group_is_on_its_way_at_a_time(factory: RowFactory, database: Database) -> None:
    """By the node that commits the shard alone, and again only when the log went on without the note, or left a part to do."""
    await factory.show(7)
    group = await factory.vote_group(7, await factory.users(2))
    await factory.decide(group, "set_aside")
    handed_in: list[Any] = []
    held: set[int] = set()
    decisions = Decisions(database, lambda *note: handed_in.append(note), lambda: held, shard_count=SHARD_COUNT)
    other = Decisions(database, lambda *note: handed_in.append(note), set, shard_count=SHARD_COUNT)

    async def count() -> int:
        await decisions.hand_in_undone()
        await other.hand_in_undone()
        return len(handed_in)

    held.add(7)
    # The request of staff hands its own note in; only a late one is lost.
    assert await count() == 0
    await factory.sql.execute("update vote_groups set decided_at = now() - interval '1 minute'")
    assert await count() == 1
    (noted_group, noted_show, note) = handed_in[0]
    assert (noted_group, noted_show) == (group, 7)
    assert await count() == 1
    # The writer lags.
    note.answered(1_000, "accepted", "", None)
    assert await count() == 1
    # The log lost it, and goes on.
    await factory.sql.execute("update log_positions set position = 1000 where shard = 7")
    assert await count() == 2
    # A commit applied a part.
    decisions.committed([group])
    assert await count() == 3
    held.clear()
    assert await count() == 3
    # Another node had the shard meanwhile.
    held.add(7)
    assert await count() == 4
    handed_in[3][2].refused(Refused(Code.UNAVAILABLE, "Valkey does not answer."))
    assert await count() == 5
