"""The voting state of a show, the position of its status, and local times at the show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog.shows import StatusRow
from server.catalog.voting_window import next_change_ms, voting_state
from server.protocol.instants import from_ms, from_us, instant_of, iso, ms_of, us_of

OPENS = datetime(2026, 11, 1, 20, 0, tzinfo=UTC)
CLOSES = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
WITHIN = datetime(2026, 11, 10, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(days=-30), timedelta(days=60)).map(lambda since: OPENS + since)


def _state(now: datetime, *, status: str = "upcoming", is_locked: bool = False, is_final: bool = False) -> str:
    return voting_state(
        status=status, opens_at=OPENS, closes_at=CLOSES, is_locked=is_locked, is_final=is_final, now=now
    )


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (OPENS - timedelta(microseconds=1), "closed"),
        (OPENS, "open"),
        (CLOSES - timedelta(microseconds=1), "open"),
        (CLOSES, "closed"),
    ],
)
def test_the_window_holds_its_opening_and_not_its_closing(now: datetime, state: str) -> None:
    """Voting is open from opens_at on, and closed from closes_at on."""
    assert _state(now) == state


@pytest.mark.parametrize("status", ["upcoming", "live", "finished"])
def test_only_cancelling_closes_a_window_early(status: str) -> None:
    """Within its window a show with any status but cancelled is open."""
    assert _state(WITHIN, status=status) == "open"
    assert _state(WITHIN, status="cancelled") == "closed"


def test_a_lock_shows_only_within_the_window() -> None:
    """A locked show is locked while it could be open, and closed before and after."""
    assert _state(WITHIN, is_locked=True) == "locked"
    assert _state(OPENS - timedelta(days=1), is_locked=True) == "closed"
    assert _state(CLOSES, is_locked=True) == "closed"
    assert _state(WITHIN, is_locked=True, status="cancelled") == "closed"


@given(INSTANTS, st.sampled_from(["upcoming", "live", "finished", "cancelled"]), st.booleans())
def test_final_wins_over_everything(now: datetime, status: str, is_locked: bool) -> None:
    """A finalised show is final at every instant, in every status."""
    assert _state(now, status=status, is_locked=is_locked, is_final=True) == "final"


@given(INSTANTS, st.sampled_from(["upcoming", "live", "finished", "cancelled"]), st.booleans(), st.booleans())
def test_nothing_changes_before_the_next_change(now: datetime, status: str, is_locked: bool, is_final: bool) -> None:
    """The state is the same up to the next change and differs at it; without one it never differs."""
    row = {"status": status, "is_final": is_final}
    change_ms = next_change_ms(opens_at=OPENS, closes_at=CLOSES, now=now, **row)  # type: ignore[arg-type]
    before = _state(now, is_locked=is_locked, **row)  # type: ignore[arg-type]
    if change_ms is None:
        assert _state(now + timedelta(days=400), is_locked=is_locked, **row) == before  # type: ignore[arg-type]
        return
    change = from_ms(change_ms)
    assert change > now
    assert _state(change, is_locked=is_locked, **row) != before  # type: ignore[arg-type]
    assert _state(max(now, change - timedelta(milliseconds=1)), is_locked=is_locked, **row) == before  # type: ignore[arg-type]


def test_the_state_has_changed_at_the_next_change() -> None:
    """An edge between two milliseconds is rounded up, because at the floor the state is still the old one."""
    opens_at = OPENS + timedelta(microseconds=1)
    change_ms = next_change_ms(
        status="upcoming", opens_at=opens_at, closes_at=CLOSES, is_final=False, now=OPENS - timedelta(days=1)
    )
    assert change_ms is not None
    assert from_ms(change_ms) >= opens_at
    assert change_ms - ms_of(opens_at) == 1


def _row(revision: int) -> StatusRow:
    return StatusRow(
        revision=revision,
        status="live",
        opens_at=OPENS,
        closes_at=CLOSES,
        is_locked=False,
        is_final=False,
        results="after_vote",
        now_playing=5,
        accuracy=None,
    )


@given(st.lists(INSTANTS, min_size=2), st.integers(0, 1 << 52))
def test_a_status_position_only_grows_and_a_new_state_has_a_new_one(instants: list[datetime], revision: int) -> None:
    """`at` never falls, and with a revision from before the window every new state has a greater `at`."""
    row = _row(revision)
    seen = [row.state(now) for now in sorted(instants)]
    for (at, state), (later_at, later_state) in pairwise(seen):
        assert later_at >= at
        if later_state != state and revision < ms_of(OPENS) << 10:
            assert later_at > at


def test_a_status_has_the_fields_of_the_contract() -> None:
    """The state has every field of the contract, and its position is that of the last edge that has passed."""
    at, state = _row(revision=7).state(WITHIN)
    assert at == ms_of(OPENS) << 10
    assert state == {
        "status": "live",
        "voting": "open",
        "opens_at": "2026-11-01T20:00:00Z",
        "closes_at": "2026-11-23T03:00:00Z",
        "now_playing": 5,
        "results": "after_vote",
        "accuracy": None,
        "revision": 7,
    }
    assert _row(revision=7).state(OPENS - timedelta(days=1))[0] == 7
    assert _row(revision=7).next_change_ms(WITHIN) == ms_of(CLOSES)


@given(INSTANTS)
def test_instants_survive_their_numbers(instant: datetime) -> None:
    """Microseconds are exact, milliseconds are the floor, and the text names the same millisecond or second."""
    assert from_us(us_of(instant)) == instant
    assert from_ms(ms_of(instant)) <= instant < from_ms(ms_of(instant) + 1)
    text = iso(instant)
    assert text is not None
    assert text.endswith("Z")
    assert ms_of(datetime.fromisoformat(text)) == ms_of(instant)


def test_whole_seconds_have_no_fraction() -> None:
    """Seconds when whole, milliseconds when not, null for null."""
    assert iso(OPENS) == "2026-11-01T20:00:00Z"
    assert iso(OPENS + timedelta(milliseconds=7)) == "2026-11-01T20:00:00.007Z"
    assert iso(None) is None


ZONES = st.sampled_from(
    ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]
)


@given(st.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2035-01-01")), ZONES)
def test_a_local_time_is_the_one_instant_at_which_clocks_show_it(given_time: datetime, zone: str) -> None:
    """At the instant the clocks at the show read the given time; a time that they skip or show twice is refused."""
    offsets = {instant.astimezone(ZoneInfo(zone)).utcoffset() for instant in _around(given_time)}
    readings = [
        instant
        for instant in {(given_time - offset).replace(tzinfo=UTC) for offset in offsets if offset is not None}
        if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == given_time
    ]
    try:
        assert [instant_of(given_time, zone)] == readings
    except ValueError:
        assert len(readings) != 1


def _around(local: datetime) -> list[datetime]:
    return [local.replace(tzinfo=UTC) + timedelta(days=days) for days in (-2, -1, 0, 1, 2)]


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2026-11-25T20:00:00", "2026-11-26T01:00:00+00:00"),
        ("2026-07-25T20:00:00", "2026-07-26T00:00:00+00:00"),
        ("2026-11-25T20:00:00+01:00", "2026-11-25T19:00:00+00:00"),
        ("2026-03-08T02:30:00", "does not exist"),
        ("2026-11-01T01:30:00", "occurs twice"),
        ("2026-11-01T01:30:00-05:00", "2026-11-01T06:30:00+00:00"),
    ],
)
def test_local_times_in_new_york(local: str, instant: str) -> None:
    """Winter, summer and an offset; a skipped hour; an hour that occurs twice, without and with an offset."""
    if instant.startswith("20"):
        assert instant_of(datetime.fromisoformat(local), "America/New_York") == datetime.fromisoformat(instant)
    else:
        with pytest.raises(ValueError, match=instant):
            instant_of(datetime.fromisoformat(local), "America/New_York")


@pytest.mark.parametrize(
    "given", ["0001-01-01T00:00:00", "1899-12-31T12:00:00", "2200-01-02T00:00:00", "9999-12-31T23:59:59"]
)
@pytest.mark.parametrize("offset", ["", "+00:00"])
def test_times_near_the_ends_of_the_calendar_are_refused(given: str, offset: str) -> None:
    """Hours, months and time zones added to them would leave the calendar."""
    with pytest.raises((OverflowError, ValueError)):
        instant_of(datetime.fromisoformat(given + offset), "America/New_York")
