"""The sender against a real SMTP server: delivered emails, digests and suppressed emails."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from server.mail.tokens import mailbox_hash, read_confirmation, read_unsubscribe
from tests.support import one_node
from tests.support.mailing import SECRET, Mailing
from tests.support.smtp_server import SmtpServer

database_url = one_node.database_url

MINUTE_S = 60.0
DAY = timedelta(days=1)


# ── delivery


async def test_an_email_arrives_and_is_logged(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """It arrives once. The log has the reply of the server, and the unsubscribe link is for its address."""
    await mailing.one_email()
    await mailing.send_all(smtp_server)
    (email,) = smtp_server.arrived
    assert email.message["To"] == email.recipient == "fan@example.org"
    assert email.message["Subject"].startswith("Band has a new show: Boston, ")
    link = email.message["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://sets.example.org/unsubscribe?token=")
    assert read_unsubscribe(SECRET, link.partition("token=")[2]) == mailbox_hash("fan@example.org")
    assert email.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert await mailing.states() == [("sent", 1)]
    assert await mailing.log() == [("sent", "250 OK")]


async def test_an_email_comes_from_the_brand_where_its_reader_asked_for_it(
    mailing: Mailing, smtp_server: SmtpServer
) -> None:
    """Its name and its host, in its light colours; when the brand is gone, from the service again."""
    await mailing.sql.execute(
        """insert into brands (host, name, colours) values ('vote.club.example', 'The Club', '{"light": {"ground": "#ffffff", "surface": "#f4f4f4", "text": "#111111", "accent": "#7a0050"}}')"""
    )
    for name, host in (("The Club", "vote.club.example"), ("MySetlist", "sets.example.org")):
        await mailing.one_email(f"{len(name)}@example.org")
        await mailing.sql.execute("update email_preferences set host = 'vote.club.example'")
        await mailing.send_all(smtp_server)
        email = smtp_server.arrived[-1]
        assert email.message["From"] == f"{name} <mysetlist@example.org>"
        assert f"https://{host}/shows/" in email.text
        await mailing.sql.execute("delete from brands")


async def test_a_confirmation_arrives_first_and_its_link_is_valid(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """It goes to an unconfirmed address, before less urgent emails."""
    await mailing.one_email("old@example.org")
    fan = await mailing.confirmation("new@example.org")
    await mailing.send_all(smtp_server)
    assert smtp_server.recipients() == ["new@example.org", "old@example.org"]
    email = smtp_server.arrived[0]
    assert email.message["List-Unsubscribe"] is None
    token = email.text.partition("/confirm-email?token=")[2].split()[0]
    found = read_confirmation(SECRET, token, now=mailing.now)
    assert found is not None
    assert found[0] == fan


async def test_mail_to_strangers_has_a_share_of_its_own(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """Confirmations come first, but only so many a minute; then the others go, and the rest waits for the next minute."""
    strangers = [f"stranger{n}@example.org" for n in range(5)]
    for address in strangers:
        await mailing.confirmation(address)
    for n in range(3):
        await mailing.one_email(f"fan{n}@example.org")
    await mailing.send_all(smtp_server, strangers_max=2)
    fans = [f"fan{n}@example.org" for n in range(3)]
    assert smtp_server.recipients() == [*strangers[:2], *fans]
    mailing.clock.advance(MINUTE_S)
    await mailing.send_all(smtp_server, strangers_max=2)
    assert smtp_server.recipients()[5:] == strangers[2:4]


async def test_a_result_names_the_five_best_songs(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """They are ordered by score. Songs without votes and the sixth song are left out."""
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


async def test_a_hostile_name_in_the_catalogue_cannot_break_an_email(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """The name of an artist never becomes a header, a recipient or a tag."""
    evil = "Band\r\nBcc: everybody@example.org\r\n\r\n<script>=?utf-8?q?=0D=0ATo=3A_x=40example.org?="
    await mailing.sql.execute("update artists set name = $1", evil)
    fan = await mailing.fan("fan@example.org", follows=1)
    await mailing.queue(fan, await mailing.show(name="מופע 🎸 \u202egro.live"))
    await mailing.send_all(smtp_server)
    (email,) = smtp_server.arrived
    assert email.recipient == email.message["To"] == "fan@example.org"
    assert email.message["Bcc"] is None
    assert "<script" not in email.html
    assert "\u202e" not in email.text


# ── digests


async def test_a_daily_digest_is_one_email_at_eight(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """It has all items since the last digest. Nothing is sent earlier, left over or sent again."""
    fan = await mailing.fan("fan@example.org", frequency="daily", follows=1)
    shows = [await mailing.show(starts_in=timedelta(days=20 + n)) for n in range(3)]
    await mailing.attend(fan, tonight := await mailing.show(starts_in=timedelta(hours=22)))
    await mailing.enqueuer().enqueue_all()
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    mailing.turn_to(datetime(2026, 11, 26, 8, tzinfo=UTC))
    await mailing.enqueuer().enqueue_all()
    await mailing.send_all(smtp_server)
    (email,) = smtp_server.arrived
    assert email.message["Subject"] == "Your day on MySetlist: 5 shows"
    for show in (*shows, tonight):
        assert f"/shows/show-{show}\n" in email.text.replace("\r\n", "\n")
    assert await mailing.states() == [("sent", 1)] * 5
    mailing.clock.advance(DAY.total_seconds())
    await mailing.enqueuer().enqueue_all()
    await mailing.send_all(smtp_server)
    assert len(smtp_server.arrived) == 1


async def test_a_digest_with_one_item_has_the_usual_subject(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """A weekly digest with one show looks like a single email."""
    await mailing.fan("fan@example.org", frequency="weekly", follows=1)
    await mailing.show()
    await mailing.enqueuer().enqueue_all()
    mailing.turn_to(datetime(2026, 11, 30, 7, 59, 59, tzinfo=UTC))
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    mailing.turn_to(datetime(2026, 11, 30, 8, tzinfo=UTC))
    await mailing.send_all(smtp_server)
    assert [email.message["Subject"].partition(":")[0] for email in smtp_server.arrived] == ["Band has a new show"]


async def test_a_long_digest_is_split(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """A user with many items gets several digests, and each item is in exactly one of them."""
    fan = await mailing.fan("fan@example.org", frequency="daily", follows=1)
    for _ in range(10):
        await mailing.queue(fan, await mailing.show())
    await mailing.send_all(smtp_server, digest_max=4, batch_max=1)
    subjects = [email.message["Subject"] for email in smtp_server.arrived]
    assert [subject.removeprefix("Your day on MySetlist: ") for subject in subjects] == [
        "4 shows",
        "4 shows",
        "2 shows",
    ]
    links = [line for email in smtp_server.arrived for line in email.text.splitlines() if "/shows/" in line]
    assert len(set(links)) == len(links) == 10


async def test_a_deferred_digest_stays_the_same_email(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """New items go into another digest, so that one Message-ID never has two contents."""
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
    ids = Counter(email.message["Message-ID"] for email in smtp_server.arrived)
    assert sorted(ids.values()) == [1, 2]
    twice = [email.text for email in smtp_server.arrived if ids[email.message["Message-ID"]] == 2]
    assert twice[0] == twice[1]


# ── suppressed emails


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update email_preferences set frequency = 'never'", "the user wants no emails"),
        ("update email_preferences set confirmed_at = null", "the address is not confirmed"),
        ("update email_preferences set kinds = '{show_result}'", "the user wants no emails of this kind"),
        ("delete from email_preferences", "the account has no address"),
        ("delete from shows", "the show is gone"),
        ("update shows set status = 'cancelled'", "the show is cancelled"),
        ("delete from user_follows_artists", "the user no longer follows the artist"),
    ],
)
async def test_an_email_that_is_no_longer_wanted_is_suppressed(
    mailing: Mailing, smtp_server: SmtpServer, change: str, reason: str
) -> None:
    """It was wanted when it was enqueued. The log has the reason."""
    await mailing.one_email()
    await mailing.sql.execute(change)
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    assert await mailing.states() == [("suppressed", 1)]
    assert await mailing.log() == [("suppressed", reason)]


@pytest.mark.parametrize("kind", ["show_announced", "confirm_address"])
async def test_an_unsubscribed_address_gets_nothing(mailing: Mailing, smtp_server: SmtpServer, kind: str) -> None:
    """This includes confirmations, for any user and any case of the address."""
    if kind == "confirm_address":
        await mailing.confirmation("Fan@Example.org")
    else:
        await mailing.one_email("Fan@Example.org")
    await mailing.stop("fan@example.org")
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    assert await mailing.log() == [("suppressed", "the address is stopped: link")]


async def test_several_users_cannot_flood_an_address(mailing: Mailing, smtp_server: SmtpServer) -> None:
    """It gets three confirmations an hour, for any number of users and any case."""
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
    """The erasure deletes their rows of the queue and the log."""
    fan = await mailing.one_email()
    await mailing.sql.execute("select erase_user($1)", fan)
    await mailing.send_all(smtp_server)
    assert smtp_server.arrived == []
    assert await mailing.states() == []
    assert await mailing.log() == []
