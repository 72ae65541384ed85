"""Composed emails as mail programs read them: no name breaks a header, a line or a tag, and links stay whole."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.mail.composer import EmailComposer, OutgoingEmail
from server.mail.items import CONFIRMATION, EmailItem, confirmation_about, why_suppressed
from server.mail.tokens import read_confirmation, read_unsubscribe
from server.settings import data_folder
from server.words.texts import Texts
from tests.support import pseudo_language
from tests.support.examples import scaled

NOW = datetime(2026, 11, 23, 4, 8, 40, tzinfo=UTC)
SECRET = "0123456789abcdef" * 4
COMPOSER = EmailComposer("MySetlist <mysetlist@example.org>", SECRET, lambda: "https://sets.example.org")

ITEM = EmailItem(
    id=1, user_id=7, kind="show_announced", about="show:3", created_at=NOW, address="fan@example.org",
    frequency="immediately", is_confirmed=True, is_wanted=True, stopped_by=None, earlier_count=0, is_concerned=True,
    show_id=3, slug="band-boston", show="Band at the Hall", status="upcoming", local_date=date(2026, 11, 27),
    starts_at=datetime(2026, 11, 28, 1, 30, tzinfo=UTC), time_zone="America/New_York", artist="Band", venue="Hall",
    city="Boston", followed=["Band"], songs=[],
)  # fmt: skip

# Header injection with every kind of line break, right-to-left names, direction marks, emoji, tags and NUL.
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


def composed(*items: EmailItem) -> OutgoingEmail:
    return COMPOSER.compose(items, message_id=COMPOSER.message_id(items), now=NOW)


def read(email: OutgoingEmail) -> EmailMessage:
    message = message_from_bytes(email.data, policy=policy.SMTP)
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


def test_an_announcement_names_artist_place_and_time() -> None:
    """Plain text and HTML have the time in the zone of the venue, and the link to the show."""
    message = read(composed(ITEM))
    assert message["To"] == "fan@example.org"
    assert message["From"] == "MySetlist <mysetlist@example.org>"
    assert message["Subject"] == "Band has a new show: Boston, Friday 27 November 2026, 20:30 (America/New York)"
    for text in (body(message, "plain"), body(message, "html")):
        assert "Friday 27 November 2026, 20:30 (America/New York)" in text
        assert "https://sets.example.org/shows/band-boston" in text
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_show_without_a_name_is_not_named_in_english() -> None:
    """The default, which is stored in English, repeats the heading and the place: the email leaves it out. A given name stays."""
    for show, is_told in (("Band at Hall", False), ("Band", False), ("A night of light", True)):
        lines = body(read(composed(replace(ITEM, show=show))), "plain").splitlines()
        assert (show in [line.strip() for line in lines]) is is_told, show


def test_a_result_lists_the_songs_in_order() -> None:
    """The song with the most votes comes first."""
    message = read(composed(replace(ITEM, kind="show_result", songs=["Creep", "Just", "Lucky"])))
    assert "1. Creep\n2. Just\n3. Lucky\n" in body(message, "plain").replace("\r\n", "\n")
    assert "<ol><li>Creep</li>" in body(message, "html")


def test_the_unsubscribe_header_is_one_unfolded_line() -> None:
    """Both headers of RFC 8058 are neither folded nor encoded, and the token is valid."""
    data = composed(ITEM).data
    (line,) = [line for line in data.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    address = line.decode().removeprefix("List-Unsubscribe: <https://sets.example.org/unsubscribe?token=")
    assert len(read_unsubscribe(SECRET, address.removesuffix(">"))) == 32
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in data


def test_a_confirmation_has_a_link_and_no_unsubscribe_header() -> None:
    """The link is valid for 48 hours."""
    about = confirmation_about("fan@example.org", 1)
    message = read(composed(replace(ITEM, kind=CONFIRMATION, about=about, is_confirmed=False, show_id=None)))
    assert message["List-Unsubscribe"] is None
    text = body(message, "plain").replace("\r\n", "\n")
    token = text.partition("/confirm-email?token=")[2].partition("\n")[0]
    assert read_confirmation(SECRET, token, now=NOW + timedelta(hours=47)) is not None
    assert read_confirmation(SECRET, token, now=NOW + timedelta(hours=49)) is None


BRAND: dict[str, Any] = {"brand": "The <Club>", "brand_host": "vote.club.example:8443"}
COLOURS: dict[str, Any] = {"ground": "#ffffff", "ink": "#111111", "accent": "#7a0050"}


def test_an_email_of_a_brand_has_its_name_its_colours_and_its_host() -> None:
    """The address that sends stays; no link leads to the service; a brand without colours has its name alone."""
    digest = [replace(ITEM, id=number, frequency="weekly", **BRAND, **COLOURS) for number in (1, 2)]
    confirmation = replace(
        ITEM,
        kind=CONFIRMATION,
        about=confirmation_about("fan@example.org", 1),
        is_confirmed=False,
        show_id=None,
        **BRAND,
    )
    for items in (digest[:1], digest, [confirmation]):
        message = read(composed(*items))
        (sender,) = message["From"].addresses
        assert (sender.display_name, sender.addr_spec) == ("The <Club>", "mysetlist@example.org")
        for text in (body(message, "plain"), body(message, "html")):
            assert "https://vote.club.example:8443/" in text
            assert "sets.example.org" not in text
            assert "MySetlist" not in text
        assert "<strong>The &lt;Club&gt;</strong>" in body(message, "html")
        is_coloured = items[0].ground is not None
        assert ('background:#ffffff;color:#111111">' in body(message, "html")) == is_coloured
        assert ('<a style="color:#7a0050" href=' in body(message, "html")) == is_coloured
    assert read(composed(*digest))["Subject"] == "Your week on The <Club>: 2 shows"


@pytest.mark.parametrize("name", EVIL, ids=ascii)
@pytest.mark.parametrize("kind", ["show_announced", "show_reminder", "show_result"])
def test_no_hostile_name_breaks_an_email(kind: str, name: str) -> None:
    """With such a name in every field, the headers are the same, the lines are short, and the HTML is escaped."""
    plain = read(composed(replace(ITEM, kind=kind)))
    item = replace(
        ITEM, kind=kind, show=name, artist=name, venue=name, city=name, followed=[name], songs=[name, name], brand=name,
        brand_host="sets.example.org", **COLOURS,
    )  # fmt: skip
    email = composed(item)
    message = read(email)
    assert sorted(message.keys()) == sorted(plain.keys())
    assert message["To"] == "fan@example.org"
    assert link(message) == link(plain)
    assert "\n" not in message["Subject"]
    assert "\r" not in message["Subject"]
    assert max(len(line) for line in email.data.split(b"\r\n")) <= 998
    assert email.data.isascii()
    assert b"\n" not in email.data.replace(b"\r\n", b"")
    for part in (message["Subject"], body(message, "plain"), body(message, "html")):
        assert not set(part) & set("\u202e\u202c\u2028\u2029\x00\x85\x0b\x1c")
    assert "<script" not in body(message, "html")
    assert "<b>" not in body(message, "html")


@settings(max_examples=scaled(60))
@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
    | st.from_regex(r"(=\?[uU][tT][fF]-8\?[qb]\?=0[AD]\S{0,9}\?=\s?){1,4}")
)
def test_no_random_name_breaks_an_email(name: str) -> None:
    """With any text and any encoded word as a name, the headers are the same."""
    message = read(composed(replace(ITEM, show=name, artist=name, venue=name, city=name, followed=[name, name])))
    assert sorted(message.keys()) == sorted(read(composed(ITEM)).keys())
    assert message["To"] == "fan@example.org"
    assert not set("\r\n") & set(message["Subject"])


def test_a_right_to_left_name_is_isolated() -> None:
    """Plain text has isolate characters, HTML has `bdi`."""
    message = read(composed(replace(ITEM, followed=["\u05d4\u05dc\u05d4\u05e7\u05d4"])))
    assert message["Subject"].startswith("\u2068\u05d4\u05dc\u05d4\u05e7\u05d4\u2069 has a new show")
    assert "<bdi>\u05d4\u05dc\u05d4\u05e7\u05d4</bdi> has a new show" in body(message, "html")


def test_emoji_are_kept_whole() -> None:
    """The joiner inside an emoji is not removed as a control character."""
    assert "👩‍🎤" in read(composed(replace(ITEM, followed=["👩‍🎤 Band"])))["Subject"]


def test_a_digest_has_all_items_in_order() -> None:
    """Reminders come first, the soonest before the others. There is one unsubscribe header."""
    later = replace(
        ITEM, id=2, show="Later", kind="show_reminder", frequency="weekly", starts_at=NOW + timedelta(days=6)
    )
    sooner = replace(later, id=3, show="Sooner", starts_at=NOW + timedelta(days=1))
    new = replace(later, id=4, show="Brand-new", kind="show_announced")
    email = composed(new, later, sooner)
    message = read(email)
    assert email.kind == "digest"
    assert message["Subject"] == "Your week on MySetlist: 3 shows"
    text = body(message, "plain")
    assert text.index("Sooner") < text.index("Later") < text.index("Brand-new")
    assert len(message.get_all("List-Unsubscribe") or []) == 1


@pytest.mark.parametrize(
    ("language", "subject", "when"),
    [
        (
            "es",
            "Band anuncia un concierto: Boston, viernes 27 de noviembre de 2026, 20:30 (America/New York)",
            "viernes 27 de noviembre",
        ),
        (
            "ja",
            "Bandのライブが決まりました：Boston、2026年11月27日(金) 20:30（America/New York）",
            "2026年11月27日(金)",
        ),
        ("xx", "Band has a new show: Boston, Friday 27 November 2026, 20:30 (America/New York)", "Friday 27 November"),
    ],
)
def test_an_email_speaks_the_language_of_the_account(language: str, subject: str, when: str) -> None:
    """Subject, text, HTML and header; the date is written as people there write it. An unknown language is English."""
    message = read(composed(replace(ITEM, language=language)))
    assert message["Subject"] == subject
    assert when in body(message, "plain")
    tag = language if language != "xx" else "en"
    assert message["Content-Language"] == tag
    assert f'<html lang="{tag}" dir="ltr">' in body(message, "html")


EACH_KIND: list[dict[str, Any]] = [
    {"kind": "show_announced", "followed": ["12", "34", "56"]},
    {"kind": "show_announced", "followed": ["12", "34", "56", "78"]},
    {"kind": "show_reminder"},
    {"kind": "show_result", "songs": ["1", "2"]},
    {"kind": "show_reminder", "about": "show:3:cancelled"},
    {"kind": "show_reminder", "about": "show:3:2026-11-27"},
    {"kind": CONFIRMATION, "about": confirmation_about("7@8.9", 1), "is_confirmed": False},
]


def test_no_text_of_an_email_stands_outside_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With English in Hebrew letters, and numbers for names, no Latin letter is left in any kind of email, except in links and months."""
    (tmp_path / "en").mkdir()
    for file in (data_folder("static") / "words" / "en").iterdir():
        (tmp_path / "en" / file.name).write_text(file.read_text())
    pseudo_language.write_language(tmp_path)
    monkeypatch.setattr("server.mail.composer.shipped", lambda: Texts(tmp_path))
    names: dict[str, Any] = {
        "artist": "12",
        "venue": "34",
        "city": "56",
        "show": "78",
        "followed": ["12"],
        "time_zone": "Etc/UTC",
    }
    items = [replace(ITEM, **(names | kind), address="7@8.9", language=pseudo_language.TAG) for kind in EACH_KIND]
    digest = [replace(items[2], id=number, frequency="weekly") for number in (1, 2)]
    for email in [*(composed(item) for item in items), composed(*digest)]:
        message = read(email)
        texts = [message["Subject"], body(message, "plain"), re.sub("<[^>]*>", " ", body(message, "html"))]
        left = [re.sub(r"https?://\S+|MySetlist|Etc/UTC", "", text) for text in texts]
        assert re.findall("[A-Za-z]+", " ".join(left)) == []
        assert 'dir="rtl"' in body(message, "html")


def test_the_message_id_depends_only_on_the_items() -> None:
    """It is the same on another node and at another attempt, and different for other items."""
    same = EmailComposer("Another <other@example.org>", SECRET, lambda: "http://127.0.0.1:1")
    assert COMPOSER.message_id([ITEM]) == same.message_id([replace(ITEM, address="new@example.org")])
    assert COMPOSER.message_id([ITEM]) != COMPOSER.message_id([replace(ITEM, id=2)])
    assert COMPOSER.message_id([ITEM]).endswith("@example.org>")


def test_an_unknown_time_zone_falls_back_to_utc() -> None:
    """The email is composed anyway."""
    message = read(composed(replace(ITEM, time_zone="Mars/Olympus")))
    assert "Saturday 28 November 2026, 01:30 (UTC)" in message["Subject"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"address": None}, "the account has no address"),
        ({"is_confirmed": False}, "the address is not confirmed"),
        ({"frequency": "never"}, "the user wants no emails"),
        ({"is_wanted": False}, "the user wants no emails of this kind"),
        ({"stopped_by": "bounce"}, "the address is stopped: bounce"),
        ({"show_id": None}, "the show is gone"),
        ({"status": "cancelled"}, "the show is cancelled"),
        ({"starts_at": NOW}, "the show has begun"),
        ({"starts_at": NOW, "kind": "show_result"}, None),
        ({"followed": []}, "the user no longer follows the artist"),
        ({"kind": "show_reminder", "is_concerned": False}, "the user no longer attends the show or votes on it"),
        ({"created_at": NOW - timedelta(days=15)}, "it waited too long"),
        ({"kind": CONFIRMATION, "is_confirmed": True}, "the address is already confirmed"),
        ({"kind": CONFIRMATION, "is_confirmed": False}, "the address was changed"),
    ],
)
def test_an_item_is_suppressed_when_it_is_no_longer_wanted(changes: dict[str, Any], reason: str | None) -> None:
    """The check uses the data at the time of sending, not of queueing."""
    assert why_suppressed(replace(ITEM, **changes), NOW) == reason


def test_the_fourth_confirmation_to_an_address_in_an_hour_is_suppressed() -> None:
    """The users who asked do not matter: several users together must not flood an address."""
    item = replace(ITEM, kind=CONFIRMATION, is_confirmed=False, about=confirmation_about("Fan@Example.org", 1))
    assert why_suppressed(replace(item, earlier_count=2), NOW) is None
    assert why_suppressed(replace(item, earlier_count=3), NOW) == "too many confirmations to this address"
