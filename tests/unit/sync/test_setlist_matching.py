"""Setlists go to shows one to one."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from server.sync.clients.setlistfm import City, Country, Set, Setlist, Sets, Song, Tour, Venue
from server.sync.setlist_matching import match_setlists

DAY = dt.date(2026, 11, 25)
HALL = Venue(id="v", name="Hall", city=City(name="Boston", country=Country(code="US")))


def setlist(name: str, *titles: str, **more: Any) -> Setlist:
    """A setlist of this day."""
    songs = [Song(title) for title in titles or ("Alpha",)]
    return msgspec.structs.replace(
        Setlist(id=name, event_date=f"{DAY:%d-%m-%Y}", venue=HALL, sets=Sets([Set(song=songs)])), **more
    )


def show(number: int, hour: int, known: str = "") -> dict[str, Any]:
    """A show of this day in this hall."""
    return {
        "id": number, "local_date": DAY, "starts_at": dt.datetime(2026, 11, 25, hour, tzinfo=dt.UTC), "venue_name": "Hall",
        "city": "Boston", "country": "US", "latitude": None, "longitude": None,
        "identities": msgspec.json.encode({f"setlistfm {known}": "v1"} if known else {}).decode(),
    }  # fmt: skip


def matched(setlists: list[Setlist], shows: list[dict[str, Any]]) -> dict[int, str]:
    """The id of the setlist of each show."""
    return {show_id: one.id for show_id, one in match_setlists(setlists, shows).items()}


def test_two_shows_on_a_day_have_two_setlists() -> None:
    """The list has the newest first, so its last entry is the early show's; no setlist goes to both."""
    assert matched([setlist("late"), setlist("early")], [show(2, 20), show(1, 15)]) == {1: "early", 2: "late"}


def test_what_people_wrote_decides() -> None:
    """`Early show`, `Matinee` or `Late show` in the notes outweighs the order."""
    setlists = [setlist("a", info="Early show"), setlist("b", info="Late show")]
    assert matched(setlists, [show(1, 15), show(2, 20)]) == {1: "a", 2: "b"}
    assert matched([setlist("a", info="Matinée")], [show(1, 15), show(2, 20)]) == {1: "a"}
    assert matched([setlist("b", info="2nd show")], [show(1, 15), show(2, 20)]) == {2: "b"}


def test_one_setlist_goes_to_one_show() -> None:
    """The first show of a day gets the only setlist; a setlist that a show has stays there."""
    assert matched([setlist("a")], [show(1, 15), show(2, 20)]) == {1: "a"}
    assert matched([setlist("a")], [show(1, 15), show(2, 20, known="a")]) == {2: "a"}
    assert matched([setlist("b"), setlist("a")], [show(1, 15), show(2, 20, known="a")]) == {1: "b", 2: "a"}


def test_a_soundcheck_for_a_few_is_no_setlist_of_a_show() -> None:
    """setlist.fm has a tour of its own for VIP soundchecks; empty setlists do not count either."""
    check = setlist("check", tour=Tour(name="The West Tour (2022) VIP Soundchecks"))
    empty = msgspec.structs.replace(setlist("empty"), sets=Sets())
    assert matched([check, empty, setlist("real")], [show(1, 20)]) == {1: "real"}
    assert matched([check, empty], [show(1, 20)]) == {}
