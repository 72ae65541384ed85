"""Measures how well the next setlist is predicted, on recorded setlists, against two simple ways.

    .venv/bin/python bench/predicting.py FILE_OR_FOLDER… [--before 3]

It reads JSON as setlist.fm gives it: a page of setlists, a list of them, or one. For each act it predicts every show from the
shows before it, once there are --before of them. The measure is R-precision: with k songs played, the share of them among the
first k predicted ones. `last` predicts the songs of the last show, `frequent` the songs that were played most often, the latest
first among equals. A table goes to standard error, one JSON object to standard output. It asserts nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from measure import print_result

from server.sync.canonical_titles import CanonicalTitles
from server.sync.clients.responses import decode
from server.sync.clients.setlistfm import Page, Setlist
from server.sync.prediction import Key, PlayedSet, r_precision, rank
from server.sync.setlist_matching import songs_of
from server.sync.setlists import to_played_sets


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--before", type=int, default=3)
    given = parser.parse_args()
    acts = read_acts(given.paths)
    result = measure(acts, before=given.before)
    print_table(result)
    print_result({"benchmark": "predicting", "settings": {"before": given.before}, **result})


def read_acts(paths: Sequence[Path]) -> dict[str, list[PlayedSet]]:
    """The setlists with songs of each act, by its name, the newest first."""
    acts: dict[str, dict[str, Setlist]] = defaultdict(dict)
    for path in paths:
        for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
            for one in _setlists(file.read_bytes()):
                if one.date is not None and one.artist is not None and any(songs_of(one)):
                    acts[one.artist.mbid].setdefault(one.id, one)
    found = {}
    for mbid, setlists in acts.items():
        newest_first = sorted(setlists.values(), key=lambda one: str(one.date), reverse=True)
        name = newest_first[0].artist.name if newest_first[0].artist else mbid
        found[name or mbid] = [one for one in to_played_sets(newest_first, CanonicalTitles()) if one.songs]
    return found


def _setlists(body: bytes) -> Iterator[Setlist]:
    given = msgspec.json.decode(body)
    if isinstance(given, dict) and "setlist" not in given:
        given = [given] if "sets" in given else []
    page = {"setlist": given} if isinstance(given, list) else given
    decoded = decode(msgspec.json.encode(page), Page, [])
    yield from decoded.setlist if decoded is not None else ()


def measure(acts: dict[str, list[PlayedSet]], *, before: int) -> dict[str, Any]:
    """The mean R-precision of each act and of all acts. An act counts once it has more than `before` setlists."""
    ways: dict[str, Callable[[Sequence[PlayedSet]], list[Key]]] = {
        "last": last, "frequent": frequent, "predicted": lambda sets: list(rank(sets)),
    }  # fmt: skip
    rows = {}
    for name, sets in sorted(acts.items()):
        targets = range(len(sets) - before)
        if targets:
            scores = {
                way: sum(r_precision(ranking(sets[number + 1 :]), set(_keys(sets[number]))) for number in targets)
                for way, ranking in ways.items()
            }
            rows[name] = {"shows": len(targets)} | {
                way: round(score / len(targets), 4) for way, score in scores.items()
            }
    mean = {way: round(sum(row[way] for row in rows.values()) / len(rows), 4) if rows else None for way in ways}
    worse = [name for name, row in rows.items() if row["predicted"] < max(row["last"], row["frequent"])]
    return {"acts": rows, "mean": mean, "worse_than_a_simple_way": worse}


def last(sets: Sequence[PlayedSet]) -> list[Key]:
    """The songs of the last show, in their order."""
    return _keys(sets[0])


def frequent(sets: Sequence[PlayedSet]) -> list[Key]:
    """All songs, those of the most shows first."""
    # A Counter keeps the order of its first sight, so the latest are first among equals.
    return [key for key, _ in Counter(key for one in sets for key in _keys(one)).most_common()]


def _keys(one: PlayedSet) -> list[Key]:
    return list({(song.title, song.by): None for song in one.songs})


def print_table(result: dict[str, Any]) -> None:
    """Prints one row for each act."""
    rows = [*result["acts"].items(), ("mean", {"shows": "", **result["mean"]})]
    print(f"{'act':30} {'shows':>5} {'last':>8} {'frequent':>8} {'predicted':>9}", file=sys.stderr)
    for name, row in rows:
        values = " ".join(f"{row[way]!s:>8}" for way in ("last", "frequent", "predicted"))
        print(f"{name[:30]:30} {row['shows']!s:>5} {values}", file=sys.stderr)


if __name__ == "__main__":
    main()
