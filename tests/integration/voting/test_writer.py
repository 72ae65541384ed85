"""The writer on real engines, with logs in difficult states."""

from __future__ import annotations

import pytest

from server.clock import SystemClock
from server.voting import writer as writer_module
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import VotePath


class HurriedClock(SystemClock):
    """A clock that moves a fifth of a second at each reading, so that nearly every round is followed by maintenance."""

    def __init__(self) -> None:
        self._elapsed_s = 0.0

    def monotonic_s(self) -> float:
        """0.2 s more than the reading before."""
        self._elapsed_s += 0.2
        return self._elapsed_s

    def now_ms(self) -> int:
        """Not used here."""
        return 0


async def test_a_backlog_of_one_shard_loses_no_votes_of_another(
    vote_path: VotePath, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard that waits while another shard's long backlog is written is not taken for a shard that lost its log."""
    monkeypatch.setattr(writer_module, "BATCH_VOTES_MAX", 1)
    busy, quiet = await factory.show(16), await factory.show(5)
    users = await factory.users(12)
    for user in users:
        assert (await vote_path.cast(busy.id, user, (busy.first, "up"))).code == "ok"
    assert (await vote_path.cast(quiet.id, users[0], (quiet.first, "down"))).code == "ok"
    async with vote_path.writer(HurriedClock()):
        await until(vote_path.is_drained)
    assert (await factory.tally(quiet.id))[0] == [quiet.first, 0, 1]
    assert (await factory.tally(busy.id))[0] == [busy.first, len(users), 0]
    assert await factory.counted(busy.id) == await factory.tally(busy.id)
