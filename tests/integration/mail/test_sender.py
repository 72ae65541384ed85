"""What arrives, digests, and who gets nothing: the sender against a real SMTP server."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from server.mail import sender as sender_module
from server.mail.tokens import mailbox_hash, read_confirmation, read_unsubscribe
from tests.support.mailing import SECRET, Mailing
from tests.support.smtp_server import SmtpServer

MINUTE_S = 60.0
DAY = timedelta(days=1)


# ── what is taken


async def test_a_letter_arrives_and_is_written_down(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """Once, with the server's answer in the log, and with a way out that names its address."""
    await mailing.one_letter()
    await mailing.send_all(smtp_server)
    (letter,) = smtp_server.arrived
    assert letter.message["To"] == letter.recipient == "fan@example.org"
    assert letter.message["Subject"].startswith("Band has a new show: Boston, ")
    link = letter.message["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://sets.example.org/unsubscribe?token=")
    assert read_unsubscribe(SECRET, link.partition("token=")[2]) == mailbox_hash("fan@example.org")
    assert letter.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert await mailing.states() == [("sent", 1)]
    assert await mailing.log() == [("sent", "250 OK")]


async def test_a_confirmation_arrives_first_and_its_link_is_good(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """Before what is less urgent, to an address that is not confirmed yet."""
    await mailing.one_letter("old@example.org")
    fan = await mailing.confirmation("new@example.org")
    await mailing.send_all(smtp_server)
    assert smtp_server.recipients() == ["new@example.org", "old@example.org"]
    letter = smtp_server.arrived[0]
    assert letter.message["List-Unsubscribe"] is None
    token = letter.text.partition("/confirm-email?token=")[2].split()[0]
    found = read_confirmation(SECRET, token, now=mailing.now)
    assert found is not None
    assert found[0] == fan


async def test_a_result_names_the_five_best_songs(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """By their score, without those that nobody voted on or that are sixth."""
    show = await mailing.show(starts_in=-DAY, finalised_at=mailing.now, songs=7)
    fans = [await mailing.fan() for _ in range(4)]
    for song, ups in enumerate([1, 3, 2, 4, 2, 0], 1):
        for fan in fans[:ups]:
            await mailing.vote(fan, show, song=song)
    await mailing.vote(fans[3], show, song=1, choice="down")
    await mailing.vote(fans[3], show, song=6, choice="down")
    await mailing.queue(fans[0], show, "show_result")
    await mailing.send_all(smtp_server)
    listed = [line.partition(". ")[2] for line in smtp_server.arrived[0].text.splitlines() if line[:1].isdigit()]
    assert listed == [f"Song {n} of {show}" for n in (4, 2, 3, 5, 1)]


async def test_names_from_the_catalogue_cannot_break_a_letter(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """What a provider calls an artist is a word, never a header, a recipient or a tag."""
    evil = "Band\r\nBcc: everybody@example.org\r\n\r\n<script>=?utf-8?q?=0D=0ATo=3A_x=40example.org?="
    await mailing.sql.execute("update artists set name = $1", evil)
    fan = await mailing.fan("fan@example.org", follows=1)
    await mailing.queue(fan, await mailing.show(name="מופע 🎸 \u202egro.live"))
    await mailing.send_all(smtp_server)
    (letter,) = smtp_server.arrived
    assert letter.recipient == letter.message["To"] == "fan@example.org"
    assert letter.message["Bcc"] is None
    assert "<script" not in letter.html
    assert "\u202e" not in letter.text


# ── digests


async def test_a_day_is_one_letter_at_eight(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """What came up since yesterday; nothing before its time, and nothing is left over or said again."""
    fan = await mailing.fan("fan@example.org", frequency="daily", follows=1)
    shows = [await mailing.show(starts_in=timedelta(days=20 + n)) for n in range(3)]
    await mailing.attend(fan, tonight := await mailing.show(starts_in=timedelta(hours=22)))
    await mailing.queueing().look()
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    mailing.turn_to(datetime(2026, 11, 26, 8, tzinfo=UTC))
    await mailing.queueing().look()
    await mailing.send_all(smtp_server)
    (letter,) = smtp_server.arrived
    assert letter.message["Subject"] == "Your day on MySetlist: 5 shows"
    for show in (*shows, tonight):
        assert f"/shows/show-{show}\n" in letter.text.replace("\r\n", "\n")
    assert await mailing.states() == [("sent", 1)] * 5
    mailing.clock.advance(DAY.total_seconds())
    await mailing.queueing().look()
    await mailing.send_all(smtp_server)
    assert len(smtp_server.arrived) == 1


async def test_one_thing_to_say_is_said_plainly(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """A week with one show is no list."""
    await mailing.fan("fan@example.org", frequency="weekly", follows=1)
    await mailing.show()
    await mailing.queueing().look()
    mailing.turn_to(datetime(2026, 11, 30, 7, 59, 59, tzinfo=UTC))
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    mailing.turn_to(datetime(2026, 11, 30, 8, tzinfo=UTC))
    await mailing.send_all(smtp_server)
    assert [letter.message["Subject"].partition(":")[0] for letter in smtp_server.arrived] == ["Band has a new show"]


async def test_a_digest_has_an_end_and_the_rest_follows(
    mailing: Mailing, smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who follows everybody gets several letters, with everything in one of them."""
    monkeypatch.setattr(sender_module, "DIGEST_ITEMS_MAX", 4)
    monkeypatch.setattr(sender_module, "BATCH_LETTERS_MAX", 1)
    fan = await mailing.fan("fan@example.org", frequency="daily", follows=1)
    for _ in range(10):
        await mailing.queue(fan, await mailing.show())
    await mailing.send_all(smtp_server)
    subjects = [letter.message["Subject"] for letter in smtp_server.arrived]
    assert [subject.removeprefix("Your day on MySetlist: ") for subject in subjects] == [
        "4 shows",
        "4 shows",
        "2 shows",
    ]
    links = [line for letter in smtp_server.arrived for line in letter.text.splitlines() if "/shows/" in line]
    assert len(set(links)) == len(links) == 10


async def test_a_digest_that_was_deferred_stays_the_same_letter(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """What came up meanwhile goes into another, so that one Message-ID never means two contents."""
    fan = await mailing.fan("fan@example.org", frequency="daily", follows=1)
    for _ in range(2):
        await mailing.queue(fan, await mailing.show())
    smtp_server.after_data["fan@example.org"] = "451 4.3.0 taken, but not admitted"
    await mailing.send_all(smtp_server)
    smtp_server.after_data.clear()
    mailing.clock.advance(2 * MINUTE_S)
    for _ in range(2):
        await mailing.queue(fan, await mailing.show())
    await mailing.send_all(smtp_server)
    ids = Counter(letter.message["Message-ID"] for letter in smtp_server.arrived)
    assert sorted(ids.values()) == [1, 2]
    twice = [letter.text for letter in smtp_server.arrived if ids[letter.message["Message-ID"]] == 2]
    assert twice[0] == twice[1]


# ── who gets nothing


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update email_preferences set frequency = 'never'", "no letters are wanted"),
        ("update email_preferences set confirmed_at = null", "the address is not confirmed"),
        ("update email_preferences set kinds = '{show_result}'", "letters of this kind are not wanted"),
        ("delete from email_preferences", "there is no address any more"),
        ("delete from shows", "the show is gone"),
        ("update shows set status = 'cancelled'", "the show is cancelled"),
        ("delete from user_follows_artists", "they do not follow any more"),
    ],
)
async def test_what_is_not_wanted_any_more_is_suppressed(
    mailing: Mailing, smtp_server: SmtpServer, change: str, reason: str
) -> None:
    """Also when it was wanted as it was queued; the log says why."""
    await mailing.one_letter()
    await mailing.sql.execute(change)
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    assert await mailing.states() == [("suppressed", 1)]
    assert await mailing.log() == [("suppressed", reason)]


@pytest.mark.parametrize("kind", ["show_announced", "confirm_address"])
async def test_an_address_that_unsubscribed_gets_nothing_at_all(
    mailing: Mailing, smtp_server: SmtpServer, kind: str
) -> None:
    """Whatever its case, whoever gives it, not even a confirmation."""
    if kind == "confirm_address":
        await mailing.confirmation("Fan@Example.org")
    else:
        await mailing.one_letter("Fan@Example.org")
    await mailing.stop("fan@example.org")
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    assert await mailing.log() == [("suppressed", "the address is stopped: link")]


async def test_strangers_together_cannot_flood_an_address(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """Three confirmations an hour, however many ask for them and in whatever case."""
    for number in range(8):
        await mailing.confirmation("fan@example.org" if number % 2 else "FAN@example.org")
    await mailing.confirmation("other@example.org")
    await mailing.send_all(smtp_server)
    assert Counter(address.lower() for address in smtp_server.recipients()) == {
        "fan@example.org": 3,
        "other@example.org": 1,
    }
    mailing.clock.advance(61 * MINUTE_S)
    await mailing.confirmation("fan@example.org")
    await mailing.send_all(smtp_server)
    assert len(smtp_server.arrived) == 5


async def test_an_erased_user_gets_nothing(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """The queue and the log forget them."""
    fan = await mailing.one_letter()
    await mailing.sql.execute("select erase_user($1)", fan)
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    assert await mailing.states() == await mailing.log() == []
