"""A thousand simulations of the vote path or more: whatever goes wrong in whatever order, what must always hold does (docs/simulation.md)."""

from __future__ import annotations

import secrets

import pytest

from tests.simulation.engines import simulated_engines
from tests.simulation.seen import RARE, Seen
from tests.simulation.world import Violation, World, play

SEEDS = 1_000
# The rarest state comes once in a thousand seeds. From here a thousand reach it; after a change of timing it may take more.
FIRST_SEED = 1_000
SEEDS_MAX = 4_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_seeds_hold_and_reach_every_rare_state() -> None:
    """No seed breaks a promise, and together they reach what happens rarely: a run that never gets there proves nothing."""
    seen = Seen()
    with simulated_engines():
        for count in range(1, SEEDS_MAX + 1):
            play(FIRST_SEED + count - 1, seen)
            if count >= SEEDS and all(seen[state] for state in RARE):
                break
    assert [state for state in RARE if not seen[state]] == []


def test_a_seed_gives_the_same_steps_again() -> None:
    """A failed seed can be played again to the same step."""
    with simulated_engines():
        for seed in (3, 17):
            worlds = [World(seed, Seen(), is_traced=True) for _ in range(2)]
            for world in worlds:
                world.run()
            assert worlds[0].loop.trace == worlds[1].loop.trace
            assert worlds[0].loop.step > 300


def test_a_violation_tells_its_seed_and_its_steps() -> None:
    """A failed seed is played again, and the steps before the end are told."""
    told: list[str] = []
    with simulated_engines(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "_check_fan", lambda world, _show, _user: world.fail("as if a vote were lost"))
        with pytest.raises(Violation, match=r"^seed 5, step \d+: as if a vote were lost"):
            play(5, Seen(), tell=told.append)
    assert told[-1].endswith("VIOLATION: as if a vote were lost")
    assert len(told) > 100


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_seeds_that_nobody_has_played() -> None:
    """Other seeds in every night."""
    first = secrets.randbelow(1 << 40)
    with simulated_engines():
        for seed in range(first, first + 20 * SEEDS):
            play(seed, Seen())
