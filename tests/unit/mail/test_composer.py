"""Letters as mail programs read them: names cannot break a header, a line or a tag, and links stay whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.mail.composer import Letter, Letterhead
from server.mail.items import CONFIRMATION, Item, confirmation_about, why_not
from server.mail.tokens import read_confirmation, read_unsubscribe

NOW = datetime(2026, 11, 23, 4, 8, 40, tzinfo=UTC)
SECRET = "0123456789abcdef" * 4
LETTERHEAD = Letterhead("MySetlist <mysetlist@example.org>", SECRET, lambda: "https://sets.example.org")

ITEM = Item(
    id=1, user_id=7, kind="show_announced", about="show:3", created_at=NOW, address="fan@example.org",
    frequency="immediately", is_confirmed=True, is_wanted=True, stopped_by=None, earlier_count=0, is_concerned=True,
    show_id=3, slug="band-boston", show="Band at the Hall", status="upcoming", local_date=date(2026, 11, 27),
    starts_at=datetime(2026, 11, 28, 1, 30, tzinfo=UTC), time_zone="America/New_York", artist="Band", venue="Hall",
    city="Boston", followed=["Band"], songs=[],
)  # fmt: skip

# Header injection in every spelling of a line break, a right-to-left name, an override, emoji, tags, and NUL.
EVIL = [
    "Band\r\nBcc: everybody@example.org",
    "Band\nSubject: another",
    "Band\u2028Bcc: x@example.org\u2029\x85\x0b\x0c\x1c\x00",
    "=?utf-8?q?Band=0D=0ABcc=3A_x=40example.org?=",
    "\u05d4\u05dc\u05d4\u05e7\u05d4 \u05e9\u05dc\u05d9",
    "Band \u202egro.elpmaxe\u202c",
    "🎸👩‍🎤 Band 🤘🏽",
    '<script>alert("x")</script> & <b>Band</b>',
    "x" * 300,
    "é" * 300,
    ". \r\n.\r\nQUIT",
]


def written(*items: Item) -> Letter:
    return LETTERHEAD.write(items, message_id=LETTERHEAD.message_id(items), now=NOW)


def read(letter: Letter) -> EmailMessage:
    message = message_from_bytes(letter.data, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    text: str = part.get_content()
    return text


def link(message: EmailMessage) -> str:
    address: str = message["List-Unsubscribe"]
    return address.removeprefix("<").removesuffix(">")


def test_an_announcement_says_who_where_and_when() -> None:
    """In the venue's zone, as plain text and as HTML, with the address of the show's page."""
    message = read(written(ITEM))
    assert message["To"] == "fan@example.org"
    assert message["From"] == "MySetlist <mysetlist@example.org>"
    assert message["Subject"] == "Band has a new show: Boston, Friday 27 November 2026, 20:30 (America/New_York)"
    for text in (body(message, "plain"), body(message, "html")):
        assert "Friday 27 November 2026, 20:30 (America/New_York)" in text
        assert "https://sets.example.org/shows/band-boston" in text
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_result_lists_the_songs_in_order() -> None:
    """The first is what fans want most."""
    message = read(written(replace(ITEM, kind="show_result", songs=["Creep", "Just", "Lucky"])))
    assert "1. Creep\n2. Just\n3. Lucky\n" in body(message, "plain").replace("\r\n", "\n")
    assert "<ol><li><bdi>Creep</bdi></li>" in body(message, "html")


def test_the_way_out_is_whole_and_on_one_line() -> None:
    """Both headers of RFC 8058, as they stand on the wire: nothing is folded or encoded, and the token is good."""
    data = written(ITEM).data
    (line,) = [line for line in data.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    address = line.decode().removeprefix("List-Unsubscribe: <https://sets.example.org/unsubscribe?token=")
    assert len(read_unsubscribe(SECRET, address.removesuffix(">"))) == 32
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in data


def test_a_confirmation_has_a_link_and_no_way_out_in_its_headers() -> None:
    """It is not a letter one gets because one wants letters."""
    about = confirmation_about("fan@example.org", 1)
    message = read(written(replace(ITEM, kind=CONFIRMATION, about=about, is_confirmed=False, show_id=None)))
    assert message["List-Unsubscribe"] is None
    text = body(message, "plain").replace("\r\n", "\n")
    token = text.partition("/confirm-email?token=")[2].partition("\n")[0]
    assert read_confirmation(SECRET, token, now=NOW + timedelta(hours=47)) is not None
    assert read_confirmation(SECRET, token, now=NOW + timedelta(hours=49)) is None


@pytest.mark.parametrize("name", EVIL, ids=ascii)
@pytest.mark.parametrize("kind", ["show_announced", "show_reminder", "show_result"])
def test_no_name_breaks_a_letter(kind: str, name: str) -> None:
    """In every place where a name stands: the same headers, lines no server refuses, nothing that is not escaped."""
    plain = read(written(replace(ITEM, kind=kind)))
    item = replace(ITEM, kind=kind, show=name, artist=name, venue=name, city=name, followed=[name], songs=[name, name])
    letter = written(item)
    message = read(letter)
    assert sorted(message.keys()) == sorted(plain.keys())
    assert message["To"] == "fan@example.org"
    assert link(message) == link(plain)
    assert "\n" not in message["Subject"]
    assert "\r" not in message["Subject"]
    assert max(len(line) for line in letter.data.split(b"\r\n")) <= 998
    assert letter.data.isascii()
    assert b"\n" not in letter.data.replace(b"\r\n", b"")
    for part in (message["Subject"], body(message, "plain"), body(message, "html")):
        assert not set(part) & set("\u202e\u202c\u2028\u2029\x00\x85\x0b\x1c")
    assert "<script" not in body(message, "html")
    assert "<b>" not in body(message, "html")


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
    | st.from_regex(r"(=\?[uU][tT][fF]-8\?[qb]\?=0[AD]\S{0,9}\?=\s?){1,4}")
)
def test_no_name_at_all_breaks_a_letter(name: str) -> None:
    """Any text there is, and encoded words of every kind: the headers are those of a plain name."""
    message = read(written(replace(ITEM, show=name, artist=name, venue=name, city=name, followed=[name, name])))
    assert sorted(message.keys()) == sorted(read(written(ITEM)).keys())
    assert message["To"] == "fan@example.org"
    assert not set("\r\n") & set(message["Subject"])


def test_what_is_written_from_right_to_left_leaves_the_rest_alone() -> None:
    """Isolated in plain text, `bdi` in HTML."""
    message = read(written(replace(ITEM, followed=["\u05d4\u05dc\u05d4\u05e7\u05d4"])))
    assert message["Subject"].startswith("\u2068\u05d4\u05dc\u05d4\u05e7\u05d4\u2069 has a new show")
    assert "<bdi>\u05d4\u05dc\u05d4\u05e7\u05d4</bdi> has a new show" in body(message, "html")


def test_emoji_stay_in_one_piece() -> None:
    """A joiner is no control character."""
    assert "👩‍🎤" in read(written(replace(ITEM, followed=["👩‍🎤 Band"])))["Subject"]


def test_a_digest_says_everything_once_the_soonest_reminder_first() -> None:
    """One letter, one way out."""
    later = replace(
        ITEM, id=2, show="Later", kind="show_reminder", frequency="weekly", starts_at=NOW + timedelta(days=6)
    )
    sooner = replace(later, id=3, show="Sooner", starts_at=NOW + timedelta(days=1))
    new = replace(later, id=4, show="Brand-new", kind="show_announced")
    letter = written(new, later, sooner)
    message = read(letter)
    assert letter.kind == "digest"
    assert message["Subject"] == "Your week on MySetlist: 3 shows"
    text = body(message, "plain")
    assert text.index("Sooner") < text.index("Later") < text.index("Brand-new")
    assert len(message.get_all("List-Unsubscribe")) == 1


def test_a_letter_keeps_its_message_id() -> None:
    """On another node and at another attempt, though not for other items; and it says nothing about either."""
    same = Letterhead("Another <other@example.org>", SECRET, lambda: "http://127.0.0.1:1")
    assert LETTERHEAD.message_id([ITEM]) == same.message_id([replace(ITEM, address="new@example.org")])
    assert LETTERHEAD.message_id([ITEM]) != LETTERHEAD.message_id([replace(ITEM, id=2)])
    assert LETTERHEAD.message_id([ITEM]).endswith("@example.org>")


def test_a_zone_this_machine_does_not_know_is_told_in_utc() -> None:
    """The letter goes out all the same."""
    message = read(written(replace(ITEM, time_zone="Mars/Olympus")))
    assert "Saturday 28 November 2026, 01:30 (UTC)" in message["Subject"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"address": None}, "there is no address any more"),
        ({"is_confirmed": False}, "the address is not confirmed"),
        ({"frequency": "never"}, "no letters are wanted"),
        ({"is_wanted": False}, "letters of this kind are not wanted"),
        ({"stopped_by": "bounce"}, "the address is stopped: bounce"),
        ({"show_id": None}, "the show is gone"),
        ({"status": "cancelled"}, "the show is cancelled"),
        ({"starts_at": NOW}, "the show has begun"),
        ({"starts_at": NOW, "kind": "show_result"}, None),
        ({"followed": []}, "they do not follow any more"),
        ({"kind": "show_reminder", "is_concerned": False}, "they do not attend any more, nor have a vote"),
        ({"created_at": NOW - timedelta(days=15)}, "it waited too long"),
        ({"kind": CONFIRMATION, "is_confirmed": True}, "confirmed already"),
        ({"kind": CONFIRMATION, "is_confirmed": False}, "the address was changed"),
    ],
)
def test_what_is_not_wanted_any_more_is_not_sent(changes: dict[str, Any], reason: str | None) -> None:
    """Decided when its time has come, not when it was queued."""
    assert why_not(replace(ITEM, **changes), NOW) == reason


def test_the_fourth_confirmation_of_an_hour_to_one_address_is_not_sent() -> None:
    """Whoever asked for it: strangers together must not flood anybody."""
    item = replace(ITEM, kind=CONFIRMATION, is_confirmed=False, about=confirmation_about("Fan@Example.org", 1))
    assert why_not(replace(item, earlier_count=2), NOW) is None
    assert why_not(replace(item, earlier_count=3), NOW) == "too many confirmations to this address"
