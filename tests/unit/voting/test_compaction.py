"""Log entries are compacted into the rows of one transaction."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.protocol.positions import position_of, stream_id
from server.voting.compaction import ShardBatch, compact, take_entries
from server.voting.log import Entry, decode_entry, read_commands

# PostgreSQL refuses a payload of this many bytes.
NOTIFY_BYTES_LIMIT = 8000


def entry(position: int, *casts: list[int], previous: int = 0) -> Entry:
    return Entry(position, previous, list(casts))


def vote(user: int, song: int, code: int, *, show: int = 7, day: int = 20_000, spent: int = 1) -> list[int]:
    return [show, user, song, code, day, spent]


def test_the_last_choice_of_a_user_and_song_wins() -> None:
    """Up, down and withdrawn in one batch leave the withdrawal, with the instant of its entry."""
    first, last = position_of(1_000, 0), position_of(1_005, 3)
    compacted = compact(
        [ShardBatch(7, 0, [entry(first, vote(1, 101, 1), vote(1, 101, 2)), entry(last, vote(1, 101, 0))])]
    )
    assert compacted.votes == {(101, 1): (7, None, 1_005)}
    assert compacted.cast_count == 3


def test_users_and_songs_do_not_mix() -> None:
    """Two users on one song and one user on two songs are four different votes."""
    casts = [vote(1, 101, 1), vote(2, 101, 2), [7, 1, 102, 2, 103, 1, 20_000, 2]]
    compacted = compact([ShardBatch(7, 0, [entry(position_of(5, 0), *casts)])])
    assert {key: choice for key, (_, choice, _) in compacted.votes.items()} == {
        (101, 1): "up", (101, 2): "down", (102, 1): "down", (103, 1): "up",
    }  # fmt: skip


def test_every_show_with_votes_has_the_position_of_its_batch() -> None:
    """A show with votes early in a batch gets the position of the batch's last entry, like all others of the shard."""
    end = position_of(9, 1)
    batch = ShardBatch(7, 0, [entry(position_of(9, 0), vote(1, 101, 1)), entry(end, vote(1, 201, 1, show=23))])
    assert compact([batch]).shows == {7: end, 23: end}


def test_the_largest_number_spent_in_a_day_counts() -> None:
    """The number only grows within a day, so the largest one is the newest, in any order of shards."""
    batches = [
        ShardBatch(7, 0, [entry(position_of(9, 0), vote(1, 101, 1, spent=5), vote(1, 102, 1, spent=6))]),
        ShardBatch(8, 0, [entry(position_of(8, 0), vote(1, 301, 1, show=8, spent=4, day=20_000))]),
        ShardBatch(9, 0, [entry(position_of(9, 0), vote(1, 401, 1, show=9, spent=1, day=20_001))]),
    ]
    assert compact(batches).spent == {(1, 20_000): 6, (1, 20_001): 1}


def test_a_withdrawal_on_a_new_day_is_recorded() -> None:
    """Zero votes spent is a number too."""
    assert compact([ShardBatch(7, 0, [entry(position_of(9, 0), vote(1, 101, 0, spent=0))])]).spent == {(1, 20_000): 0}


@pytest.mark.parametrize(
    ("old", "links", "is_forked"),
    [
        (10, [(10, 11), (11, 12)], False),
        (10, [(9, 11), (11, 12)], True),
        (10, [(10, 11), (10, 12)], True),
        (0, [(0, 11)], False),
        (0, [(5, 11)], True),
    ],
)
def test_a_fork_is_an_entry_that_does_not_follow(old: int, links: list[tuple[int, int]], is_forked: bool) -> None:
    """The first entry must follow the committed position, each other entry the one before it."""
    entries = [entry(position, previous=previous) for previous, position in links]
    assert ShardBatch(7, old, entries).is_forked is is_forked


def sizes(batches: list[ShardBatch]) -> dict[int, int]:
    return {batch.shard: len(batch.entries) for batch in batches}


def batch_of(shard: int, entry_count: int, votes_each: int, *, first_ms: int = 1_000) -> ShardBatch:
    casts = [vote(user, 101, 1, show=shard) for user in range(1, votes_each + 1)]
    return ShardBatch(shard, 0, [entry(position_of(first_ms + n, 0), *casts) for n in range(entry_count)])


def test_a_log_below_the_limit_is_taken_whole() -> None:
    """Below the limit nothing stays in the log."""
    assert sizes(take_entries([batch_of(1, 3, 2), batch_of(2, 1, 4)], 10)) == {1: 3, 2: 1}


def test_an_entry_is_never_split() -> None:
    """An entry larger than the rest of the limit is taken whole, and the next one waits."""
    assert sizes(take_entries([batch_of(1, 3, 4)], 5)) == {1: 2}


def test_at_least_one_entry_is_taken() -> None:
    """An entry larger than the limit is taken too: otherwise the writer would stop."""
    assert sizes(take_entries([batch_of(1, 2, 50)], 5)) == {1: 1}


def test_the_oldest_entries_go_first() -> None:
    """A shard with a long backlog does not delay a shard whose only entry is older than most of it."""
    taken = take_entries([batch_of(1, 5, 10, first_ms=2_000), batch_of(2, 1, 10, first_ms=1_000)], 10)
    assert sizes(taken) == {2: 1}


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 30)), max_size=6), st.integers(1, 60))
def test_a_prefix_of_every_log_is_taken(shape: list[tuple[int, int]], votes_max: int) -> None:
    """The first entries of every shard are taken and none is skipped: a gap would be a lost vote."""
    batches = [batch_of(shard, *sizes_) for shard, sizes_ in enumerate(shape)]
    by_shard = {batch.shard: batch.entries for batch in batches}
    taken = take_entries(batches, votes_max)
    for batch in taken:
        assert batch.entries
        assert batch.entries == by_shard[batch.shard][: len(batch.entries)]
    assert bool(taken) == bool(batches)


def test_a_stream_entry_is_decoded() -> None:
    """An answer of XREAD becomes an entry with its predecessor and its casts."""
    raw = [b"p", b"1024", b"e", msgspec.msgpack.encode([[7, 9, 101, 1, 20_000, 3]])]
    assert decode_entry(b"2-5", raw) == Entry(position_of(2, 5), 1024, [[7, 9, 101, 1, 20_000, 3]])


def test_the_log_is_read_after_the_committed_positions() -> None:
    """Keys and positions are in the same order, as XREAD needs them."""
    command = read_commands({3: position_of(5, 6), 11: 0}, block_ms=200, count=100)
    assert command == (
        "XREAD",
        "COUNT",
        100,
        "BLOCK",
        200,
        "STREAMS",
        "{3}:log",
        "{11}:log",
        stream_id(5 << 10 | 6),
        "0-0",
    )
    assert "BLOCK" not in read_commands({3: 0}, block_ms=None, count=1)
