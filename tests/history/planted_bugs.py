"""Bugs that a soak has to find, planted one at a time into a copy of the sources: replacements in the text of a file.

    python -m tests.history.planted_bugs [NAME …]        # plants each one, and prints after how many rounds it was found
    python -m tests.history.planted_bugs --table         # the table of docs/planted-bugs.md

Together with those of tests/simulation/planted_bugs.py, which the simulation finds, they are more than thirty.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulation.planted_bugs import BUGS as BUGS_OF_SIMULATION

ROOT = Path(__file__).parents[2]
# A crowd that a busy machine can serve: what is sought is wrong, not rare.
ROUND_S, ROUNDS_MAX = 10, 5
_LOAD = f"--fans 150 --watchers 24 --rate 2500 --minutes {ROUNDS_MAX} --seconds {ROUND_S} --bare --until-wrong".split()
_COPIED = ("server", "tests", "bench", "migrations", "static", "deploy", "docs")


@dataclass(frozen=True)
class Bug:
    """A replacement. path: of the file, or "function NAME": the newest migration that defines this function.

    why: what it breaks; rule: one that says so, or several with "or" between where it depends on the moment; faults: under which it shows, "none": under none; found_after: rounds of ROUND_S until
    it was found, when it was planted for this table; 0: it was found, and nobody counted
    """

    path: str
    old: str
    new: str
    why: str
    rule: str
    faults: str = "none"
    found_after: int = 0

    def file(self, root: Path = ROOT) -> Path:
        """The file that it changes."""
        if not self.path.startswith("function "):
            return root / self.path
        name = self.path.removeprefix("function ")
        defines = (f"create function {name}(", f"create or replace function {name}(")
        found = [
            path
            for path in sorted((root / "migrations").glob("2*.sql"))
            if any(one in path.read_text().partition("migrate:down")[0] for one in defines)
        ]
        return found[-1]

    def planted(self, root: Path = ROOT) -> str:
        """The text of the file with the bug in it. What goes back to an older version is left alone."""
        text, down, older = self.file(root).read_text().partition("-- migrate:down")
        assert text.count(self.old) == 1, f"this text is {text.count(self.old)} times in {self.file(root)}: {self.old}"
        return text.replace(self.old, self.new) + down + older

    @property
    def rules(self) -> list[str]:
        """The rules, one of which is violated."""
        return self.rule.split(" or ")

    def is_named_in(self, wrong: list[str]) -> bool:
        """Whether what a soak found wrong is what this bug breaks."""
        return any(rule in text for rule in self.rules for text in wrong)


_OLDER = "A to Valkey: delayed, A to Valkey: stalled"
BUGS = {
    "a cast that changes nothing is not logged": Bug(
        "server/voting/cast.lua",
        "    entry[#entry + 1] = cast\n    return {0, ballot, show.budget",
        "    if #moves > 0 then entry[#entry + 1] = cast end\n    return {0, ballot, show.budget",
        "its first copy may have been lost, and its fan is told that it is committed",
        "a committed vote is in PostgreSQL",
        found_after=1,
    ),
    "a changed vote stays in the hot count": Bug(
        "server/voting/cast.lua",
        "            if held then song[held] = song[held] - 1 end\n",
        "",
        "who subscribes is shown a vote up and down at once",
        "every frame is a state that was",
        "node A killed, node B killed",
        found_after=1,
    ),
    "an older cast wins": Bug(
        "server/voting/cast.lua",
        "    if order > 0 and order <= held_order and #moves > 0 then return {11} end\n",
        "",
        "a cast that was held up on a slow node undoes the fan's last one",
        "an older cast changes nothing",
        _OLDER,
        found_after=1,
    ),
    "a withdrawn vote stays in the ballot": Bug(
        "server/voting/cast.lua",
        "(wanted and song.id .. wanted or '')",
        "song.id .. (wanted or held)",
        "the hot ballot and the rows differ from then on",
        "a ballot is what its fan voted",
        found_after=1,
    ),
    "answers of a batch are mixed up": Bug(
        "server/voting/intake.py",
        "        for cast, answer in zip(casts, answers, strict=True):\n            code = answer[0]",
        "        for cast, answer in zip(casts, answers[1:] + answers[:1], strict=True):\n            code = answer[0]",
        "a fan gets the answer of another fan, whose cast may be refused or cold",
        "a committed vote is in PostgreSQL",
        found_after=1,
    ),
    "an unknown outcome is told as a refusal": Bug(
        "server/voting/casts.py",
        "            error = Refused(Code.UNAVAILABLE, message,",
        "            error = Refused(Code.OVERLOADED, message,",
        "Valkey may have taken the cast before its answer was lost",
        "a refused cast has no effect",
        "Valkey killed, A to Valkey: cut, B to Valkey: cut, A to Valkey: stalled",
        found_after=1,
    ),
    "an answer names a later position": Bug(
        "server/voting/pending_acks.py",
        "        self._answers.extend([(ack, entry.position, durability) for ack in entry.acks])",
        "        self._answers.extend([(ack, entry.position + 1, durability) for ack in entry.acks])",
        "the position of an acknowledgement is not that of its entry",
        "an answer names the entry of its cast",
        found_after=1,
    ),
    "counts from Valkey have a later position": Bug(
        "server/voting/tally.lua",
        "return {last, rules[1]",
        "return {string.format('%d', tonumber(last) + 204800), rules[1]",
        "a state claims votes that it does not have",
        "every frame is a state that was",
        "node A killed, node B killed",
        found_after=1,
    ),
    "the history leaves withdrawals out": Bug(
        "function commit_votes",
        "        select show_id, setlist_song_id, user_id, previous, choice, cast_at from changed\n",
        "        select show_id, setlist_song_id, user_id, previous, choice, cast_at from changed where choice is not null\n",
        "the history does not lead to the votes any more",
        "the history has each change once",
        found_after=1,
    ),
    "a changed vote stays in the count": Bug(
        "function commit_votes",
        "(choice is not distinct from 'down')::integer - (previous is not distinct from 'down')::integer as down",
        "(choice is not distinct from 'down')::integer as down",
        "votes that were withdrawn or changed still count",
        "the counts are those of the log",
        found_after=1,
    ),
    "the fence lets overtaken writers through": Bug(
        "function commit_votes",
        "        changed_count := -1;\n        return;\n",
        "        null;\n",
        "two writers commit the same entries",
        "an entry is committed once or the history has each change once or every frame is a state that was",
        "leases lost, node A stopped, node B stopped",
        found_after=1,
    ),
    "a commit has the time of its last entry": Bug(
        "server/voting/compaction.py",
        "            cast_ms = entry.position >> SEQ_BITS\n",
        "            cast_ms = new_position >> SEQ_BITS\n",
        "a vote cast before the end may count as late",
        "the history has each change once",
        found_after=1,
    ),
    "a batch forgets its first entry": Bug(
        "server/voting/compaction.py",
        "        for entry in batch.entries:\n            cast_ms",
        "        for entry in batch.entries[1:] or batch.entries:\n            cast_ms",
        "votes are told as committed and never written",
        "the history has each change once",
        found_after=1,
    ),
    "a push leaves songs out": Bug(
        "server/live/states.py",
        "[self._counts[song] for song in self._changed]",
        "[self._counts[song] for song in list(self._changed)[:8]]",
        "watchers keep old counts of a song until it changes again",
        "every frame is a state that was",
        found_after=1,
    ),
    "a total does not follow its counts": Bug(
        "server/live/states.py",
        "        if is_new or total != self.total:\n            self.total = total\n",
        "        if is_new or total != self.total:\n            self.total = max(total, self.total)\n",
        "a total never falls",
        "every frame is a state that was",
        found_after=1,
    ),
    "who comes back with an older position gets no state": Bug(
        "server/live/joining.py",
        "        elif since.get(name) == state.at:\n",
        "        elif since.get(name, 0) > 0:\n",
        "the client keeps old counts under a new position",
        "every frame is a state that was",
        found_after=1,
    ),
    "a note for the ledger is lost": Bug(
        "function note_casts_for_ledger",
        "max(cast_at) from added group by show_id;",
        "max(cast_at) from added group by show_id having count(*) % 7 > 0;",
        "votes are counted that nobody can recount",
        "the ledger recounts",
        found_after=1,
    ),
    "entries of the ledger are in another order": Bug(
        "server/ledger/growing.py",
        "        return entries.tobytes()\n",
        "        return entries[::-1].tobytes()\n",
        "of two votes of a fan on a song the first one counts",
        "the ledger recounts",
        found_after=1,
    ),
    "a checkpoint is committed before its entries": Bug(
        "server/ledger/sequencer.py",
        '            raise StoreUnavailable("another node has appended")\n',
        '            raise StoreUnavailable("another node has appended")\n'
        '        await connection.execute("commit")\n'
        "        await asyncio.sleep(0.2)\n"
        '        await connection.execute("begin")\n',
        "a crash in between leaves a signed tree without its leaves",
        "the ledger recounts",
        "ledger lost",
        found_after=2,
    ),
    "a checkpoint signs one entry too few": Bug(
        "server/ledger/growing.py",
        "Checkpoint(self._origin, self.size, self.frontier.root())",
        "Checkpoint(self._origin, self.size - 1, self.frontier.root())",
        "its root is that of another tree",
        "the ledger recounts",
        found_after=1,
    ),
    "upper tiles are not kept": Bug(
        "server/ledger/growing.py",
        "self.nodes |= self.frontier.append(hashes)",
        "self.frontier.append(hashes)",
        "proofs and tiles above the leaves are missing",
        "the ledger recounts",
        found_after=1,
    ),
    "a receipt has the vote of another fan": Bug(
        "server/ledger/routes.py",
        'if data[FAN_AT : FAN_AT + FAN_BYTES] == row["pseudonym"] and index',
        "if index",
        "a fan cannot prove their own vote, and sees what others voted",
        "a receipt proves its fan's votes",
        found_after=1,
    ),
}


def play(bug: Bug, folder: Path) -> dict[str, Any]:
    """Runs a soak with a bug until something is wrong. Takes: folder, an empty one for the sources. Gives: what the soak prints."""
    for name in _COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    bug.file(folder).write_text(bug.planted(folder))
    command = [sys.executable, "bench/soak.py", *_LOAD, "--faults", bug.faults]
    played = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert played.returncode == 1, f"{played.returncode}: {played.stderr[-3_000:]}"
    assert played.stdout, f"the soak itself failed: {played.stderr[-3_000:]}"
    return dict(json.loads(played.stdout))


def table() -> list[str]:
    """The rows of docs/planted-bugs.md."""
    by_soak = [
        f"| {name} | {bug.why} | a soak{'' if bug.faults == 'none' else f', under: {bug.faults}'} | {bug.rule} | {_time(bug)} |"
        for name, bug in BUGS.items()
    ]
    by_simulation = [
        f"| {name} | `{bug.module}` | the simulation | | {bug.found_after + 1} seeds |"
        for name, bug in BUGS_OF_SIMULATION.items()
    ]
    return by_soak + by_simulation


def _time(bug: Bug) -> str:
    return f"{bug.found_after * ROUND_S} s" if bug.found_after else f"{ROUNDS_MAX * ROUND_S} s at most"


def _main(names: list[str]) -> None:
    for name in names or BUGS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = play(BUGS[name], Path(folder))
            except AssertionError as error:
                print(f"NOT FOUND: {name}: {error}", flush=True)
                continue
        is_right = BUGS[name].is_named_in(found["wrong"])
        said = "found" if is_right else f"OTHER RULES: {found['wrong']}"
        print(f"{name}: {len(found['rounds'])} rounds: {said}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--table"]:
        print("\n".join(table()))
    else:
        _main(sys.argv[1:])
