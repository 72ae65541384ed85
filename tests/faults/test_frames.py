"""Every frame is a state that was: its counts are those of the log up to its position, whatever dies meanwhile."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Place
from tests.support import frames
from tests.support.audit import differences, settled
from tests.support.open_shows import make_shows
from tests.support.recording_crowd import Crowd

pytestmark = pytest.mark.timeout(120)

# More songs than one notification can hold, and casts of many of them, so that a commit is announced in parts.
SONGS = 200
SONGS_PER_CAST_MAX = 40


async def test_every_frame_is_a_state_that_was(place: Place) -> None:
    """Nodes, PostgreSQL and Valkey are killed under load. No push repeats a position, totals are sums, and each frame has
    the counts of the log up to its position; so watchers with one position hold the same counts.
    """
    shows = [*place.shows, *await make_shows(place.database_url, songs=SONGS)]
    nodes = [await place.start_node(MYSETLIST_VOTES_PER_DAY="100000000") for _ in range(2)]
    begun_bytes = place.engines.log_bytes()
    async with (
        Crowd.voting(nodes, shows, place.users, songs_max=SONGS_PER_CAST_MAX) as crowd,
        frames.watching(nodes, shows) as watchers,
    ):
        await crowd.more(60)
        place.engines.kill("postgres")
        await crowd.more(20, "accepted")
        place.engines.revive("postgres")
        await crowd.more(60)
        await nodes[0].kill()
        await crowd.more(60)
        await nodes[0].start()
        place.engines.kill("valkey")
        await crowd.more(1, "unknown")
        place.engines.revive("valkey")
        await crowd.more(60)
        assert await settled(crowd, place.database_url, place.redis_url, may_lose_accepted=True) == []
        entries, _ = frames.logged(place.engines.log_path, begun_bytes)
        ledgers = {show.id: frames.Ledger(show, entries) for show in shows}
        wrong = frames.wrong_frames(watchers, ledgers)
        assert not wrong, "\n".join([f"{len(wrong)} of {sum(len(w.frames) for w in watchers)}", *wrong[:20]])
        # It would prove nothing without frames, or with a ledger that is not the one of the database.
        assert sum(len(watcher.frames) for watcher in watchers) > 300
        assert await differences(place.database_url, place.redis_url) == []
        for show in shows:
            assert ledgers[show.id].end == await frames.stored(place.database_url, show)
