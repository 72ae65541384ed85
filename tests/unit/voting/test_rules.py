"""The packed forms of casts and ballots, and the shard of a show."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Refused
from server.voting.rules import CHOICE_CODES, CHOICES, ballot_json, ballot_of, pack_cast, shard_of

SONGS = st.integers(1, 2**53 - 1)


def test_a_cast_is_packed_as_the_script_reads_it() -> None:
    """Show and user come first, then song and code of each vote."""
    assert pack_cast(7, 9, [(101, "up"), (102, "down"), (103, "none")]) == [7, 9, 101, 1, 102, 2, 103, 0]


def test_a_cast_without_votes_asks_for_the_ballot() -> None:
    """Without a song, only show and user are packed."""
    assert pack_cast(7, 9, []) == [7, 9]


@pytest.mark.parametrize("choices", [("up", "up"), ("up", "down"), ("none", "up")])
def test_the_same_song_twice_is_refused(choices: tuple[str, str]) -> None:
    """It is unclear which of two choices is meant, so the cast is refused even when they agree."""
    with pytest.raises(Refused) as refusal:
        pack_cast(7, 9, [(101, choices[0]), (102, "up"), (101, choices[1])])
    assert refusal.value.code == "bad_request"


def test_codes_and_choices_are_each_others_inverse() -> None:
    """Each number of the script stands for one choice of the database; withdrawing a vote stands for no choice."""
    assert {name: CHOICES[code] for name, code in CHOICE_CODES.items()} == {"none": None, "up": "up", "down": "down"}


@given(st.dictionaries(SONGS, st.sampled_from(["up", "down"]), max_size=40))
def test_a_ballot_is_read_back_as_it_was_written(ballot: dict[int, str]) -> None:
    """The packed form, the dictionary and the JSON say the same, in the same order."""
    packed = "".join(f"{song}{choice[0]}" for song, choice in ballot.items())
    assert ballot_of(packed) == ballot
    assert list(json.loads(ballot_json(packed)).items()) == [(str(song), choice) for song, choice in ballot.items()]


@given(st.integers(1, 2**53 - 1), st.integers(1, 256))
def test_every_show_has_one_shard(show_id: int, shard_count: int) -> None:
    """The shard of a show is one of the shards, and the next id has the next shard."""
    shard = shard_of(show_id, shard_count)
    assert 0 <= shard < shard_count
    assert shard_of(show_id + 1, shard_count) == (shard + 1) % shard_count
