"""Query strings, references and cursors from untrusted clients."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog.cursors import DistanceCursor, ShowCursor, SlugCursor
from server.catalog.parameters import ListQuery, NearQuery, SearchQuery, ShowQuery, check_word_count, parse_near
from server.errors import Refused
from server.protocol.http.cursors import ID_MAX, decode_cursor, encode_cursor
from server.protocol.http.parameters import PAGE_DEFAULT, Reference, parse_query, parse_reference
from server.protocol.instants import from_us

NAMES = ["status", "artist", "venue", "near", "radius_km", "from", "to", "q", "limit", "cursor", "first", "other"]
SLUGS = st.from_regex(r"[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,3}", fullmatch=True)
SHOW_CURSORS = st.builds(
    ShowCursor,
    st.integers(0, 3),
    st.integers(-62_135_510_400_000_000, 253_402_214_400_000_000),
    st.integers(1, ID_MAX),
)


@given(SHOW_CURSORS)
def test_a_show_cursor_survives_encoding(key: ShowCursor) -> None:
    """Every sort key survives, its instant exists, and the text needs no escaping in a URL."""
    cursor = encode_cursor(key)
    assert decode_cursor(cursor, ShowCursor) == key
    assert cursor.replace("-", "").replace("_", "").isalnum()
    from_us(key.starts_us)


@given(SLUGS)
def test_a_slug_cursor_survives_encoding(slug: str) -> None:
    """Every slug survives."""
    assert decode_cursor(encode_cursor(SlugCursor(slug)), SlugCursor) == SlugCursor(slug)


@given(st.one_of(st.text(), st.binary().map(lambda packed: base64.urlsafe_b64encode(packed).decode())))
def test_a_made_up_cursor_is_refused_or_valid(cursor: str) -> None:
    """Any text as a cursor gives a sort key within its bounds, or bad_request."""
    for kind in (ShowCursor, SlugCursor, DistanceCursor):
        refusal = None
        try:
            key = decode_cursor(cursor, kind)
        except Refused as refused:
            refusal = refused.code
        assert refusal == "bad_request" or decode_cursor(encode_cursor(key), kind) == key


@pytest.mark.parametrize(
    "key",
    [
        ShowCursor(-1, 0, 1),
        ShowCursor(4, 0, 1),
        ShowCursor(0, -62_135_510_400_000_001, 1),
        ShowCursor(0, 253_402_214_400_000_001, 1),
        ShowCursor(0, 0, 0),
        ShowCursor(0, 0, ID_MAX + 1),
        DistanceCursor(-0.1, 1),
        DistanceCursor(20_038.1, 1),
        DistanceCursor(float("nan"), 1),
        DistanceCursor(1.0, 0),
        SlugCursor("A"),
        SlugCursor("a\0"),
        SlugCursor(""),
    ],
)
def test_a_cursor_out_of_bounds_is_refused(key: ShowCursor | SlugCursor | DistanceCursor) -> None:
    """Values that PostgreSQL or a datetime cannot hold are bad_request before they get there."""
    with pytest.raises(Refused, match="cursor"):
        decode_cursor(encode_cursor(key), type(key))


def test_a_cursor_of_another_list_is_refused() -> None:
    """Lists do not accept each other's cursors."""
    with pytest.raises(Refused, match="cursor"):
        decode_cursor(encode_cursor(SlugCursor("a")), ShowCursor)
    with pytest.raises(Refused, match="cursor"):
        decode_cursor(encode_cursor(ShowCursor(0, 0, 1)), SlugCursor)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=120))))
def test_any_query_string_is_parsed_or_refused(pairs: list[tuple[str, str]]) -> None:
    """Any query string gives a query within its bounds, or bad_request."""
    try:
        query = parse_query(pairs, ShowQuery)
        check_word_count(query.q or "")
        near = parse_near(query.near) if query.near else (0.0, 0.0)
    except Refused as refused:
        refusal: Refused | None = refused
    else:
        refusal = None
        assert 1 <= query.limit <= 100
        assert "\0" not in (query.q or "")
        assert -90 <= near[0] <= 90
        assert -180 <= near[1] <= 180
    assert refusal is None or (refusal.code == "bad_request" and refusal.message)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("limit", "0", "limit"),
        ("limit", "-1", "limit"),
        ("limit", "1000000000", "limit"),
        ("limit", "9" * 400, "limit"),
        ("limit", "ten", "limit"),
        ("limit", "1.5", "limit"),
        ("status", "done", "status"),
        ("from", "2026-02-30", "from"),
        ("from", "tomorrow", "from"),
        ("to", "2026-13-01", "to"),
        ("q", "a\0b", "control character"),
        ("q", "a\nb", "control character"),
        ("q", "\ud800", "control character"),
        ("q", "x" * 101, "q"),
        ("artist", "\x7f", "control character"),
        ("venue", "v" * 301, "venue"),
        ("cursor", "c" * 401, "cursor"),
        ("radius_km", "10", "near"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(name: str, value: str, says: str) -> None:
    """Each bad value is bad_request, and the message names the parameter or the fault."""
    with pytest.raises(Refused, match=says) as caught:
        parse_query([(name, value)], ShowQuery)
    assert caught.value.code == "bad_request"
    assert len(caught.value.message) < 250


@pytest.mark.parametrize("radius", ["0", "-5", "20039", "nan", "inf", "1e400"])
def test_a_radius_is_on_the_globe(radius: str) -> None:
    """A radius is above zero and at most half the circumference."""
    with pytest.raises(Refused, match="radius_km"):
        parse_query([("near", "40,-74"), ("radius_km", radius)], ShowQuery)


def test_a_reversed_range_is_refused() -> None:
    """A range that ends before it begins is a mistake and not an empty list; a single day is a range."""
    with pytest.raises(Refused, match="after"):
        parse_query([("from", "2026-11-02"), ("to", "2026-11-01")], ShowQuery)
    query = parse_query([("from", "2026-11-02"), ("to", "2026-11-02")], ShowQuery)
    assert query.first == query.last


def test_a_parameter_given_twice_is_refused() -> None:
    """Two values for one parameter are ambiguous."""
    with pytest.raises(Refused, match="twice"):
        parse_query([("limit", "1"), ("limit", "2")], ListQuery)


def test_empty_and_unknown_parameters_are_ignored() -> None:
    """Empty fields of a form and unknown fields change nothing."""
    assert parse_query([("q", ""), ("limit", ""), ("utm", "x"), ("utm", "y")], ListQuery) == ListQuery()
    assert ListQuery().limit == PAGE_DEFAULT


@pytest.mark.parametrize(
    "near", ["", "40", "40,", ",", "a,b", "91,0", "-91,0", "0,181", "0,-181", "nan,0", "0,inf", "1,2,3", "1e999,0"]
)
def test_a_point_off_the_globe_is_refused(near: str) -> None:
    """`near` is two finite numbers on the globe."""
    with pytest.raises(Refused, match="near"):
        parse_near(near)


def test_a_point_may_be_at_the_edge() -> None:
    """Poles and the date line are on the globe."""
    assert parse_near("90,-180") == (90.0, -180.0)
    assert parse_near(" 40.75 , -73.99 ") == (40.75, -73.99)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("7", Reference(7, None)),
        (str(ID_MAX), Reference(ID_MAX, None)),
        (str(ID_MAX + 1), Reference(0, None)),
        ("9" * 5000, Reference(0, None)),
        ("radiohead", Reference(None, "radiohead")),
        ("-1", Reference(None, "-1")),
        ("a\0b", Reference(None, "")),
        ("٣", Reference(None, "")),
        ("x" * 301, Reference(None, "")),
    ],
)
def test_a_reference_is_an_id_or_a_slug(text: str, reference: Reference) -> None:
    """Digits are an id, other text is a slug; text that PostgreSQL cannot hold becomes a slug that matches nothing."""
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "q",
    [
        "a b c d e f g h",
        "don't rock 'n' roll a b c d",
        "a" * 100,
        "!" * 100,
        "' " * 50,
        "🤘 ♥",
        "a\u0300" * 50,
        "हिन्दी " * 8,
        "",
    ],
)
def test_a_search_may_have_eight_words(q: str) -> None:
    """Apostrophes do not split words, and signs do not count as words."""
    check_word_count(q)


@pytest.mark.parametrize("q", ["a " * 9, "a/b/c/d/e/f/g/h/i", "a_b-c.d,e;f:g+h|i"])
def test_nine_words_are_refused(q: str) -> None:
    """Words are counted as the search splits them, not by spaces alone."""
    with pytest.raises(Refused, match="words"):
        check_word_count(q)


@pytest.mark.parametrize("pairs", [[], [("q", "")], [("q", "a"), ("kind", "users")], [("q", "a"), ("limit", "0")]])
def test_a_search_needs_words_and_valid_parameters(pairs: list[tuple[str, str]]) -> None:
    """`q` is required, and kind and limit have bounds."""
    with pytest.raises(Refused) as caught:
        parse_query(pairs, SearchQuery)
    assert caught.value.code == "bad_request"


def test_a_radius_needs_a_point() -> None:
    """The list of venues refuses a radius without `near`, as that of shows does."""
    with pytest.raises(Refused, match="radius_km"):
        parse_query([("radius_km", "5")], NearQuery)
