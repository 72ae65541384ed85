"""The checker takes every history of a right service, and finds each single thing that is changed in one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest

from tests.history import watchers
from tests.history.checker import Checker
from tests.history.examples import History
from tests.history.records import ACCEPTED, COMMITTED, NEVER_NS, PUSH, REFUSED, SUBSCRIBED, UNKNOWN, Window
from tests.history.state import Violation

Change = Callable[[Window, Random], bool]


def checked(windows: list[Window], *, may_lose: bool = False) -> list[Violation]:
    checker = Checker(may_lose=may_lose)
    return [violation for window in windows for violation in checker.check(window)]


def histories(count: int, first: int = 0) -> list[list[Window]]:
    made = []
    for seed in range(first, first + count):
        history = History(seed)
        made.append([history.window(), history.window()])
    return made


def one_of(wanted: Any, rng: Random) -> int | None:
    """A random place where something holds; None: nowhere."""
    places = np.flatnonzero(wanted)
    return int(rng.choice(places)) if len(places) else None


def test_a_right_history_passes() -> None:
    """Casts that overlap, answers that are lost, commits of several shards and watchers that come back are no violation."""
    for number, windows in enumerate(histories(60)):
        assert [str(violation) for violation in checked(windows)] == [], f"seed {number}"


def test_the_examples_have_everything() -> None:
    """The histories of this file have casts of every outcome, and every kind of frame."""
    windows = [window for made in histories(20) for window in made]
    assert {*np.unique(np.concatenate([window.casts["outcome"] for window in windows]))} == {1, 2, 3, 4}
    assert {*np.unique(np.concatenate([window.frames["kind"] for window in windows]))} == {1, 2, 3, 4}
    assert all(sum(len(getattr(window, name)) for window in windows) for name in ("reads", "confirmed", "rows"))


# ── the changes


def without(name: str, wanted: Callable[[Any], Any] = lambda records: records["user"] > 0) -> Change:
    def change(window: Window, rng: Random) -> bool:
        records = getattr(window, name)
        place = one_of(wanted(records), rng) if len(records) else None
        if place is not None:
            setattr(window, name, np.delete(records, place))
        return place is not None

    return change


def twice(name: str) -> Change:
    def change(window: Window, rng: Random) -> bool:
        records = getattr(window, name)
        if len(records):
            setattr(window, name, np.append(records, records[rng.randrange(len(records))]))
        return bool(len(records))

    return change


def other(name: str, column: str, value: Callable[[int], int], wanted: Callable[[Any], Any] | None = None) -> Change:
    def change(window: Window, rng: Random) -> bool:
        records = getattr(window, name)
        place = one_of(np.ones(len(records)) if wanted is None else wanted(records), rng) if len(records) else None
        if place is not None:
            records[column][place] = value(int(records[column][place]))
        return place is not None

    return change


def acknowledged(casts: Any) -> Any:
    return (casts["outcome"] == COMMITTED) | (casts["outcome"] == ACCEPTED)


def another_choice(choice: int) -> int:
    return (choice + 1) % 3


def answered_before_the_commit(window: Window, rng: Random) -> bool:
    """A fan hears `committed` a second before the transaction begins."""
    place = one_of(window.casts["outcome"] == COMMITTED, rng)
    if place is not None:
        window.commits["begun_ns"] += 10**9
    return place is not None


def logged_in_another_order(window: Window, rng: Random) -> bool:
    """A cast was answered before the fan cast again, and the log has them the other way round."""
    casts = window.casts
    for first in rng.sample(range(len(casts)), len(casts)):
        same = (casts["user"] == casts[first]["user"]) & (casts["song"] == casts[first]["song"]) & acknowledged(casts)
        later = np.flatnonzero(same & (casts["at"] > casts[first]["at"]))
        if acknowledged(casts[first : first + 1])[0] and len(later):
            # The earlier one of the log begins after the later one was answered.
            casts["invoked_ns"][casts["order"] == casts[first]["order"]] = casts["answered_ns"][later[0]] + 1
            return True
    return False


def older_wins(window: Window, rng: Random) -> bool:
    """A cast that changes a vote has a smaller order than one before it."""
    events = window.events
    for place in rng.sample(range(len(events)), len(events)):
        later = events[place]
        before = (events["user"] == later["user"]) & (events["show"] == later["show"]) & (events["at"] < later["at"])
        same = before & (events["song"] == later["song"])
        if same.any() and events["choice"][same][-1] != later["choice"]:
            for records in (window.events, window.casts, window.reads):
                is_it = (records["user"] == later["user"]) & (records["order"] == later["order"])
                records["order"][is_it] = 1
            return True
    return False


def counts_again(window: Window, rng: Random) -> bool:
    """A cast is logged a second time, after the fan has voted otherwise."""
    events = window.events
    for first in rng.sample(range(len(events)), len(events)):
        same = (events["user"] == events[first]["user"]) & (events["song"] == events[first]["song"])
        later = np.flatnonzero(same & (events["at"] > events[first]["at"]))
        if len(later) and events["choice"][later[0]] != events[first]["choice"]:
            again = events[first : first + 1].copy()
            again["at"], again["place"] = events["at"][later[0]], 99
            window.events = np.append(events, again)
            return True
    return False


def told(change: Callable[[dict[str, Any], Random], bool], *kinds: int) -> Change:
    """Changes one payload that was heard as one of these kinds."""

    def changed(window: Window, rng: Random) -> bool:
        numbers = window.frames["payload"][np.isin(window.frames["kind"], kinds)].tolist()
        for number in rng.sample(numbers, len(numbers)):
            message = orjson.loads(window.payloads[number])
            state = message if "ch" in message else next(iter(message["ok"]["channels"].values())).get("state")
            if state and state["tally"] and change(state, rng):
                window.payloads[number] = orjson.dumps(message)
                return True
        return False

    return changed


def other_count(state: dict[str, Any], rng: Random) -> bool:
    rng.choice(state["tally"])[rng.choice((1, 2))] += 1
    return True


def other_total(state: dict[str, Any], rng: Random) -> bool:
    state["total"] += 1
    return True


def song_left_out(state: dict[str, Any], rng: Random) -> bool:
    song = rng.choice(state["tally"])
    state["tally"].remove(song)
    return bool(song[1] or song[2])


def goes_back(window: Window, rng: Random) -> bool:
    """A watcher hears a push again."""
    place = one_of(window.frames["kind"] == PUSH, rng)
    if place is not None:
        again = window.frames[place : place + 1].copy()
        again["heard_ns"] += 1
        window.frames = np.insert(window.frames, place + 1, again)
    return place is not None


def last_push_lost(window: Window, rng: Random) -> bool:
    """A watcher, still connected, never hears the last counts."""
    for watcher in rng.sample((1, 2, 3), 3):
        (places,) = np.nonzero(window.frames["watcher"] == watcher)
        if not len(places) or window.frames["kind"][places[-1]] != PUSH:
            continue
        if orjson.loads(window.payloads[window.frames["payload"][places[-1]]])["tally"]:
            window.frames = np.delete(window.frames, places[-1])
            return True
    return False


CHANGES: dict[str, tuple[Change, str]] = {
    "a row is missing": (without("rows"), "the history has each change once"),
    "a row is there twice": (twice("rows"), "the history has each change once"),
    "a row has another choice": (other("rows", "choice", another_choice), "the history has each change once"),
    "a row has another choice before": (other("rows", "previous", another_choice), "the history has each change once"),
    "a row is of another commit": (
        other("rows", "transaction", lambda number: number + 1),
        "the history has each change once",
    ),
    "a row has another time": (other("rows", "cast_ms", lambda ms: ms + 1), "the history has each change once"),
    "a vote is missing": (without("votes"), "the votes are those of the log"),
    "a vote is another": (other("votes", "choice", lambda choice: 3 - choice), "the votes are those of the log"),
    "a count is another": (other("counts", "up", lambda up: up + 1), "the counts are those of the log"),
    "an entry is committed twice": (twice("commits"), "an entry is committed once"),
    "an entry is logged twice": (twice("entries"), "an entry is in the log once"),
    "a made up entry is committed": (
        other("commits", "entry", lambda entry: entry - 1),
        "what is committed was logged",
    ),
    "an entry is in a later commit": (
        other("commits", "position", lambda position: position - (1 << 20)),
        "commits follow the log",
    ),
    "an answer before the commit": (answered_before_the_commit, "no answer before the commit"),
    "a committed cast is not in the log": (
        other("events", "order", lambda order: order + 50_000),
        "a vote in the log was cast",
    ),
    "an acknowledged vote was never logged": (
        without("events"),
        "",
    ),
    "a cast counts again": (counts_again, "a cast changes something once"),
    "the log has another choice": (other("events", "choice", another_choice), "the log has what was cast"),
    "an answer names another entry": (
        other("casts", "at", lambda at: at + 1, acknowledged),
        "an answer names the entry of its cast",
    ),
    "a refused cast counts": (
        other("casts", "outcome", lambda _: REFUSED, acknowledged),
        "a refused cast has no effect",
    ),
    "a confirmation of nothing": (
        other("confirmed", "at", lambda at: at + 1),
        "a confirmed vote is in PostgreSQL",
    ),
    "the log is in another order": (logged_in_another_order, "each register is linearizable"),
    "an older cast wins": (older_wins, "an older cast changes nothing"),
    "a ballot is another": (other("reads", "choice", another_choice), "a ballot is what its fan voted"),
    "a push has another count": (told(other_count, PUSH), "every frame is a state that was"),
    "a state has another count": (told(other_count, SUBSCRIBED), "every frame is a state that was"),
    "a push has another total": (told(other_total, PUSH), "every frame is a state that was"),
    "a push leaves a song out": (told(song_left_out, PUSH), "every frame is a state that was"),
    "a push comes twice": (goes_back, "positions never go back"),
    "the last push is lost": (last_push_lost, "all watchers converge"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_history_is_found(name: str) -> None:
    """One thing is changed at a random place in the first or the second window: the checker says so."""
    change, rule = CHANGES[name]
    changed_count = 0
    for seed, windows in enumerate(histories(8, first=1_000)):
        rng = Random(seed)
        if change(rng.choice(windows), rng):
            changed_count += 1
            rules = {violation.rule for violation in checked(windows)}
            assert rules, f"seed {seed}"
            assert not rule or rule in rules, f"seed {seed}: {rules}"
    assert changed_count >= 4


def test_a_watcher_that_needs_many_pushes_to_the_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every vote is told to be committed, and a watcher gets push after push until it has the last counts."""
    found_count = 0
    for window, _ in histories(8, first=4_000):
        window.casts["answered_ns"][window.casts["outcome"] == COMMITTED] = 1
        window.confirmed["heard_ns"] = 1
        assert "all watchers converge" not in {violation.rule for violation in checked([window])}
        with monkeypatch.context() as patch:
            patch.setattr(watchers, "PUSHES_TO_END_MAX", 1)
            found_count += any("pushes" in violation.text for violation in checked([window]))
    assert found_count >= 4


def test_an_unknown_cast_may_count_later() -> None:
    """A cast without an answer that arrives in the next window is no violation, and one that never arrives is none."""
    for windows in histories(30, first=2_000):
        first, second = windows
        place = one_of(second.casts["outcome"] == UNKNOWN, Random(1))
        if place is None:
            continue
        one = second.casts[place]
        same = (second.casts["order"] == one["order"]) & (second.casts["user"] == one["user"])
        first.casts = np.concatenate([first.casts, second.casts[same]])
        assert (first.casts["answered_ns"][first.casts["outcome"] == UNKNOWN] == NEVER_NS).all()
        second.casts = second.casts[~same]
        assert checked(windows) == []


def test_what_valkey_lost_was_never_promised() -> None:
    """The last entry before the end is lost: a violation, unless a fault may lose what is accepted and nobody heard `committed`."""
    for seed, (window, _) in enumerate(histories(20, first=3_000)):
        shard, at = window.entries[-1]["shard"], window.entries[-1]["at"]
        window.commits = window.commits[~((window.commits["shard"] == shard) & (window.commits["entry"] == at))]
        found = {violation.rule for violation in checked([window], may_lose=True)}
        promised = window.casts[(window.casts["at"] == at) & (window.casts["show"] % 16 == shard)]
        was_committed = (promised["outcome"] == COMMITTED).any()
        assert ("a committed vote is in PostgreSQL" in found) == was_committed, f"seed {seed}"
        assert "an accepted vote reaches PostgreSQL" not in found
