"""Audits of public files: an honest ledger passes, and each way to cheat is found. The operator has the key, and may sign anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from server.ledger.audit import Missing, audit
from server.ledger.entries import BLANK, Choice, Kind
from server.ledger.files import public_files
from server.ledger.notes import Checkpoint, VerifierKey, sign
from server.ledger.recount import Audit
from server.ledger.tree import leaf_hash, root_of
from tests.support.ledger_files import KEY, ORIGIN, entry, publish
from tests.support.witness import Refusal, Witness

UP, DOWN, NONE = Choice.UP, Choice.DOWN, Choice.NONE
# 300 fans vote for song 1; fan 1 changes the vote; fan 2 takes it back; fan 3 is set aside; fan 4 is set aside and counts again.
VOTES = [
    entry(0, 0, NONE, kind=Kind.OPENED),
    *[entry(fan, 1, UP, salt=fan) for fan in range(1, 301)],
    entry(1, 1, DOWN),
    entry(2, 1, NONE),
    entry(3, 0, NONE, kind=Kind.SET_ASIDE),
    entry(4, 0, NONE, kind=Kind.SET_ASIDE),
    entry(4, 0, NONE, kind=Kind.COUNTED),
    entry(5, 2, DOWN),
    entry(0, 0, NONE, kind=Kind.CLOSED),
]
COUNTS = {1: (297, 1, 1, 0), 2: (0, 1, 0, 0), 3: (0, 0, 0, 0)}


async def audited(folder: Path, earlier: str | None = None, witness: VerifierKey | None = None) -> Audit:
    async with public_files(folder.as_uri()) as get:
        return await audit(get, "7", earlier=earlier, witness=witness, settle_s=0)


async def test_an_honest_ledger(tmp_path: Path) -> None:
    """The recount gives the published counts, and a later checkpoint adds to an earlier one."""
    earlier = publish(tmp_path / "a", VOTES[:280], {})
    publish(tmp_path / "b", VOTES, COUNTS)
    found = await audited(tmp_path / "b", earlier)
    assert found.problems == []
    assert found.counts == {song: counts for song, counts in COUNTS.items() if any(counts)}
    assert "the final result has the same counts: 299 votes on 3 songs" in found.facts
    assert "the first 280 entries are those of your checkpoint" in found.facts


def moved(entries: Sequence[bytes], index: int, to: int) -> list[bytes]:
    """The entries with one of them at another place."""
    rest = [*entries[:index], *entries[index + 1 :]]
    return [*rest[:to], entries[index], *rest[to:]]


@pytest.mark.parametrize(
    ("entries", "counts", "problem"),
    [
        ([*VOTES[:10], *VOTES[11:]], COUNTS, "Song 1 (Song 1): the ledger counts 296 up"),  # a vote dropped
        (VOTES, COUNTS | {1: (298, 1, 1, 0)}, "published are 298 up"),  # a vote counted twice
        ([*VOTES[:10], entry(10, 1, DOWN), *VOTES[11:]], COUNTS, "the ledger counts 296 up and 2 down"),  # changed
        (moved(VOTES, 301, 1), COUNTS, "the ledger counts 298 up and 0 down"),  # fan 1's later vote put first
        ([*VOTES, entry(9, 4, UP)], COUNTS, "Song 4 (which is not in the results)"),  # a song hidden
        ([*VOTES, entry(9, 1, UP, show=8)], COUNTS, "Entry 308 is of show 8"),  # an entry of another show
        ([*VOTES, entry(9, 1, UP, kind=99)], COUNTS, "Entry 308 cannot be read"),
        (
            [*VOTES, entry(9, 1, UP, kind=Kind.INHERITED)],
            COUNTS | {1: (298, 1, 1, 0)},
            "1 votes are counted for erased fans",
        ),
    ],
)
async def test_signed_cheating(
    tmp_path: Path, entries: list[bytes], counts: dict[int, tuple[int, int, int, int]], problem: str
) -> None:
    """A ledger that was signed with other votes than the result has is found by the recount."""
    publish(tmp_path, entries, counts)
    problems = (await audited(tmp_path)).problems
    assert any(problem in found for found in problems), problems


@pytest.mark.parametrize(
    ("path", "at", "problem"),
    [
        ("tile/0/000", 32, "tile/1/000.p/1: hash 0 does not follow"),
        ("tile/0/001.p/52", 0, "The tiles do not give the root"),
        ("tile/1/000.p/1", 0, "tile/1/000.p/1: hash 0 does not follow"),
        ("tile/entries/000", 2 + 20, "Entry 0 is not the one that was signed"),
        ("tile/entries/000", 0, "cannot be read"),
        ("checkpoint", 40, ""),
    ],
)
async def test_altered_files(tmp_path: Path, path: str, at: int, problem: str) -> None:
    """A byte of a tile, an entry or the checkpoint that was altered after it was signed is found."""
    publish(tmp_path, VOTES, COUNTS)
    file = tmp_path / "api/shows/7/ledger" / path
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    problems = (await audited(tmp_path)).problems
    assert any(problem in found for found in problems), problems


async def test_a_missing_hash(tmp_path: Path) -> None:
    """A tile that is too short is found, and nothing breaks."""
    publish(tmp_path, VOTES, COUNTS)
    file = tmp_path / "api/shows/7/ledger/tile/0/000"
    file.write_bytes(file.read_bytes()[:-32])
    assert any("has 8160 bytes" in found for found in (await audited(tmp_path)).problems)


async def test_erased_fans(tmp_path: Path) -> None:
    """The entries of an erased fan are blank and their leaves stay; more blank entries than erasures are found."""
    gone = entry(10, 1, UP, salt=10)
    leaves = [leaf_hash(data) for data in VOTES]
    tail = [entry(777, 1, UP, kind=Kind.INHERITED), entry(0, 1, NONE, kind=Kind.ERASED)]
    kept = [BLANK if data == gone else data for data in VOTES]
    publish(tmp_path / "a", [*kept, *tail], COUNTS, leaves=[*leaves, *map(leaf_hash, tail)])
    found = await audited(tmp_path / "a")
    assert found.problems == []
    assert "entries of erased fans: 1; of their votes 1 count, which rests on the word of the server" in found.facts
    publish(tmp_path / "b", [*kept, tail[0]], COUNTS, leaves=[*leaves, leaf_hash(tail[0])])
    problems = (await audited(tmp_path / "b")).problems
    assert "1 entries are blank, and the ledger tells of 0 that erasures have blanked." in problems


async def test_a_rewritten_ledger(tmp_path: Path) -> None:
    """Whoever kept a checkpoint, and a witness, find a ledger that was made anew with the same counts."""
    rewritten = [entry(1, 1, UP, salt=999), *VOTES[1:]]
    earlier = publish(tmp_path / "a", VOTES, COUNTS)
    publish(tmp_path / "b", rewritten, COUNTS)
    publish(tmp_path / "c", VOTES[:200], COUNTS)
    assert "The ledger was rewritten" in (await audited(tmp_path / "b", earlier)).problems[0]
    assert "Entries were taken out" in (await audited(tmp_path / "c", earlier)).problems[0]
    witness, key = Witness(), VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw())
    async with public_files((tmp_path / "a").as_uri()) as get:
        cosigned = await witness.visit(get, "7", key)
        assert await witness.visit(get, "7", key)
    assert (await audited(tmp_path / "a", cosigned, witness.key)).problems == []
    assert "not signed by the key" in (await audited(tmp_path / "a", earlier, witness.key)).problems[0]
    for folder, reason in ((tmp_path / "b", "were rewritten"), (tmp_path / "c", "now has 200")):
        async with public_files(folder.as_uri()) as get:
            with pytest.raises(Refusal, match=reason):
                await witness.visit(get, "7", key)


async def test_what_cannot_be_compared(tmp_path: Path) -> None:
    """Hidden entries and hidden results are said, and are no problem; a new origin is said too."""
    earlier = publish(tmp_path, VOTES[:20], COUNTS, origin="example.org/ledger/0/shows/7")
    publish(tmp_path, VOTES, COUNTS)
    found = await audited(tmp_path, earlier)
    assert found.problems == []
    assert any("goes on under the origin example.org/ledger/1/shows/7" in fact for fact in found.facts)
    foreign = publish(tmp_path / "other", VOTES[:20], COUNTS, origin="example.org/ledger/1/shows/8")
    assert "Your checkpoint is of another show" in (await audited(tmp_path, foreign)).problems[0]
    (tmp_path / "api/shows/7/results").unlink()
    found = await audited(tmp_path)
    assert (found.problems, found.facts[-1]) == ([], "the results are hidden; they were not compared")
    for bundle in (tmp_path / "api/shows/7/ledger/tile/entries").rglob("0*"):
        if bundle.is_file():
            bundle.unlink()
    found = await audited(tmp_path)
    assert (found.problems, found.counts) == ([], None)
    assert "cannot be recounted yet" in found.facts[-1]


def resigned(folder: Path, size: int) -> None:
    """Signs a checkpoint of any size."""
    signed = sign(Checkpoint(ORIGIN, size, bytes(32)), KEY)
    (folder / "api/shows/7/ledger/checkpoint").write_text(signed)


async def test_an_endless_ledger(tmp_path: Path) -> None:
    """A checkpoint with a size beyond reason ends the audit at once, and takes no memory."""
    publish(tmp_path, VOTES, COUNTS)
    resigned(tmp_path, 10**17)
    assert "This program reads at most" in (await audited(tmp_path)).problems[0]


async def test_a_wrong_continuation(tmp_path: Path) -> None:
    """An entry of another origin has to tell the tree before it."""
    root = root_of([leaf_hash(data) for data in VOTES[:280]])
    for told, count in ((root, 0), (bytes(32), 1)):
        goes_on = entry(int.from_bytes(told[:16]), 280, NONE, kind=Kind.CONTINUED)
        publish(tmp_path / str(count), [*VOTES[:280], goes_on, *VOTES[280:]], COUNTS)
        assert len((await audited(tmp_path / str(count))).problems) == count


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"show": {"id": 8, "slug": "s", "name": "Other"}}, "The results are of show 8, and the ledger is of show 7."),
        ({"total": 300}, "The published total is 300"),
        ({"songs": [1, 1]}, "The published results have a song twice."),
    ],
)
async def test_results_that_contradict(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    """Results of another show, with another total, or with a song that is listed twice are found."""
    publish(tmp_path, VOTES, COUNTS)
    file = tmp_path / "api/shows/7/results"
    results = json.loads(file.read_bytes())
    if "songs" in change:
        change = {"songs": [*results["songs"], results["songs"][0]]}
    file.write_text(json.dumps(results | change))
    assert any(problem in found for found in (await audited(tmp_path)).problems)


async def test_another_show_than_asked(tmp_path: Path) -> None:
    """A server that answers with the ledger of another show is found when the show was asked for by its number."""
    publish(tmp_path, VOTES, COUNTS)
    (tmp_path / "api/shows/7").rename(tmp_path / "api/shows/9")
    async with public_files(tmp_path.as_uri()) as get:
        assert "You asked for show 9" in (await audit(get, "9", settle_s=0)).problems[0]


@pytest.mark.parametrize("content", [b"[" * 100_000, b"{}", b'{"songs": 1}', b'{"show": {"id": 1e999}}', b"\xff"])
async def test_results_that_are_none(tmp_path: Path, content: bytes) -> None:
    """Results that cannot be read end the audit with a sentence."""
    publish(tmp_path, VOTES, COUNTS)
    (tmp_path / "api/shows/7/results").write_bytes(content)
    with pytest.raises(Missing, match="is no result"):
        await audited(tmp_path)


async def test_counts_that_move_without_votes(tmp_path: Path) -> None:
    """A server whose counts are others each time, so that they never can be compared, is found by its ledger, which stays."""
    publish(tmp_path, VOTES, COUNTS)
    publish(tmp_path / "later", VOTES, COUNTS | {1: (298, 1, 1, 0)})
    async with public_files(tmp_path.as_uri()) as get, public_files((tmp_path / "later").as_uri()) as get_later:
        asked: list[str] = []

        async def moving(path: str) -> bytes:
            asked.append(path)
            return await (get_later if asked.count("api/shows/7/results") > 1 else get)(path)

        problems = (await audit(moving, "7", settle_s=0)).problems
    assert problems == ["The published counts have changed during the audit, and the ledger has no entry of it."]


async def test_hidden_entries_of_public_results(tmp_path: Path) -> None:
    """A server that shows counts and hides some of the entries that they come from says a thing that cannot be."""
    publish(tmp_path, VOTES, COUNTS)
    (tmp_path / "api/shows/7/ledger/tile/entries/001.p/52").unlink()
    problems = (await audited(tmp_path)).problems
    assert problems == ["The results are public, but the server hides the entries that they come from."]


async def test_late_votes_are_told(tmp_path: Path) -> None:
    """A vote with a time after the closing is told; the clocks of an honest server may differ, so it is no problem."""
    publish(tmp_path, [*VOTES, entry(9, 2, DOWN, time_ms=2)], COUNTS | {2: (0, 2, 0, 0)})
    found = await audited(tmp_path)
    assert found.problems == []
    assert any(fact.startswith("votes with a time after voting had closed: 1;") for fact in found.facts)
