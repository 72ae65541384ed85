"""Decides which setlist of setlist.fm belongs to which show: one to one, also when an artist plays twice a day. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from server.sync.clients import setlistfm
from server.sync.clients.setlistfm import Setlist
from server.sync.matching import judge_show
from server.sync.venues import place_of_row, place_of_venue

# Words of the parts of a concert that do not belong to the show.
_OTHER_SET = re.compile(r"\b(vip|sound ?checks?|pre-?show|meet (and|&) greet)\b", re.IGNORECASE)
_ENCORE = re.compile(r"^encores?\b", re.IGNORECASE)
# What people write about one of two shows on a day.
_EARLY = re.compile(
    r"\b(early|matin[eé]e|afternoon|1st|first) (show|set|performance|concert)\b|\bmatin[eé]e\b", re.IGNORECASE
)
_LATE = re.compile(r"\b(late|evening|night|2nd|second) (show|set|performance|concert)\b", re.IGNORECASE)


def songs_of(setlist: Setlist) -> Iterable[tuple[setlistfm.Set, setlistfm.Song]]:
    """The songs of a show with their sets, songs from tape included; without VIP sets and unknown songs."""
    # A soundcheck for a few fans is a setlist of its own, on a tour of its own.
    if _OTHER_SET.search(setlist.tour_name or ""):
        return
    for one in setlist.sets.set:
        if not _OTHER_SET.search(one.name):
            yield from ((one, song) for song in one.song if song.name.strip())


def is_encore(one: setlistfm.Set) -> bool:
    """Whether a set is an encore; some sets say so in their name only."""
    return one.encore is not None or bool(_ENCORE.match(one.name))


def match_setlists(setlists: Sequence[Setlist], shows: Sequence[Any]) -> dict[int, Setlist]:
    """Finds the setlist of each show. A setlist that a show has already stays with it.

    Takes: setlists of one artist; all shows of this artist on the days in question, as rows of `shows_of_artist`
    Gives: setlists with songs, by the show's id; no setlist belongs to two shows
    """
    # setlist.fm lists the newest first.
    free = {one.id: one for one in reversed(setlists) if any(songs_of(one))}
    found: dict[int, Setlist] = {}
    ordered = sorted(shows, key=lambda show: (show["local_date"], show["starts_at"], show["id"]))
    for show in ordered:
        for name in msgspec.json.decode(show["identities"], type=dict[str, str]):
            setlist_id = name.removeprefix(f"{setlistfm.SERVICE} ")
            if setlist_id in free and show["id"] not in found and _is_for_show(free[setlist_id], show):
                found[show["id"]] = free.pop(setlist_id)
    for show in ordered:
        fitting = [one for one in free.values() if _is_for_show(one, show)]
        if show["id"] in found or not fitting:
            continue
        twins = [other for other in ordered if _is_for_show(fitting[0], other)]
        part = None if len(twins) == 1 else "early" if show is twins[0] else "late" if show is twins[-1] else "between"
        # What people wrote decides. Without it, setlists go to shows in the order in which they are listed.
        chosen = min(fitting, key=lambda one: _mismatch(_part_of_day(one), part))
        if _mismatch(_part_of_day(chosen), part) < 2:
            found[show["id"]] = free.pop(chosen.id)
    return found


def _mismatch(said: str | None, part: str | None) -> int:
    """0: what people wrote fits the show; 1: they wrote nothing, or there is one show only; 2: it is the other show's."""
    return 1 if said is None or part is None else 0 if said == part else 2


def _part_of_day(setlist: Setlist) -> str | None:
    text = f"{setlist.info} {setlist.tour_name or ''} {' '.join(one.name for one in setlist.sets.set)}"
    return "early" if _EARLY.search(text) else "late" if _LATE.search(text) else None


def _is_for_show(setlist: Setlist, show: Any) -> bool:
    if setlist.venue is None or setlist.date != show["local_date"]:
        return False
    return judge_show(place_of_row(show), place_of_venue(setlist.venue)).outcome == "same"
